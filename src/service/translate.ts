import type { Family } from '../address/ip.ts';
import { type ManifestProblem, Problems } from '../manifest/problem.ts';
import { Endpoints } from './endpoints.ts';
import { frontendsOf, type ReadPort, type ReadService } from './frontends.ts';
import { isExcluded, keyOf, type NodeView, type ServiceObject, type SliceObject } from './objects.ts';
import { addressIn, isPort, listOf, type NamedAddress, protocolIn } from './read.ts';
import { SourceRanges } from './source-ranges.ts';
import type { PortTranslation, ServiceTranslation } from './types.ts';

/** A translation, and what of the objects could not be used. */
export interface Translated {
  /** Without ports when the Service is no matter of the tables: headless, ExternalName, somebody else's. */
  readonly translation: ServiceTranslation;
  readonly problems: readonly ManifestProblem[];
}

/** `spec.sessionAffinityConfig.clientIP.timeoutSeconds` without one: three hours. */
export const DEFAULT_AFFINITY_SECONDS = 10_800;
const LONGEST_AFFINITY_SECONDS = 86_400;

/**
 * What a Service becomes on a node, as kube-proxy 1.36 has it ("Virtual IPs and Service Proxies" in Kubernetes'
 * documentation). Never throws: what is not as it should be is left out and named.
 *
 * @param slices those of this Service, in any order
 */
export function translateService(
  service: ServiceObject,
  slices: Iterable<SliceObject>,
  node: NodeView,
): Translated {
  const key = keyOf(service);
  const problems = new Problems(`Service ${key}`);
  const addresses = clusterAddresses(service, problems);
  if (addresses.size === 0 || isExcluded(service)) {
    return { translation: { key, ports: [] }, problems: problems.found };
  }
  const endpoints = new Endpoints(slices, node, problems);
  const read = readService(service, addresses, problems);
  const ports = readPorts(service, problems).map(
    (port): PortTranslation => ({
      id: `${key}:${port.name || `${port.port}/${port.protocol}`}`,
      frontends: frontendsOf(read, port, endpoints, node),
    }),
  );
  const healthCheck = healthCheckPort(service, read, problems);
  if (healthCheck === undefined) return { translation: { key, ports }, problems: problems.found };
  const [first = 4] = addresses.keys();
  const localEndpoints = endpoints.localReady(first);
  return {
    translation: { key, ports, healthCheck: { port: healthCheck, localEndpoints } },
    problems: problems.found,
  };
}

/** One a family, the first first; none for what has no address of its own. */
function clusterAddresses({ spec }: ServiceObject, problems: Problems): Map<Family, string> {
  const found = new Map<Family, string>();
  if (spec?.type === 'ExternalName') return found;
  const several = listOf(spec?.clusterIPs);
  const [texts, field] = several.length > 0 ? [several, 'spec.clusterIPs'] : [listOf([spec?.clusterIP]), ''];
  for (const [i, text] of texts.entries()) {
    if (text === 'None' || text === '') return new Map();
    const at = field === '' ? 'spec.clusterIP' : `${field}[${i}]`;
    const address = addressIn(text, at, problems);
    if (!address) continue;
    if (found.has(address.ip.family)) {
      const rule = `is a second IPv${address.ip.family} address`;
      problems.add(at, text, rule, 'a Service has one address a family: make it anew');
    } else found.set(address.ip.family, address.text);
  }
  return found;
}

function readService(
  service: ServiceObject,
  clusterIPs: ReadonlyMap<Family, string>,
  problems: Problems,
): ReadService {
  const { spec, status } = service;
  const external = listOf(spec?.externalIPs).flatMap((text, i) => {
    const address = addressIn(text, `spec.externalIPs[${i}]`, problems);
    return address ? [address] : [];
  });
  const ingress = listOf(status?.loadBalancer?.ingress).flatMap(({ ip, ipMode }, i): NamedAddress[] => {
    // Without an address it has a host name. `Proxy` wants its packets to arrive at node ports.
    if (!ip || (ipMode !== undefined && ipMode !== null && ipMode !== 'VIP')) return [];
    const address = addressIn(ip, `status.loadBalancer.ingress[${i}].ip`, problems);
    return address ? [address] : [];
  });
  const affinitySeconds = affinityOf(service, problems);
  return {
    clusterIPs,
    externalIPs: external,
    loadBalancerIPs: ingress,
    sourceRanges: new SourceRanges(service, problems),
    internalLocal: spec?.internalTrafficPolicy === 'Local',
    externalLocal: spec?.externalTrafficPolicy === 'Local',
    ...(affinitySeconds === undefined ? {} : { affinitySeconds }),
  };
}

function affinityOf({ spec }: ServiceObject, problems: Problems): number | undefined {
  if (spec?.sessionAffinity !== 'ClientIP') return undefined;
  const seconds = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds;
  if (seconds === undefined || seconds === null) return DEFAULT_AFFINITY_SECONDS;
  if (Number.isInteger(seconds) && seconds >= 1 && seconds <= LONGEST_AFFINITY_SECONDS) return seconds;
  problems.add(
    'spec.sessionAffinityConfig.clientIP.timeoutSeconds',
    seconds,
    `is not in 1..${LONGEST_AFFINITY_SECONDS}; ${DEFAULT_AFFINITY_SECONDS} is in force`,
    'give seconds in that range',
  );
  return DEFAULT_AFFINITY_SECONDS;
}

function readPorts({ spec }: ServiceObject, problems: Problems): ReadPort[] {
  const names = new Set<string>();
  const numbers = new Set<string>();
  return listOf(spec?.ports).flatMap((one, i): ReadPort[] => {
    const at = `spec.ports[${i}]`;
    const protocol = protocolIn(one.protocol, `${at}.protocol`, problems);
    if (protocol === undefined) return [];
    if (!isPort(one.port)) {
      problems.add(`${at}.port`, one.port, 'is not a port', 'give a number, 1 to 65535');
      return [];
    }
    const name = typeof one.name === 'string' ? one.name : '';
    const number = `${one.port}/${protocol}`;
    // Endpoints are found by the name, so two ports of one name would have each other's.
    const twice = names.has(name) ? name || 'no name' : numbers.has(number) ? number : undefined;
    if (twice !== undefined) {
      problems.add(at, twice, 'is there twice', 'give each port a name and a number of its own');
      return [];
    }
    names.add(name);
    numbers.add(number);
    const nodePort = one.nodePort || undefined;
    if (nodePort !== undefined && !isPort(nodePort)) {
      problems.add(`${at}.nodePort`, nodePort, 'is not a port', 'give a number, 1 to 65535');
      return [{ name, protocol, port: one.port }];
    }
    return [{ name, protocol, port: one.port, ...(nodePort === undefined ? {} : { nodePort }) }];
  });
}

/** Only load balancers ask nodes whether they have endpoints, and only where it makes a difference. */
function healthCheckPort(
  { spec }: ServiceObject,
  { externalLocal }: ReadService,
  problems: Problems,
): number | undefined {
  if (spec?.type !== 'LoadBalancer' || !externalLocal) return undefined;
  const port = spec.healthCheckNodePort;
  if (isPort(port)) return port;
  problems.add(
    'spec.healthCheckNodePort',
    port ?? 0,
    'is not a port, though externalTrafficPolicy is Local',
    'the API server gives it one: make the Service anew',
  );
  return undefined;
}
