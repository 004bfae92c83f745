import { stringify } from 'yaml';
import type { Node } from '../controllers/common/objects.ts';
import { type NodePool, POOL_LABEL } from './node-pools.ts';

export interface StatusFacts {
  now: string;
  lastAdded?: string;
  lastRemoved?: string;
  candidates: number;
  removing: number;
}

/** The text of ConfigMap `cluster-autoscaler-status`, in the form cluster-autoscaler 1.30 and later write. Pure. */
export function statusText(pools: readonly NodePool[], nodes: readonly Node[], facts: StatusFacts): string {
  const counts = (of: readonly Node[]): object => {
    const ready = of.filter((node) =>
      node.status.conditions?.some((c) => c.type === 'Ready' && c.status === 'True'),
    ).length;
    return { registered: { total: of.length, ready, notStarted: of.length - ready } };
  };
  const scaleDown = {
    status: facts.removing ? 'InProgress' : facts.candidates ? 'CandidatesPresent' : 'NoCandidates',
    ...(facts.candidates && { candidates: facts.candidates }),
    lastProbeTime: facts.now,
    ...(facts.lastRemoved && { lastTransitionTime: facts.lastRemoved }),
  };
  const groups = pools.map((pool) => {
    const own = nodes.filter((node) => node.metadata.labels?.[POOL_LABEL] === pool.name);
    return {
      name: pool.name,
      health: {
        status: 'Healthy',
        nodeCounts: counts(own),
        cloudProviderTarget: pool.size,
        minSize: pool.min,
        maxSize: pool.max,
        lastProbeTime: facts.now,
      },
      scaleUp: { status: pool.size > own.length ? 'InProgress' : 'NoActivity', lastProbeTime: facts.now },
    };
  });
  const growing = pools.some(
    (pool) => pool.size > nodes.filter((n) => n.metadata.labels?.[POOL_LABEL] === pool.name).length,
  );
  return stringify({
    time: facts.now,
    autoscalerStatus: 'Running',
    clusterWide: {
      health: { status: 'Healthy', nodeCounts: counts(nodes), lastProbeTime: facts.now },
      scaleUp: {
        status: growing ? 'InProgress' : 'NoActivity',
        lastProbeTime: facts.now,
        ...(facts.lastAdded && { lastTransitionTime: facts.lastAdded }),
      },
      scaleDown,
    },
    nodeGroups: groups,
  });
}
