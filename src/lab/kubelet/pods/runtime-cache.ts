import { EventEmitter } from 'node:events';
import { type CriClient, isCriError } from '../cri.ts';
import {
  CONTAINER_CREATED,
  CONTAINER_EXITED,
  CONTAINER_RUNNING,
  type CriReply,
  SANDBOX_READY,
} from '../cri-schema.ts';
import { CONTAINER_NAME, POD_NAME, POD_NAMESPACE, POD_UID, readAnnotations } from '../labels.ts';
import type { PodPaths } from '../paths.ts';
import { type ContainerState, emptyRuntime, type PodRuntime, type SandboxState } from '../runtime-state.ts';
import { terminationMessage } from './termination-message.ts';

type Listed = { sandboxes: CriReply<'PodSandbox'>[]; containers: CriReply<'Container'>[] };

const ms = (nanoseconds: string): number => Number(nanoseconds) / 1e6;

/** What the runtime has, by pod. All that is known of a pod comes from here; nothing is remembered elsewhere. */
export class RuntimeCache extends EventEmitter<{ changed: [uid: string] }> {
  readonly #cri: CriClient;
  readonly #paths: PodPaths;
  readonly #pods = new Map<string, { state: PodRuntime; print: string; turn: number }>();
  /** What does not change any more, or not without a change of state: by id and state. */
  readonly #containers = new Map<string, ContainerState>();
  readonly #addresses = new Map<string, readonly string[]>();
  /** Pods that were seen to be gone, and when: an older look must not bring them back. */
  readonly #gone = new Map<string, number>();
  #turn = 0;

  constructor(cri: CriClient, paths: PodPaths) {
    super();
    this.#cri = cri;
    this.#paths = paths;
  }

  get(uid: string): PodRuntime | undefined {
    return this.#pods.get(uid)?.state;
  }

  uids(): string[] {
    return [...this.#pods.keys()];
  }

  /** Looks at everything; emits `changed` for the pods that are not as they were. */
  async relist(): Promise<void> {
    const turn = ++this.#turn;
    const [sandboxes, containers] = await Promise.all([
      this.#cri.listPodSandbox(),
      this.#cri.listContainers(),
    ]);
    const byPod = new Map<string, Listed>();
    const of = (labels: Record<string, string>): Listed | undefined => {
      const uid = labels[POD_UID];
      if (!uid) return undefined;
      const found = byPod.get(uid) ?? { sandboxes: [], containers: [] };
      byPod.set(uid, found);
      return found;
    };
    for (const each of sandboxes) of(each.labels)?.sandboxes.push(each);
    for (const each of containers) of(each.labels)?.containers.push(each);
    for (const uid of [...this.#pods.keys()])
      if (!byPod.has(uid)) byPod.set(uid, { sandboxes: [], containers: [] });
    for (const [uid, listed] of byPod) {
      if (await this.#apply(uid, listed, turn)) this.emit('changed', uid);
    }
    for (const [uid, at] of this.#gone) if (at < turn) this.#gone.delete(uid);
    const ids = new Set([...sandboxes, ...containers].map((each) => each.id));
    if (this.#containers.size + this.#addresses.size > 2 * ids.size + 100) this.#trim(ids);
  }

  /** Looks at one pod now. */
  async refresh(pod: { uid: string; namespace: string; name: string }): Promise<PodRuntime> {
    const turn = ++this.#turn;
    const labelSelector = { [POD_UID]: pod.uid };
    const [sandboxes, containers] = await Promise.all([
      this.#cri.listPodSandbox({ labelSelector }),
      this.#cri.listContainers({ labelSelector }),
    ]);
    await this.#apply(pod.uid, { sandboxes, containers }, turn);
    return this.get(pod.uid) ?? emptyRuntime(pod);
  }

  /** @returns whether the pod is not as it was */
  async #apply(uid: string, listed: Listed, turn: number): Promise<boolean> {
    const print = [...listed.sandboxes, ...listed.containers].map((each) => `${each.id}${each.state}`).join();
    const known = this.#pods.get(uid);
    if ((this.#gone.get(uid) ?? 0) > turn) return false;
    if (known && (known.turn > turn || known.print === print)) return false;
    let state: PodRuntime;
    try {
      state = await this.#build(uid, listed);
    } catch (error) {
      // Went while it was looked at: the next look will be right.
      if (isCriError(error, 'NOT_FOUND')) return true;
      throw error;
    }
    const now = this.#pods.get(uid);
    if (now && now.turn > turn) return false;
    if (print === '') {
      this.#gone.set(uid, turn);
      return this.#pods.delete(uid);
    }
    if ((this.#gone.get(uid) ?? 0) > turn) return false;
    this.#pods.set(uid, { state, print, turn });
    return true;
  }

  async #build(uid: string, { sandboxes, containers }: Listed): Promise<PodRuntime> {
    const labels = [...sandboxes, ...containers][0]?.labels ?? {};
    const newestFirst = (a: { createdAt: number }, b: { createdAt: number }): number =>
      b.createdAt - a.createdAt;
    return {
      uid,
      namespace: labels[POD_NAMESPACE] ?? '',
      name: labels[POD_NAME] ?? '',
      sandboxes: (await Promise.all(sandboxes.map((each) => this.#sandbox(each)))).sort(newestFirst),
      containers: (await Promise.all(containers.map((each) => this.#container(uid, each)))).sort(newestFirst),
    };
  }

  async #sandbox(listed: CriReply<'PodSandbox'>): Promise<SandboxState> {
    const { id, metadata, createdAt } = listed;
    const ready = listed.state === SANDBOX_READY;
    let addresses = this.#addresses.get(id);
    if (ready && !addresses) {
      const { status } = await this.#cri.podSandboxStatus(id);
      const all = [status.network?.ip ?? '', ...(status.network?.additionalIps ?? []).map(({ ip }) => ip)];
      addresses = all.filter((ip) => ip !== '');
      this.#addresses.set(id, addresses);
    }
    return {
      id,
      attempt: metadata?.attempt ?? 0,
      ready,
      createdAt: ms(createdAt),
      addresses: addresses ?? [],
    };
  }

  async #container(uid: string, listed: CriReply<'Container'>): Promise<ContainerState> {
    const key = `${listed.id}${listed.state}`;
    const known = this.#containers.get(key);
    if (known) return known;
    const { status } = await this.#cri.containerStatus(listed.id);
    const notes = readAnnotations(listed.annotations);
    const name = listed.labels[CONTAINER_NAME] ?? listed.metadata?.name ?? '';
    const state = stateName(status.state);
    const file = this.#paths.terminationMessage(uid, name, notes.restartCount);
    const words = state === 'exited' ? terminationMessage(file, status.logPath, notes, status.exitCode) : '';
    const container: ContainerState = {
      id: listed.id,
      name,
      sandboxId: listed.podSandboxId,
      state,
      restartCount: notes.restartCount,
      hash: notes.hash,
      createdAt: ms(status.createdAt),
      startedAt: ms(status.startedAt),
      finishedAt: ms(status.finishedAt),
      exitCode: status.exitCode,
      reason: status.reason,
      message: [status.message, words].filter(Boolean).join(': '),
      image: status.image?.image ?? '',
      imageId: status.imageRef,
    };
    // Between the two questions it may have gone on: then it is asked again.
    if (status.state === listed.state && status.state !== CONTAINER_CREATED)
      this.#containers.set(key, container);
    return container;
  }

  #trim(ids: ReadonlySet<string>): void {
    for (const key of this.#containers.keys()) if (!ids.has(key.slice(0, -1))) this.#containers.delete(key);
    for (const key of this.#addresses.keys()) if (!ids.has(key)) this.#addresses.delete(key);
  }
}

function stateName(state: number): ContainerState['state'] {
  if (state === CONTAINER_CREATED) return 'created';
  if (state === CONTAINER_RUNNING) return 'running';
  return state === CONTAINER_EXITED ? 'exited' : 'unknown';
}
