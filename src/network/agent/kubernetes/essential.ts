import type { Node, ObjectMeta, Pod } from '../../../kube/types.ts';
import { TO_BE_DELETED_TAINT, ZONE_LABEL } from '../services/node-health.ts';

const MIRROR = 'kubernetes.io/config.mirror';

function metadataOf(metadata: ObjectMeta | undefined): ObjectMeta {
  const kept: ObjectMeta = {};
  for (const field of ['name', 'namespace', 'uid', 'resourceVersion'] as const) {
    const value = metadata?.[field];
    if (value !== undefined) kept[field] = value;
  }
  return kept;
}

/** What the agent needs of a Node; images alone are often 10 KB. */
export function essentialNode(node: Node): Node {
  const { podCIDR, podCIDRs } = node.spec ?? {};
  const taints = node.spec?.taints?.filter(({ key }) => key === TO_BE_DELETED_TAINT);
  const zone = node.metadata?.labels?.[ZONE_LABEL];
  const deleted = node.metadata?.deletionTimestamp;
  const condition = node.status?.conditions?.find(({ type }) => type === 'NetworkUnavailable');
  return {
    metadata: {
      ...metadataOf(node.metadata),
      ...(zone === undefined ? {} : { labels: { [ZONE_LABEL]: zone } }),
      ...(deleted ? { deletionTimestamp: deleted } : {}),
    },
    spec: {
      ...(podCIDR ? { podCIDR } : {}),
      ...(podCIDRs ? { podCIDRs } : {}),
      ...(taints?.length ? { taints } : {}),
    },
    status: {
      addresses: (node.status?.addresses ?? []).filter(({ type }) => type === 'InternalIP'),
      ...(condition ? { conditions: [condition] } : {}),
    },
  };
}

/** What the agent needs of a Pod: who it is. */
export function essentialPod(pod: Pod): Pod {
  const mirror = pod.metadata?.annotations?.[MIRROR];
  const metadata = metadataOf(pod.metadata);
  if (mirror !== undefined) metadata.annotations = { [MIRROR]: mirror };
  return { metadata };
}

/**
 * Whether what stands under a pod's name is not that pod.
 * @param uid as the runtime gave it; undefined with runtimes that do not
 */
export function isOtherPod(live: Pod | undefined, uid: string | undefined): boolean {
  if (!live) return true;
  // A static pod's runtime knows it by the kubelet's own id, its mirror in the API has another.
  if (uid === undefined || live.metadata?.annotations?.[MIRROR] !== undefined) return false;
  return live.metadata?.uid !== uid;
}
