import { z } from 'zod';
import { LabError } from '../errors.ts';

const text = z.string().max(200);

const number = z.union([z.number(), text]).optional();

/** A cluster's way out. */
const outbound = {
  outboundType: text.optional(),
  loadBalancerManagedOutboundIpCount: number,
  loadBalancerOutboundIps: z.array(text).max(100).optional(),
  loadBalancerOutboundPorts: number,
  loadBalancerIdleTimeout: number,
  natGatewayManagedOutboundIpCount: number,
  natGatewayIdleTimeout: number,
};

const route = z.strictObject({ name: text.optional(), addressPrefix: text, nextHop: text });

/** What the API's requests may hold: their form only. What the values mean is judged by the rules at the door. */
export const requests = {
  cluster: z.strictObject({
    name: text,
    // Words that are no numbers come as they were typed: the rules name them in their refusal.
    nodes: z.union([z.number(), text]),
    podCidr: text.optional(),
    networkPlugin: text.optional(),
    maxPods: z.union([z.number(), text]).optional(),
    minCount: z.union([z.number(), text]).optional(),
    maxCount: z.union([z.number(), text]).optional(),
    vnet: text.optional(),
    vnetPrefix: text.optional(),
    subnet: text.optional(),
    subnetPrefix: text.optional(),
    serviceCidr: text.optional(),
    dnsServiceIp: text.optional(),
    ...outbound,
  }),
  outbound: z.strictObject(outbound),
  network: z.strictObject({
    name: text,
    addressPrefixes: z.array(text).min(1).max(16),
    subnets: z.array(z.strictObject({ name: text, addressPrefix: text })).max(64),
  }),
  subnet: z.strictObject({ name: text, addressPrefix: text }),
  host: z.strictObject({
    name: text,
    vnet: text.optional(),
    subnet: text.optional(),
    internet: z.boolean().optional(),
    onPremises: text.optional(),
    address: text.optional(),
    ipForwarding: z.boolean().optional(),
    masquerade: z.boolean().optional(),
  }),
  subnetGateways: z.strictObject({
    natGateway: text.nullable().optional(),
    routeTable: text.nullable().optional(),
  }),
  publicIp: z.strictObject({ name: text }),
  natGateway: z.strictObject({
    name: text,
    publicIpAddresses: z.array(text).max(100),
    idleTimeout: number,
  }),
  route,
  routeTable: z.strictObject({ name: text, routes: z.array(route).max(400) }),
  site: z.strictObject({ name: text, vnet: text, addressPrefix: text }),
};

/** The body of a request in its proper form. @throws LabError `InvalidRequestContent` */
export function readRequest<T extends z.ZodType>(schema: T, body: unknown): z.output<T> {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new LabError({
    code: 'InvalidRequestContent',
    field: issue.path.join('.') || 'body',
    rule: `is not what this supervisor takes: ${issue.message}`,
    fix: 'use the flyover command of the same version; flyover down --keep-state and flyover up change to a new one',
  });
}
