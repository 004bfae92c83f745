import type { Node } from '../../../kube/types.ts';
import { type Page, PageServer, type PageServerOptions } from './page-server.ts';

/** kube-proxy's, which load balancers probe for Services with `externalTrafficPolicy: Cluster`. */
export const NODE_HEALTH_PORT = 10_256;
/** The cluster autoscaler takes a node away that has this taint. */
export const TO_BE_DELETED_TAINT = 'ToBeDeletedByClusterAutoscaler';
/** By which topology hints are for a node. */
export const ZONE_LABEL = 'topology.kubernetes.io/zone';
/** So long may a change wait for its way into the tables, as upstream. */
export const HEALTHY_MS = 60_000;

export interface NodeHealthSource {
  /** Whether load balancers may send new connections to this node. */
  readonly eligible: () => boolean;
  /** Whether the tables are kept up to date. */
  readonly healthy: () => boolean;
  /** Milliseconds since 1970 of the last time that the tables were; undefined before the first. */
  readonly updatedAt: () => number | undefined;
}

export interface NodeHealthOptions extends Pick<PageServerOptions, 'addresses' | 'onRefused' | 'retry'> {
  /** Default {@link NODE_HEALTH_PORT}. */
  readonly port?: number;
}

/** Whether a node takes part: it is there, it is not on its way out, and the autoscaler does not want it. */
export function isEligible(node: Node | undefined): boolean {
  if (!node || node.metadata?.deletionTimestamp) return false;
  return !node.spec?.taints?.some(({ key }) => key === TO_BE_DELETED_TAINT);
}

/** `/healthz`: 200 while this node may get connections, else 503; `/livez`: the same without regard to its Node. */
export function serveNodeHealth(source: NodeHealthSource, options: NodeHealthOptions): PageServer {
  return new PageServer({ port: NODE_HEALTH_PORT, ...options, page: (path) => pageOf(path, source) });
}

function pageOf(path: string, { eligible, healthy, updatedAt }: NodeHealthSource): Page {
  const headers = { 'content-type': 'application/json', 'x-content-type-options': 'nosniff' };
  const updated = updatedAt();
  const times = {
    lastUpdated: updated === undefined ? '' : new Date(updated).toISOString(),
    currentTime: new Date().toISOString(),
  };
  if (path === '/livez') return { status: healthy() ? 200 : 503, body: JSON.stringify(times), headers };
  if (path !== '/healthz') return { status: 404, body: 'there are /healthz and /livez\n' };
  const nodeEligible = eligible();
  const body = JSON.stringify({ ...times, nodeEligible });
  return { status: nodeEligible && healthy() ? 200 : 503, body, headers };
}
