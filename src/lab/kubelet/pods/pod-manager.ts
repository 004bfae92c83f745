import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Pod } from '../../../kube/types.ts';
import { isDeleted, type KubeletPod } from '../model.ts';
import { containerLogPath, podLogFolder } from '../paths.ts';
import { rotateLog } from './log-rotation.ts';
import { PodWorker, type WorkerParts } from './pod-worker.ts';

/** How often the runtime is looked at when it does not say by itself that something happened. Milliseconds. */
const RELIST_MS = 1000;
/** With a runtime that does: only in case that something was missed. */
const RELIST_RARELY_MS = 10_000;
/** The runtime says that something ended a little before it says so when it is asked. Milliseconds. */
const SETTLE_MS = 20;
const SETTLED_MS = 300;
/** After this long an orphan that could not be removed is tried again, and folders without a pod are looked for. */
const HOUSEKEEPING_MS = 30_000;
/** What belongs to nobody gets this long to end. Seconds. */
const ORPHAN_GRACE = 1;

export interface ManagerParts extends WorkerParts {
  /** Whether the runtime says by itself when something ends. */
  hasEvents(): boolean;
}

/** All pods of the node: a worker for each, and the end of those that nobody wants. */
export class PodManager {
  readonly #parts: ManagerParts;
  readonly #workers = new Map<string, PodWorker>();
  readonly #orphans = new Map<string, number>();
  #complete = false;
  #timer: NodeJS.Timeout | undefined;
  #relisting: Promise<void> | undefined;
  #again = false;
  #stopped = false;
  #cleanAt = 0;
  #soon: NodeJS.Timeout | undefined;
  #settling: NodeJS.Timeout | undefined;
  /** Whether the runtime answered the last time. */
  runtimeError: string | undefined;

  constructor(parts: ManagerParts) {
    this.#parts = parts;
    parts.cache.on('changed', (uid) => this.#workers.get(uid)?.poke());
    parts.probes.on('changed', (uid) => this.#workers.get(uid)?.poke());
  }

  /** Learns what the runtime has, then looks at it every second. Until then no pod may be given. */
  async start(): Promise<void> {
    await this.#parts.cache.relist();
    this.#schedule(RELIST_MS);
  }

  #period(): number {
    return this.#parts.hasEvents() && !this.runtimeError ? RELIST_RARELY_MS : RELIST_MS;
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of [this.#timer, this.#soon, this.#settling]) clearTimeout(timer);
    for (const worker of this.#workers.values()) worker.stop();
    this.#parts.statuses.stop();
  }

  /** A pod is to run here, or its object has changed. */
  set(pod: KubeletPod): void {
    const worker = this.#workers.get(pod.uid);
    if (worker) {
      worker.update(pod);
      return;
    }
    // A worker that is through stays until its pod's object is gone, or it would begin again.
    const added = new PodWorker(this.#parts, pod, () => {
      if (added.gone) this.#forget(pod.uid);
    });
    this.#workers.set(pod.uid, added);
    added.poke();
  }

  /** A pod's object is gone. */
  delete(pod: KubeletPod): void {
    const worker = this.#workers.get(pod.uid);
    worker?.remove(pod);
    if (worker?.finished) this.#forget(pod.uid);
  }

  /** All pods are known now: whatever else runs here has lost its pod while the kubelet was down. */
  complete(): void {
    this.#complete = true;
    this.look();
  }

  get(uid: string): KubeletPod | undefined {
    return this.#workers.get(uid)?.pod;
  }

  list(): KubeletPod[] {
    return [...this.#workers.values()].map((worker) => worker.pod);
  }

  /** The pods that take room, without the one that asks. */
  others(uid: string): KubeletPod[] {
    return [...this.#workers.values()]
      .filter((each) => !each.over && each.pod.uid !== uid)
      .map((each) => each.pod);
  }

  /** The pods with their statuses as objects of the API. */
  objects(): Pod[] {
    return this.list().map((pod) => pod.object);
  }

  /** Of two pods with one name the one that is not being ended. */
  find(namespace: string, name: string): Pod | undefined {
    const found = this.list().filter((pod) => pod.namespace === namespace && pod.name === name);
    return (found.find((each) => !isDeleted(each)) ?? found[0])?.object;
  }

  /** Something has ended in the runtime. */
  ended(): void {
    if (this.#stopped) return;
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => this.look(), SETTLED_MS);
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined;
      this.look();
    }, SETTLE_MS);
  }

  /** Looks at the runtime now. */
  look(): void {
    if (this.#stopped) return;
    if (this.#relisting) {
      this.#again = true;
      return;
    }
    clearTimeout(this.#timer);
    this.#relisting = this.#relist().finally(() => {
      this.#relisting = undefined;
      const again = this.#again;
      this.#again = false;
      this.#schedule(again ? 0 : this.#period());
    });
  }

  #schedule(delayMs: number): void {
    if (!this.#stopped) this.#timer = setTimeout(() => this.look(), delayMs);
  }

  async #relist(): Promise<void> {
    try {
      await this.#parts.cache.relist();
      this.runtimeError = undefined;
    } catch (error) {
      const message = (error as Error).message;
      if (this.runtimeError !== message) this.#parts.log(`runtime: ${message}`);
      this.runtimeError = message;
      return;
    }
    if (!this.#complete) return;
    for (const uid of this.#parts.cache.uids()) if (!this.#workers.has(uid)) this.#orphan(uid);
    if (Date.now() < this.#cleanAt) return;
    this.#cleanAt = Date.now() + HOUSEKEEPING_MS;
    await this.#clean();
    await this.#rotateLogs();
  }

  #forget(uid: string): void {
    this.#workers.delete(uid);
    this.#parts.statuses.forget(uid);
  }

  #orphan(uid: string): void {
    if ((this.#orphans.get(uid) ?? 0) > Date.now()) return;
    this.#orphans.set(uid, Number.POSITIVE_INFINITY);
    void this.#removeOrphan(uid).then(
      () => this.#orphans.delete(uid),
      (error: Error) => {
        this.#parts.log(`orphaned pod ${uid}: ${error.message}`);
        this.#orphans.set(uid, Date.now() + HOUSEKEEPING_MS);
      },
    );
  }

  async #removeOrphan(uid: string): Promise<void> {
    const { cache, cri, killer, volumes, cgroups, log } = this.#parts;
    const runtime = cache.get(uid);
    if (!runtime) return;
    log(`pod ${runtime.namespace}/${runtime.name} (${uid}) is no longer wanted: it is ended`);
    const pod: KubeletPod = { ...runtime, spec: { containers: [] }, object: {}, isStatic: true };
    await killer.pod(pod, runtime, ORPHAN_GRACE);
    for (const { id } of runtime.sandboxes) await cri.removePodSandbox(id);
    const sandboxes = new Set(runtime.sandboxes.map((each) => each.id));
    for (const { id, sandboxId } of runtime.containers)
      if (!sandboxes.has(sandboxId)) await cri.removeContainer(id);
    await volumes.tearDown(uid, true);
    cgroups.remove(uid);
    await cache.refresh(runtime);
  }

  async #rotateLogs(): Promise<void> {
    const { cache, cri, log } = this.#parts;
    for (const uid of cache.uids()) {
      const runtime = cache.get(uid);
      for (const { id, name, restartCount, state } of runtime?.containers ?? []) {
        if (state !== 'running' || !runtime) continue;
        const path = join(podLogFolder(runtime), containerLogPath(name, restartCount));
        await rotateLog(cri, id, path).catch((error: Error) => log(`log ${path}: ${error.message}`));
      }
    }
  }

  /** Folders of pods that are neither wanted nor running. */
  async #clean(): Promise<void> {
    const { paths, volumes, cgroups, cache, log } = this.#parts;
    const known = new Set([...this.#workers.keys(), ...cache.uids()]);
    const found = new Set(
      paths
        .roots()
        .flatMap(entries)
        .filter((uid) => !known.has(uid)),
    );
    for (const uid of found) {
      try {
        await volumes.tearDown(uid, true);
        cgroups.remove(uid);
      } catch (error) {
        log(`folders of pod ${uid}: ${(error as Error).message}`);
      }
    }
  }
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
