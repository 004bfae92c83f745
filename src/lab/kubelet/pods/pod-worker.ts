import { rmSync } from 'node:fs';
import type { CriClient } from '../cri.ts';
import { type PodEvents, WaitingError } from '../events.ts';
import {
  type Container,
  gracePeriod,
  isDeleted,
  isSidecar,
  type KubeletPod,
  type PodStatus,
} from '../model.ts';
import { type PodPaths, podLogFolder } from '../paths.ts';
import { planPod } from '../plan.ts';
import type { ProbeManager } from '../probes/probe-manager.ts';
import { emptyRuntime, liveSandbox, newest, type PodRuntime, type SandboxState } from '../runtime-state.ts';
import { podStatus } from '../status/pod-status.ts';
import type { StatusWriter } from '../status/status-writer.ts';
import { VolumeError } from '../volumes/payload.ts';
import type { Mounted, PodVolumes } from '../volumes/pod-volumes.ts';
import type { Refusal } from './admission.ts';
import type { PodCgroups } from './cgroups.ts';
import { collect } from './collect.ts';
import type { Images } from './images.ts';
import type { Killer } from './killer.ts';
import { Restarts } from './restarts.ts';
import type { RuntimeCache } from './runtime-cache.ts';
import type { Starter } from './starter.ts';

export interface WorkerParts {
  readonly cri: CriClient;
  readonly cache: RuntimeCache;
  readonly volumes: PodVolumes;
  readonly images: Images;
  readonly starter: Starter;
  readonly killer: Killer;
  readonly probes: ProbeManager;
  readonly statuses: StatusWriter;
  readonly events: PodEvents;
  readonly cgroups: PodCgroups;
  readonly paths: PodPaths;
  readonly nodeIps: readonly string[];
  /** The node's word about a pod that has not begun. */
  admit(pod: KubeletPod): Refusal | undefined;
  /** Takes a pod that has ended out of the API. Rejects when that has to be tried again. */
  finalize(pod: KubeletPod): Promise<void>;
  readonly log: (message: string) => void;
}

/** How often volumes are compared with the objects that they show, and a failed start is tried again. */
const REFRESH_MS = 60_000;
const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 30_000;
const NEVER = Number.POSITIVE_INFINITY;

/**
 * Brings one pod to what it should be, one step after another, and reports it. What it remembers are waiting times;
 * everything else comes from the runtime, so that another worker can take over at any moment.
 */
export class PodWorker {
  readonly #parts: WorkerParts;
  readonly #restarts: Restarts;
  readonly #onFinished: () => void;
  #pod: KubeletPod;
  #gone = false;
  #verdict: Refusal | undefined;
  #admitted = false;
  #mounted: { volumes: Mounted; at: number } | undefined;
  #failures = 0;
  /** Before this a step that failed is not tried again, whatever is new. Milliseconds since 1970. */
  #notBefore = 0;
  readonly #ending = new AbortController();
  #dirty = false;
  #running: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  /** Whether the pod's object is gone. */
  get gone(): boolean {
    return this.#gone;
  }

  /** Nothing is left of the pod on this node. */
  finished = false;

  /** @param onFinished - called when nothing is left of the pod on this node */
  constructor(parts: WorkerParts, pod: KubeletPod, onFinished: () => void) {
    this.#parts = parts;
    this.#restarts = new Restarts(parts.events);
    this.#onFinished = onFinished;
    this.#pod = pod;
  }

  /** The pod with its status as this node knows it. */
  get pod(): KubeletPod {
    return this.#parts.statuses.view(this.#pod);
  }

  /** Whether the pod takes no more of the node's room. */
  get over(): boolean {
    const phase = this.pod.object.status?.phase;
    return this.finished || phase === 'Failed' || phase === 'Succeeded';
  }

  /** The pod's object has changed. */
  update(pod: KubeletPod): void {
    const before = gracePeriod(this.#pod);
    const ending = isDeleted(this.#pod);
    this.#pod = pod;
    const grace = gracePeriod(pod);
    if (ending && grace < before) this.#parts.killer.hurry(this.#runtime(), grace);
    // Nobody waits for an image any more.
    if (this.#gone || isDeleted(pod)) this.#ending.abort();
    this.poke();
  }

  /** The pod's object is gone: the pod ends. */
  remove(last: KubeletPod = this.#pod): void {
    this.#gone = true;
    this.update(last);
  }

  /** Looks again soon: something has changed. */
  poke(): void {
    this.#dirty = true;
    if (this.finished || this.#stopped || this.#running) return;
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  /** Leaves the pod as it is. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async #run(): Promise<void> {
    while (this.#dirty && !this.#stopped && !this.finished) {
      this.#dirty = false;
      clearTimeout(this.#timer);
      let next: number;
      try {
        next = await this.#step();
        if (Date.now() >= this.#notBefore) this.#failures = 0;
      } catch (error) {
        next = Math.min(FIRST_RETRY_MS * 2 ** this.#failures++, LONGEST_RETRY_MS);
        this.#notBefore = Date.now() + next;
        this.#parts.log(`pod ${this.#pod.namespace}/${this.#pod.name}: ${(error as Error).message}`);
      }
      if (next === 0) this.#dirty = true;
      else if (next !== NEVER && !this.#stopped) this.#timer = setTimeout(() => this.poke(), next);
    }
  }

  #runtime(): PodRuntime {
    return this.#parts.cache.get(this.#pod.uid) ?? emptyRuntime(this.#pod);
  }

  #refresh(): Promise<PodRuntime> {
    return this.#parts.cache.refresh(this.#pod);
  }

  #report(runtime: PodRuntime, ending: boolean): PodStatus {
    const { statuses, probes, nodeIps } = this.#parts;
    probes.sync(this.pod, runtime);
    const status = podStatus(this.pod, {
      runtime,
      waiting: this.#restarts.waiting,
      probes,
      nodeIps,
      ending,
      verdict: this.#verdict,
      now: Date.now(),
    });
    statuses.set(this.#pod, status);
    return status;
  }

  /** @returns milliseconds until the next look; 0: at once */
  async #step(): Promise<number> {
    const runtime = this.#runtime();
    if (this.#gone || isDeleted(this.#pod)) return await this.#terminate(runtime);
    this.#judge(runtime);
    const { phase } = this.#report(runtime, this.#verdict !== undefined);
    if (phase === 'Failed' || phase === 'Succeeded') return await this.#finish(runtime);
    const pause = this.#notBefore - Date.now();
    if (pause > 0) return pause;
    const pod = this.pod;
    const plan = planPod(pod, runtime, this.#parts.probes);
    if (plan.killPod) {
      if (runtime.sandboxes.length > 0 && plan.createSandbox) {
        const message = 'Pod sandbox changed, it will be killed and re-created.';
        this.#parts.events.event(pod, 'Normal', 'SandboxChanged', message);
      }
      await this.#parts.killer.pod(pod, runtime);
      const after = await this.#refresh();
      if (!plan.createSandbox) {
        this.#report(after, false);
        return after === runtime ? FIRST_RETRY_MS : 0;
      }
    }
    if (plan.createSandbox) return await this.#createSandbox(pod, plan.createSandbox.attempt);
    if (plan.kill.length > 0) {
      const podIp = liveSandbox(runtime, false)?.addresses[0] ?? '';
      await Promise.all(
        plan.kill.map(({ container, message }) =>
          this.#parts.killer.container(pod, container, podIp, { message }),
        ),
      );
      await this.#refresh();
      return 0;
    }
    const sandbox = runtime.sandboxes.find((each) => each.id === plan.sandboxId);
    const [began, next] = sandbox ? await this.#start(pod, plan.start, sandbox, runtime) : [false, NEVER];
    if (began) return 0;
    if (await collect(this.#parts.cri, this.#parts.paths, pod, runtime)) await this.#refresh();
    return Math.min(next, await this.#refreshVolumes(pod), this.#untilDeadline());
  }

  /** Decides whether the pod may not begin, or has run for too long. */
  #judge(runtime: PodRuntime): void {
    if (this.#verdict) return;
    const { phase } = this.pod.object.status ?? {};
    if (phase === 'Failed' || phase === 'Succeeded') return;
    if (!this.#admitted && runtime.sandboxes.length === 0) {
      this.#verdict = this.#parts.admit(this.#pod);
      if (this.#verdict)
        this.#parts.events.event(this.#pod, 'Warning', this.#verdict.reason, this.#verdict.message);
    }
    this.#admitted = true;
    if (this.#verdict || this.#untilDeadline() > 0) return;
    const message = 'Pod was active on the node longer than the specified deadline';
    this.#verdict = { reason: 'DeadlineExceeded', message };
    this.#parts.events.event(this.#pod, 'Normal', 'DeadlineExceeded', message);
  }

  #untilDeadline(): number {
    const seconds = this.#pod.spec.activeDeadlineSeconds;
    const start = this.pod.object.status?.startTime;
    if (seconds === undefined || !start) return NEVER;
    return Math.max(0, Date.parse(start) + seconds * 1000 - Date.now());
  }

  async #createSandbox(pod: KubeletPod, attempt: number): Promise<number> {
    const { cgroups, starter, events } = this.#parts;
    await this.#mount(pod);
    this.#restarts.excuseFailures();
    cgroups.create(pod);
    try {
      await starter.sandbox(pod, attempt);
    } catch (error) {
      const detail = (error as { detail?: string }).detail ?? (error as Error).message;
      events.event(pod, 'Warning', 'FailedCreatePodSandBox', `Failed to create pod sandbox: ${detail}`);
      throw error;
    }
    await this.#refresh();
    return 0;
  }

  async #mount(pod: KubeletPod): Promise<Mounted> {
    const sandbox = liveSandbox(this.#runtime(), pod.spec.hostNetwork ?? false);
    try {
      const volumes = await this.#parts.volumes.setUp(pod, sandbox?.addresses ?? []);
      this.#mounted = { volumes, at: Date.now() };
      return volumes;
    } catch (error) {
      if (error instanceof VolumeError)
        this.#parts.events.event(pod, 'Warning', 'FailedMount', error.message);
      throw error;
    }
  }

  /** @returns when the volumes have to be looked at again */
  async #refreshVolumes(pod: KubeletPod): Promise<number> {
    const { volumes = [] } = pod.spec;
    if (!volumes.some((each) => each.configMap || each.secret || each.projected || each.downwardAPI))
      return NEVER;
    const age = this.#mounted ? Date.now() - this.#mounted.at : NEVER;
    if (age < REFRESH_MS) return REFRESH_MS - age;
    // A running pod keeps what it has.
    await this.#mount(pod).catch((error: Error) =>
      this.#parts.log(`pod ${pod.namespace}/${pod.name}: ${error.message}`),
    );
    // Not all pods of a node at the same moment.
    return REFRESH_MS * (0.8 + Math.random() * 0.4);
  }

  /** @returns whether anything was started, and when what has to wait is due */
  async #start(
    pod: KubeletPod,
    containers: readonly Container[],
    sandbox: SandboxState,
    runtime: PodRuntime,
  ): Promise<[began: boolean, next: number]> {
    let began = false;
    let next = NEVER;
    for (const container of containers) {
      const wait = this.#restarts.pause(pod, container, newest(runtime, container.name));
      if (wait > 0) {
        next = Math.min(next, wait);
        continue;
      }
      try {
        const volumes = this.#mounted?.volumes ?? (await this.#mount(pod));
        await this.#parts.starter.container(pod, container, sandbox, runtime, volumes, this.#ending.signal);
        this.#restarts.started(container.name);
        began = true;
      } catch (error) {
        if (!(error instanceof WaitingError)) throw error;
        next = Math.min(next, this.#restarts.failed(container.name, error));
        if (!(await this.#refresh()).sandboxes.some((each) => each.id === sandbox.id && each.ready)) {
          this.#restarts.excuse(container.name);
          return [true, 0];
        }
        // A container that was made and did not start: the next attempt waits as after a crash.
        if (error.reason === 'RunContainerError' || error.reason === 'PostStartHookError') began = true;
      }
      if (pod.spec.initContainers?.includes(container) && !isSidecar(container)) break;
      if (isDeleted(this.#pod) || this.#gone) break;
    }
    if (began) await this.#refresh();
    else if (containers.length > 0) this.#report(this.#runtime(), false);
    return [began, next];
  }

  /** The pod is over; its containers stay for their logs until it is deleted. */
  async #finish(runtime: PodRuntime): Promise<number> {
    const { killer, probes, volumes, cgroups } = this.#parts;
    const { uid } = this.#pod;
    let after = runtime;
    if (
      runtime.sandboxes.some((each) => each.ready) ||
      runtime.containers.some((each) => each.state === 'running')
    ) {
      await killer.pod(this.pod, runtime);
      after = await this.#refresh();
    }
    probes.remove(uid);
    this.#report(after, true);
    await volumes.tearDown(uid, false);
    cgroups.remove(uid);
    this.#mounted = undefined;
    return NEVER;
  }

  /** Ends the pod, removes what it had, and takes it out of the API. */
  async #terminate(runtime: PodRuntime): Promise<number> {
    const { cri, killer, probes, volumes, cgroups, statuses, images } = this.#parts;
    const { uid } = this.#pod;
    this.#report(runtime, false);
    await killer.containers(this.pod, runtime);
    await killer.sandboxes(runtime, async () => {
      const after = await this.#refresh();
      probes.remove(uid);
      this.#report(after, true);
      await this.#removeSandboxes(cri, after);
    });
    if (!this.#gone) await statuses.flush(uid);
    await volumes.tearDown(uid, true);
    cgroups.remove(uid);
    rmSync(podLogFolder(this.#pod), { recursive: true, force: true });
    await this.#refresh();
    if (!this.#gone && !this.#pod.isStatic) await this.#parts.finalize(this.#pod);
    images.forget(uid);
    this.finished = true;
    this.#onFinished();
    return NEVER;
  }

  async #removeSandboxes(cri: CriClient, runtime: PodRuntime): Promise<void> {
    for (const { id } of runtime.sandboxes) await cri.removePodSandbox(id);
    const known = new Set(runtime.sandboxes.map((each) => each.id));
    for (const { id, sandboxId } of runtime.containers)
      if (!known.has(sandboxId)) await cri.removeContainer(id);
  }
}
