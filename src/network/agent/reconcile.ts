import { namespaceExists } from '../../kernel/netns.ts';
import type { Dataplane, FoundLink } from '../dataplane/dataplane.ts';
import { attachmentKey } from '../dataplane/names.ts';
import type { IpamRecord } from './ipam/record.ts';
import type { IpamStore } from './ipam/store.ts';
import type { KeyedMutex } from './mutex.ts';
import type { PodOperations } from './operations.ts';
import { linkOf } from './pod-record.ts';
import { type Decision, planReconcile } from './reconcile-plan.ts';

export interface ReconcileParts {
  readonly ipam: IpamStore;
  readonly dataplane: Dataplane;
  readonly mutex: KeyedMutex;
  readonly operations: PodOperations;
  /** Whether the cluster has certainly no such pod any more. */
  readonly podGone?: ((record: IpamRecord) => boolean) | undefined;
}

/** One difference between what was written down, the kernel and the runtime, and what became of it. */
export interface Finding {
  readonly kind: 'released' | 'repaired' | 'broken' | 'kept' | 'adopted' | 'link-deleted' | 'failed';
  /** The attachment or link. */
  readonly object: string;
  readonly details: string;
}

/**
 * Compares records, links, namespaces and the runtime's sandboxes, and settles every difference. Attachments that
 * an ADD or DEL is busy with are left to it; each is looked at again before anything is done to it.
 *
 * @param sandboxes ids of the runtime's sandboxes; undefined when unknown
 */
export async function reconcile(
  parts: ReconcileParts,
  sandboxes: ReadonlySet<string> | undefined,
): Promise<Finding[]> {
  const { ipam, dataplane, mutex, podGone } = parts;
  const planned = (records: readonly IpamRecord[], links: readonly FoundLink[]): Decision[] =>
    planReconcile({ records, links, namespaceExists, sandboxes, podGone, now: Date.now() });
  const findings: Finding[] = [];
  for (const first of planned(ipam.records(), dataplane.foundLinks())) {
    const key = objectOf(first);
    if (mutex.busy(key)) continue;
    try {
      const found = await mutex.run(key, () => {
        // Time has passed since the plan was made.
        const record = recordOf(first, ipam);
        const name = record?.hostLink ?? ('link' in first ? first.link.name : undefined);
        const link = name === undefined ? undefined : dataplane.foundLink(name);
        const now = planned(record ? [record] : [], link ? [link] : [])[0];
        return now?.action === first.action ? settle(parts, now) : undefined;
      });
      if (found === 'release') findings.push(await release(parts, first));
      else if (found) findings.push(found);
    } catch (error) {
      findings.push({
        kind: 'failed',
        object: key,
        details: error instanceof Error ? error.message : String(error),
      });
    }
  }
  return findings;
}

function objectOf(decision: Decision): string {
  switch (decision.action) {
    case 'verify':
      return attachmentKey(decision.record);
    case 'delete-link':
      return decision.link.attachment ? attachmentKey(decision.link.attachment) : decision.link.name;
    default:
      return attachmentKey(decision.of);
  }
}

function recordOf(decision: Decision, ipam: IpamStore): IpamRecord | undefined {
  if (decision.action === 'verify') return ipam.get(decision.record);
  return decision.action === 'delete-link' ? undefined : ipam.get(decision.of);
}

/** Does it, within the attachment's turn; a release takes the turn by itself. */
async function settle(parts: ReconcileParts, decision: Decision): Promise<Finding | 'release' | undefined> {
  const { ipam, dataplane } = parts;
  const object = objectOf(decision);
  switch (decision.action) {
    case 'release':
      return 'release';
    case 'keep':
      return { kind: 'kept', object, details: decision.why };
    case 'verify':
      return verify(dataplane, decision.record, object);
    case 'adopt': {
      const { of, link } = decision;
      await ipam.adopt({ ...of, netns: '', hostLink: link.name }, link.addresses);
      return { kind: 'adopted', object, details: `had ${link.addresses.join(', ')} and no record` };
    }
    case 'delete-link':
      await dataplane.links.remove(decision.link.name);
      return { kind: 'link-deleted', object: decision.link.name, details: decision.why };
  }
}

async function release(parts: ReconcileParts, decision: Decision): Promise<Finding> {
  const { of, why } = decision as Extract<Decision, { action: 'release' }>;
  const record = await parts.operations.remove(of);
  const addresses = record?.addresses.join(', ') ?? 'nothing';
  return { kind: 'released', object: attachmentKey(of), details: `held ${addresses}: ${why}` };
}

function verify(dataplane: Dataplane, record: IpamRecord, object: string): Finding | undefined {
  const tracked = dataplane.links.trackedAddresses();
  const mtu = dataplane.linkMtu(record.hostLink) ?? dataplane.podMtu ?? 0;
  const link = linkOf(record, mtu, record.tracked ?? record.addresses.some((one) => tracked.has(one)));
  const differ = dataplane.check(link);
  if (differ.length === 0) return undefined;
  const details = differ.join('; ');
  try {
    dataplane.links.repair(link);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { kind: 'broken', object, details: `${details}; could not be repaired: ${why}` };
  }
  const left = dataplane.check(link);
  if (left.length > 0) return { kind: 'broken', object, details: left.join('; ') };
  return { kind: 'repaired', object, details };
}
