import type { Endpoint } from './endpoints.ts';
import type { NodeView } from './objects.ts';

/** What decides which endpoints a Service's traffic may reach. */
export interface TrafficPolicy {
  readonly internalLocal: boolean;
  readonly externalLocal: boolean;
  /** Has node ports, external addresses or a load balancer's. */
  readonly external: boolean;
}

/** The endpoints of one port, by who asks. */
export interface Chosen {
  /** For traffic with policy `Cluster`. */
  readonly cluster: readonly Endpoint[];
  /** For traffic with policy `Local`. */
  readonly local: readonly Endpoint[];
  /** Whether there are any at all, here or elsewhere, that could answer somebody. */
  readonly any: boolean;
}

/**
 * Which endpoints answer. Ready ones; where there are none, those that terminate but still serve. With policy
 * `Cluster` those that the topology hints allot to this node or its zone; with `Local` those on this node.
 */
export function chooseEndpoints(
  endpoints: readonly Endpoint[],
  policy: TrafficPolicy,
  node: NodeView,
): Chosen {
  // With `externalTrafficPolicy: Local` traffic from inside still goes to all.
  const usesCluster = !policy.internalLocal || policy.external;
  const usesLocal = policy.internalLocal || (policy.externalLocal && policy.external);
  const leaving = endpoints.filter(isLeaving);
  let cluster: readonly Endpoint[] = [];
  if (usesCluster) {
    const allotted = hintsFor(endpoints, node);
    cluster = endpoints.filter((one) => one.ready && (allotted === undefined || allotted(one)));
    if (cluster.length === 0) cluster = leaving;
  }
  if (!usesLocal) return { cluster, local: [], any: cluster.length > 0 };
  let local = endpoints.filter((one) => one.local && one.ready);
  if (local.length === 0) local = leaving.filter((one) => one.local);
  return { cluster, local, any: leaving.length > 0 || endpoints.some(({ ready }) => ready) };
}

function isLeaving({ ready, serving, terminating }: Endpoint): boolean {
  return !ready && serving && terminating;
}

/**
 * Which endpoints the hints allot to this node: hints for nodes before hints for zones, and each only where every ready
 * endpoint has them and one is for us. Undefined: every endpoint is.
 */
function hintsFor(endpoints: readonly Endpoint[], node: NodeView): ((one: Endpoint) => boolean) | undefined {
  const ready = endpoints.filter((one) => one.ready);
  if (ready.length === 0) return undefined;
  const forNode = ({ nodes }: Endpoint): boolean => nodes.has(node.name);
  if (ready.every(({ nodes }) => nodes.size > 0) && ready.some(forNode)) return forNode;
  const { zone } = node;
  if (zone === undefined) return undefined;
  const forZone = ({ zones }: Endpoint): boolean => zones.has(zone);
  if (ready.every(({ zones }) => zones.size > 0) && ready.some(forZone)) return forZone;
  return undefined;
}
