import type { Service, ServicePort } from '../../kube/types.ts';
import type { LoadBalancerProbe, LoadBalancerRule } from '../azure/types.ts';
import { LabError } from '../errors.ts';
import { Annotations, minutesOf, notHonoured, portProbe, probeTimes } from './annotations.ts';
import { ownerOf } from './service.ts';

/** What a Service wants of the cloud's load balancer. */
export interface Wish {
  /** What its rules and probes are named after. */
  readonly owner: string;
  /** `namespace/name`. */
  readonly service: string;
  /** A frontend of a subnet instead of a public one. */
  readonly internal: boolean;
  /** Of an internal one; without it the subnet of the cluster's nodes. */
  readonly subnet?: string;
  readonly address?: string;
  /** Name of a public address. */
  readonly publicIpAddress?: string;
  /** The resource group where a public address is looked for; without it the cluster's own. */
  readonly resourceGroup?: string;
  readonly rules: readonly Omit<LoadBalancerRule, 'frontend'>[];
  readonly probes: readonly LoadBalancerProbe[];
  /** What it asks for and does not get, in words. */
  readonly notes: readonly string[];
}

const HEALTHZ = '/healthz';

/**
 * Reads a Service of type LoadBalancer as Azure's cloud provider does. Pure.
 * @throws LabError naming the annotation or field, its value, the rule and the way out
 */
export function wishOf(service: Service): Wish {
  const { metadata, spec } = service;
  const annotations = new Annotations(metadata?.annotations ?? {});
  const owner = ownerOf(service);
  const internal = annotations.flag('azure-load-balancer-internal');
  const local = localProbe(service, annotations, owner);
  const probes: LoadBalancerProbe[] = local ? [local] : [];
  const idle = minutesOf(annotations);
  const rules: Wish['rules'][number][] = [];
  for (const port of spec?.ports ?? []) {
    const protocol = protocolOf(port);
    const name = `${owner}-${protocol}-${port.port}`;
    if (annotations.flag(`port_${port.port}_no_lb_rule`)) continue;
    let probe: string | undefined;
    if (!annotations.flag(`port_${port.port}_no_probe_rule`)) {
      const own = portProbe(name, port, spec?.ports ?? [], annotations, local !== undefined);
      if (own) probes.push(own);
      probe = (own ?? local)?.name;
    }
    rules.push({
      name,
      protocol,
      port: port.port,
      ...(probe === undefined ? {} : { probe }),
      idleTimeoutInMinutes: protocol === 'TCP' ? idle.tcp : idle.other,
    });
  }
  const subnet = annotations.text('azure-load-balancer-internal-subnet');
  const address = annotations.text('azure-load-balancer-ipv4') ?? (spec?.loadBalancerIP || undefined);
  const publicIpAddress = annotations.text('azure-pip-name');
  const resourceGroup = annotations.text('azure-load-balancer-resource-group');
  return {
    owner,
    service: `${metadata?.namespace}/${metadata?.name}`,
    internal,
    ...(internal && subnet !== undefined ? { subnet } : {}),
    ...(address === undefined ? {} : { address }),
    ...(!internal && publicIpAddress !== undefined ? { publicIpAddress } : {}),
    ...(!internal && resourceGroup !== undefined ? { resourceGroup } : {}),
    rules,
    probes: probes.filter((probe) => rules.some((rule) => rule.probe === probe.name)),
    notes: notHonoured(annotations),
  };
}

/** `externalTrafficPolicy: Local`: nodes say themselves whether they have an endpoint. */
function localProbe(
  { spec }: Service,
  annotations: Annotations,
  owner: string,
): LoadBalancerProbe | undefined {
  const port = spec?.healthCheckNodePort;
  if (spec?.externalTrafficPolicy !== 'Local' || !port) return undefined;
  const name = `${owner}-TCP-${port}`;
  return { name, protocol: 'Http', port, requestPath: HEALTHZ, ...probeTimes(annotations, port) };
}

function protocolOf({ protocol = 'TCP', port }: ServicePort): 'TCP' | 'UDP' {
  if (protocol === 'TCP' || protocol === 'UDP') return protocol;
  throw new LabError({
    code: 'ProtocolNotSupported',
    field: 'spec.ports',
    value: `${port}/${protocol}`,
    rule: 'is for a protocol that Azure load balancers do not carry',
    fix: `use TCP or UDP, or leave the port out with the annotation service.beta.kubernetes.io/port_${port}_no_lb_rule: "true"`,
  });
}
