import type { Node } from '../controllers/common/objects.ts';

/** A group of equal nodes. */
export interface NodePool {
  name: string;
  min: number;
  max: number;
  /** Nodes it has or is making. */
  size: number;
  /** What a new node would look like: labels, taints, allocatable. Its name does not count. */
  template: Pick<Node, 'metadata' | 'spec' | 'status'>;
}

/** Who makes and removes nodes: the lab's supervisor. A node says by its label {@link POOL_LABEL} which pool it is of. */
export interface NodePools {
  list(): Promise<NodePool[]>;
  /** Makes `count` more nodes; resolves when that is accepted. */
  add(pool: string, count: number): Promise<void>;
  /** Removes the node, and the pool's size with it. */
  remove(node: string): Promise<void>;
}

/** The label of a node's pool, as AKS has it. */
export const POOL_LABEL = 'kubernetes.azure.com/agentpool';
