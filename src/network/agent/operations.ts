import { setImmediate as turn } from 'node:timers/promises';
import { CNI_CODES, CniError } from '../cni/errors.ts';
import type { CniCall, CniHandlers } from '../cni/server.ts';
import type { CniResult } from '../cni/types.ts';
import type { Dataplane } from '../dataplane/dataplane.ts';
import { type Attachment, attachmentKey, hostLinkName } from '../dataplane/names.ts';
import type { PodLinkStep } from '../dataplane/pod-link.ts';
import type { PodSource } from '../dataplane/table.ts';
import { reached } from './crash.ts';
import { AGENT_CODES, toCniError } from './failures.ts';
import type { IpamRecord } from './ipam/record.ts';
import type { IpamStore } from './ipam/store.ts';
import type { KeyedMutex } from './mutex.ts';
import { linkOf, resultDifferences, resultOf, sourcesOf } from './pod-record.ts';

/** What the operations work with. */
export interface OperationParts {
  readonly ipam: IpamStore;
  readonly dataplane: Dataplane;
  /** Held by whoever changes an attachment, the reconciler included. */
  readonly mutex: KeyedMutex;
  /** Why pods cannot be served now; undefined when they can. */
  readonly notReady: () => string | undefined;
  /** Told of each operation that ended. */
  readonly observe: (operation: Observed) => void;
}

/** One operation for the log and the metrics. */
export interface Observed {
  readonly command: string;
  readonly containerId: string;
  readonly ifName: string;
  readonly pod?: string;
  readonly addresses?: readonly string[];
  /** From the agent's own queue to the end. */
  readonly milliseconds: number;
  readonly replayed: boolean;
  readonly error?: CniError;
}

/** ADD, DEL, CHECK, GC and STATUS, between the address store and the kernel. */
export class PodOperations implements CniHandlers {
  readonly #parts: OperationParts;
  /** Attachments whose ADD this process has answered: another one for them is a fault of the runtime. */
  readonly #answered = new Set<string>();
  /** Attachments on their way out, whose addresses must not come back into the table. */
  readonly #leaving = new Set<string>();

  constructor(parts: OperationParts) {
    this.#parts = parts;
  }

  /** What the node's table has to admit now. */
  sources(): PodSource[] {
    const tracked = this.#parts.dataplane.links.trackedAddresses();
    return this.#parts.ipam
      .records()
      .filter((record) => !this.#leaving.has(attachmentKey(record)))
      .flatMap((record) => sourcesOf(record, tracked));
  }

  add(call: CniCall): Promise<CniResult> {
    return this.#observed(call, async (note) => {
      reached('add:begin');
      const why = this.#parts.notReady();
      if (why !== undefined) throw new CniError(CNI_CODES.tryAgainLater, 'the agent is not ready', why);
      const { result, record } = await this.#attach(call);
      note(record);
      reached('add:before-answer');
      // Of an answer that nobody reads the runtime knows nothing; it may ask again.
      if (!call.signal.aborted) this.#answered.add(attachmentKey(call));
      return result;
    });
  }

  del(call: CniCall): Promise<void> {
    return this.#observed(call, async (note) => {
      reached('del:begin');
      note(await this.remove(call));
      reached('del:before-answer');
    });
  }

  check(call: CniCall): Promise<void> {
    return this.#observed(call, (note) => {
      const record = this.#parts.ipam.get(call);
      if (!record) {
        const details = 'no ADD of this container and interface is on record; send ADD, or take it for lost';
        throw new CniError(CNI_CODES.unknownContainer, `${attachmentKey(call)} is unknown`, details);
      }
      note(record);
      const link = this.#linkOf(record);
      const differ: string[] = [];
      if (record.netns !== call.netns) {
        differ.push(`CNI_NETNS: is ${call.netns}, the pod was attached in ${record.netns}`);
      }
      if (call.prevResult) differ.push(...resultDifferences(link, record.hostLink, call.prevResult));
      differ.push(...this.#parts.dataplane.check(link));
      if (differ.length === 0) return;
      throw new CniError(
        AGENT_CODES.linkDiffers,
        `${differ.length === 1 ? 'one thing is' : `${differ.length} things are`} not as ADD left it`,
        differ.join('; '),
      );
    });
  }

  gc(call: CniCall): Promise<void> {
    return this.#observed(call, async () => {
      const keep = new Set((call.validAttachments ?? []).map(attachmentKey));
      const gone = this.#parts.ipam.records().filter(
        (record) =>
          !keep.has(attachmentKey(record)) &&
          (record.network === undefined || record.network === call.config.name) &&
          // Being added or removed at this moment: the runtime made its list before that.
          !this.#parts.mutex.busy(attachmentKey(record)),
      );
      const results = await Promise.allSettled(gone.map((record) => this.remove(record)));
      const failed = results.filter((result) => result.status === 'rejected');
      if (failed.length === 0) return;
      const reasons = failed.map(({ reason }) => toCniError(reason).message);
      throw new CniError(
        CNI_CODES.internal,
        `${failed.length} of ${gone.length} were not removed`,
        reasons.join('; '),
      );
    });
  }

  status(call: CniCall): Promise<void> {
    return this.#observed(call, () => {
      const why = this.#parts.notReady();
      if (why !== undefined) throw new CniError(CNI_CODES.unavailable, 'the agent cannot attach pods', why);
    });
  }

  /** Takes a pod's link away and gives its address back, in this order. Nothing there is no error. */
  remove(of: Attachment): Promise<IpamRecord | undefined> {
    const key = attachmentKey(of);
    return this.#parts.mutex.run(key, async () => {
      const { ipam, dataplane } = this.#parts;
      const record = ipam.get(of);
      this.#leaving.add(key);
      try {
        // Without a record and without a link there is nothing that would be worth a search of the table.
        if (record || dataplane.linkMtu(hostLinkName(of)) !== undefined) {
          await dataplane.links.detach(of, record?.addresses, (step) =>
            reached(`del:${step as 'link-deleted'}`),
          );
        }
        this.#answered.delete(key);
        // Also without a record in sight: one whose writing failed may yet be on the disk.
        await ipam.release(of);
        reached('del:address-released');
      } finally {
        this.#leaving.delete(key);
      }
      return record;
    });
  }

  #attach(call: CniCall): Promise<{ result: CniResult; record: IpamRecord }> {
    const { ipam, dataplane, mutex } = this.#parts;
    const { containerId, ifName, netns } = call;
    const key = attachmentKey(call);
    const hostLink = hostLinkName(call);
    return mutex.run(key, async () => {
      const before = ipam.get(call);
      if (dataplane.linkMtu(hostLink) !== undefined) {
        const again = before && this.#again(before, call);
        if (again) return again;
        // Half made, or of a sandbox that was thrown away: made anew.
        await dataplane.links.detach(call, before?.addresses);
      }
      // Looked at before an address is taken, for a refused ADD would leave it to cool down.
      using pod = dataplane.links.enter(netns, ifName);
      const mtu = dataplane.podMtu;
      if (mtu === undefined) {
        const why = this.#parts.notReady() ?? 'it was reconfigured';
        throw new CniError(CNI_CODES.tryAgainLater, 'the agent is not ready', why);
      }
      if (before && before.netns !== netns) await ipam.release(call);
      const tracked = hasHostPorts(call);
      const attachment = {
        containerId,
        ifName,
        netns,
        hostLink,
        ...podName(call),
        network: call.config.name,
        tracked,
      };
      const step = (name: PodLinkStep): void => reached(`add:${name as 'link-created'}`);
      const writing = ipam.allocate(attachment);
      const written = writing.then(
        () => true,
        () => false,
      );
      try {
        // The disk and the kernel work at the same time. Not where no address can be had, which is known at once.
        if (await Promise.race([turn(true), written])) {
          dataplane.links.create({ containerId, ifName, netns, mtu }, step);
          if (!(await written)) await dataplane.links.detach(call, []);
        }
        const { record } = await writing;
        reached('add:address-written');
        const link = linkOf(record, mtu, tracked);
        await dataplane.links.complete(link, pod, step);
        return { result: resultOf(link, hostLink), record };
      } catch (error) {
        await written;
        // What went wrong first is what the runtime has to hear; a record that stays is reconciled.
        await ipam.release(call).catch(() => undefined);
        throw error;
      }
    });
  }

  /**
   * An ADD for an attachment that has a link already. One that this process answered is refused. After a restart
   * nobody can say whether the ADD before was answered; if it was not, this is the runtime trying again, and it gets
   * the same answer. Undefined: the link has to be made anew.
   */
  #again(record: IpamRecord, call: CniCall): { result: CniResult; record: IpamRecord } | undefined {
    if (this.#answered.has(attachmentKey(call))) {
      const message = `interface ${call.ifName} already exists in ${record.netns}`;
      throw new CniError(
        AGENT_CODES.interfaceExists,
        message,
        `${attachmentKey(call)} is attached; send DEL first`,
      );
    }
    const link = this.#linkOf(record);
    if (record.netns !== call.netns || this.#parts.dataplane.check(link).length > 0) return undefined;
    return { result: resultOf(link, record.hostLink), record };
  }

  #linkOf(record: IpamRecord) {
    const { dataplane } = this.#parts;
    const mtu = dataplane.linkMtu(record.hostLink) ?? dataplane.podMtu ?? 0;
    const tracked =
      record.tracked ?? record.addresses.some((one) => dataplane.links.trackedAddresses().has(one));
    return linkOf(record, mtu, tracked);
  }

  /** Runs an operation, turns what it throws into a CNI error, and reports how it went. */
  async #observed<T>(
    call: CniCall,
    body: (note: (record: IpamRecord | undefined) => void) => Promise<T> | T,
  ): Promise<T> {
    const { command, containerId, ifName, replayed } = call;
    const started = performance.now();
    let record: IpamRecord | undefined;
    let error: CniError | undefined;
    try {
      return await body((noted) => {
        record = noted;
      });
    } catch (thrown) {
      error = toCniError(thrown);
      throw error;
    } finally {
      const { podNamespace, podName: name } = record ?? podName(call);
      const observed: Observed = {
        command,
        containerId,
        ifName,
        milliseconds: performance.now() - started,
        replayed,
        ...(name === undefined ? {} : { pod: `${podNamespace ?? ''}/${name}` }),
        ...(record ? { addresses: record.addresses } : {}),
        ...(error ? { error } : {}),
      };
      // The runtime waits for its answer, and nobody for the log.
      setImmediate(() => this.#parts.observe(observed));
    }
  }
}

/** From CNI_ARGS, as Kubernetes runtimes send them; overlong ones are not worth a failure. */
function podName({ args }: CniCall): { podNamespace?: string; podName?: string; podUid?: string } {
  const fits = (text: string | undefined, most = 253): text is string => !!text && text.length <= most;
  const { K8S_POD_NAMESPACE: namespace, K8S_POD_NAME: name, K8S_POD_UID: uid } = args;
  return {
    ...(fits(namespace) ? { podNamespace: namespace } : {}),
    ...(fits(name) ? { podName: name } : {}),
    ...(fits(uid, 64) ? { podUid: uid } : {}),
  };
}

/** Whether the runtime will ask a plugin after us for host ports (capability `portMappings`). */
function hasHostPorts(call: CniCall): boolean {
  const runtime = call.config.runtimeConfig as { portMappings?: unknown } | undefined;
  const mappings = runtime?.portMappings;
  return Array.isArray(mappings) && mappings.length > 0;
}
