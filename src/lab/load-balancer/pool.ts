import type { Node } from '../../kube/types.ts';

const EXCLUDE_LABEL = 'node.kubernetes.io/exclude-from-external-load-balancers';
const DELETION_TAINT = 'ToBeDeletedByClusterAutoscaler';
const NEW_TAINT = 'node.cloudprovider.kubernetes.io/uninitialized';

/** A node that gets connections while its probes succeed. */
export interface PoolNode {
  readonly name: string;
  readonly address: string;
}

/**
 * The nodes of a load balancer's backend pool, as Azure's cloud provider and upstream's service controller have it:
 * those that are Ready and neither excluded by their label nor about to be deleted by the autoscaler. A cordoned node
 * stays: it gets no new pods, but serves those that it has.
 */
export function poolOf(nodes: Iterable<Node>): PoolNode[] {
  const pool: PoolNode[] = [];
  for (const { metadata, spec, status } of nodes) {
    const address = status?.addresses?.find(({ type }) => type === 'InternalIP')?.address;
    const name = metadata?.name;
    if (!name || !address || metadata.deletionTimestamp) continue;
    if (metadata.labels && EXCLUDE_LABEL in metadata.labels) continue;
    const tainted = (key: string): boolean => spec?.taints?.some((taint) => taint.key === key) === true;
    if (tainted(DELETION_TAINT)) continue;
    const ready = status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True');
    if (ready || tainted(NEW_TAINT)) pool.push({ name, address });
  }
  return pool.sort((a, b) => (a.name < b.name ? -1 : 1));
}
