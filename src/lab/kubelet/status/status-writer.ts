import type { KubeClient } from '../../../kube/client.ts';
import { isKubeError } from '../../../kube/error.ts';
import { PODS } from '../../../kube/resources.ts';
import { Gate } from '../../gate.ts';
import type { KubeletPod, PodStatus } from '../model.ts';
import { OWN_CONDITIONS } from './conditions.ts';

interface Entry {
  pod: KubeletPod;
  status: PodStatus;
  /** What the API server has taken last, as text. */
  sent: string;
  sending: Promise<void> | undefined;
}

const AT_ONCE = 4;
/** Changes within this time become one write. Milliseconds. */
const COALESCE_MS = 50;
const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 10_000;

/** Reports pods' statuses to the API server: each pod's last one, and nothing that has not changed. */
export class StatusWriter {
  readonly #client: KubeClient | undefined;
  readonly #log: (message: string) => void;
  readonly #entries = new Map<string, Entry>();
  readonly #gate = new Gate(AT_ONCE);
  #stopped = false;

  /** @param client - undefined: statuses are kept for whoever asks */
  constructor(client: KubeClient | undefined, log: (message: string) => void) {
    this.#client = client;
    this.#log = log;
  }

  /** The pod with its status as this kubelet knows it, and what others have said of it. */
  view(pod: KubeletPod): KubeletPod {
    const known = this.#entries.get(pod.uid)?.status;
    if (!known) return pod;
    const others = (pod.object.status?.conditions ?? []).filter(
      (each) => !OWN_CONDITIONS.includes(each.type),
    );
    const status = { ...pod.object.status, ...known, conditions: [...(known.conditions ?? []), ...others] };
    return { ...pod, object: { ...pod.object, status } };
  }

  get(uid: string): PodStatus | undefined {
    return this.#entries.get(uid)?.status;
  }

  /** Takes a pod's status; it is written in the background. */
  set(pod: KubeletPod, status: PodStatus): void {
    const entry = this.#entries.get(pod.uid);
    if (!entry) {
      const sent = unchanged(pod.object.status, status) ? JSON.stringify(status) : '';
      this.#entries.set(pod.uid, { pod, status, sent, sending: undefined });
    } else Object.assign(entry, { pod, status });
    this.#send(pod.uid);
  }

  /** Resolves when the pod's last status is written, or nobody wants it any more. */
  async flush(uid: string): Promise<void> {
    while (!this.#stopped && this.#entries.get(uid)?.sending) await this.#entries.get(uid)?.sending;
  }

  forget(uid: string): void {
    this.#entries.delete(uid);
  }

  stop(): void {
    this.#stopped = true;
  }

  #send(uid: string): void {
    const entry = this.#entries.get(uid);
    if (!entry || entry.sending || !this.#client || entry.pod.isStatic) return;
    if (entry.sent === JSON.stringify(entry.status)) return;
    entry.sending = this.#loop(this.#client, entry).finally(() => {
      entry.sending = undefined;
    });
  }

  async #loop(client: KubeClient, entry: Entry): Promise<void> {
    const current = (): boolean => this.#entries.get(entry.pod.uid) === entry && !this.#stopped;
    await sleep(COALESCE_MS);
    for (let retry = FIRST_RETRY_MS; current(); ) {
      const text = JSON.stringify(entry.status);
      if (text === entry.sent) return;
      try {
        await this.#gate.run(() => this.#patch(client, entry));
        entry.sent = text;
        retry = FIRST_RETRY_MS;
      } catch (error) {
        // Deleted, or another pod of that name: nobody waits for this status.
        if (isKubeError(error, 404, 409, 422)) {
          if (!isKubeError(error, 404))
            this.#log(`status of ${entry.pod.namespace}/${entry.pod.name}: ${(error as Error).message}`);
          entry.sent = text;
          return;
        }
        this.#log(`status of ${entry.pod.namespace}/${entry.pod.name}: ${(error as Error).message}`);
        await sleep(retry);
        retry = Math.min(retry * 2, LONGEST_RETRY_MS);
      }
    }
  }

  async #patch(client: KubeClient, { pod, status, sent }: Entry): Promise<void> {
    const before = sent === '' ? pod.object.status : (JSON.parse(sent) as PodStatus);
    const body = { metadata: { uid: pod.uid }, status: statusPatch(before, status) };
    const { namespace, name } = pod;
    await client.patch(PODS, { namespace, name }, body, { type: 'strategic', subresource: 'status' });
  }
}

/** A strategic merge patch from one status to the next: lists of addresses are replaced, what is gone is null. */
export function statusPatch(before: PodStatus | undefined, status: PodStatus): Record<string, unknown> {
  const patch: Record<string, unknown> = {};
  const old = (before ?? {}) as Record<string, unknown>;
  for (const [key, value] of Object.entries(status)) {
    if (JSON.stringify(old[key]) === JSON.stringify(value)) continue;
    const replaced = (key === 'podIPs' || key === 'hostIPs') && old[key] !== undefined;
    patch[key] = replaced ? [{ $patch: 'replace' }, ...(value as unknown[])] : value;
  }
  for (const key of ['reason', 'message']) if (old[key] !== undefined && !(key in status)) patch[key] = null;
  return patch;
}

/** Whether the API server has all of this status already. */
function unchanged(before: PodStatus | undefined, status: PodStatus): boolean {
  const own = {
    ...before,
    conditions: before?.conditions?.filter((each) => OWN_CONDITIONS.includes(each.type)),
  };
  return before !== undefined && Object.keys(statusPatch(own as PodStatus, status)).length === 0;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
