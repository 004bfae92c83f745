import type { FoundLink } from '../dataplane/dataplane.ts';
import { type Attachment, attachmentKey } from '../dataplane/names.ts';
import type { IpamRecord } from './ipam/record.ts';

/** What the node looks like at one moment. */
export interface NodeState {
  readonly records: readonly IpamRecord[];
  /** The host ends on the node. */
  readonly links: readonly FoundLink[];
  /** Whether there is a namespace at a path. */
  readonly namespaceExists: (path: string) => boolean;
  /** Ids of the runtime's sandboxes; undefined when it was not, or could not be asked. */
  readonly sandboxes: ReadonlySet<string> | undefined;
  /** Whether the cluster has certainly no such pod any more; without a cluster nobody can say. */
  readonly podGone?: ((record: IpamRecord) => boolean) | undefined;
  /** Milliseconds since 1970. */
  readonly now: number;
}

export type Decision =
  /** Its address goes back, with what is left of its link. */
  | { readonly action: 'release'; readonly of: Attachment; readonly why: string }
  /** Compare with the kernel and put back what is missing. */
  | { readonly action: 'verify'; readonly record: IpamRecord }
  /** The record stays although there is no link: a repeated ADD gets the same address, a DEL frees it. */
  | { readonly action: 'keep'; readonly of: Attachment; readonly why: string }
  /** The link of a running pod that the records do not know: its addresses must not be given to another. */
  | { readonly action: 'adopt'; readonly of: Attachment; readonly link: FoundLink }
  /** A link that belongs to nobody. */
  | { readonly action: 'delete-link'; readonly link: FoundLink; readonly why: string };

/**
 * A sandbox is listed by its runtime only once its network is ready and its first process runs; the kubelet gives
 * up on the whole after four minutes. Until then "not listed" means nothing.
 */
const UNLISTED_GRACE_MS = 5 * 60_000;
/** Of a pod that the cluster does not have nobody starts the sandbox any more, apart from what is under way. */
const GONE_GRACE_MS = 60_000;

/**
 * Compares what was written down with the kernel and the runtime, and says what to do about each difference. Pure.
 * In doubt an address stays taken: a leak is found again the next time, an address given twice is not.
 */
export function planReconcile(state: NodeState): Decision[] {
  const links = new Map(state.links.map((link) => [link.name, link]));
  const decisions: Decision[] = [];
  for (const record of state.records) {
    decisions.push(decide(record, links.get(record.hostLink), state));
    links.delete(record.hostLink);
  }
  for (const link of links.values()) decisions.push(decideUnknown(link, state));
  return decisions;
}

function decide(record: IpamRecord, link: FoundLink | undefined, state: NodeState): Decision {
  const of = { containerId: record.containerId, ifName: record.ifName };
  const alive = record.netns !== '' && state.namespaceExists(record.netns);
  // Adopted without knowledge of its path: the link's own life tells.
  if (!link && !alive) return { action: 'release', of, why: 'its namespace and its link are gone' };
  const unlisted = state.sandboxes !== undefined && !state.sandboxes.has(record.containerId);
  const age = state.now - Date.parse(record.createdAt);
  const gone = unlisted && state.podGone?.(record) === true;
  const grace = gone ? GONE_GRACE_MS : UNLISTED_GRACE_MS;
  if (unlisted && (age > grace || age < -grace || Number.isNaN(age))) {
    const why = 'its runtime does not know the sandbox';
    return { action: 'release', of, why: gone ? `${why}, and the cluster not the pod` : why };
  }
  if (!link) return { action: 'keep', of, why: 'its link is missing' };
  if (!alive)
    return {
      action: 'keep',
      of,
      why: `its namespace ${record.netns || '(unknown)'} is not there, its link is`,
    };
  return { action: 'verify', record };
}

function decideUnknown(link: FoundLink, state: NodeState): Decision {
  const of = link.attachment;
  if (!of) return { action: 'delete-link', link, why: 'it was never finished' };
  if (link.addresses.length === 0) {
    return { action: 'delete-link', link, why: `it has no address, and ${attachmentKey(of)} no record` };
  }
  if (state.sandboxes && !state.sandboxes.has(of.containerId)) {
    return { action: 'delete-link', link, why: `neither runtime nor records know ${attachmentKey(of)}` };
  }
  return { action: 'adopt', of, link };
}
