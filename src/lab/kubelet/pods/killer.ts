import { setTimeout as delay } from 'node:timers/promises';
import { Gate } from '../../gate.ts';
import { type CriClient, isCriError } from '../cri.ts';
import type { PodEvents } from '../events.ts';
import {
  allContainers,
  type Container,
  gracePeriod,
  initContainers,
  isSidecar,
  type KubeletPod,
} from '../model.ts';
import { ask } from '../probes/handlers.ts';
import { type ContainerState, isActive, type PodRuntime } from '../runtime-state.ts';

/** The least that a container gets between the stop signal and SIGKILL, when its hook used the time up. Seconds. */
const LEAST_GRACE = 2;
/** Sandboxes that end at a time. */
const AT_ONCE = 8;

/** Ends containers and pods with their hooks and their time. */
export class Killer {
  readonly #cri: CriClient;
  readonly #events: PodEvents;
  readonly #nodeIp: string;
  readonly #gate = new Gate(AT_ONCE);
  /** When those being ended will be killed, by container id; milliseconds since 1970. */
  readonly #deadlines = new Map<string, number>();

  constructor(cri: CriClient, events: PodEvents, nodeIp: string) {
    this.#cri = cri;
    this.#events = events;
    this.#nodeIp = nodeIp;
  }

  /** @param message - of the event; default: that it is stopped @param graceSeconds - default: the pod's */
  async container(
    pod: KubeletPod,
    container: ContainerState,
    podIp: string,
    options: { message?: string; graceSeconds?: number } = {},
  ): Promise<void> {
    const spec = allContainers(pod).find((each) => each.name === container.name);
    const about = { name: container.name, isInit: initContainers(pod).some((each) => each === spec) };
    let grace = options.graceSeconds ?? gracePeriod(pod);
    const message = options.message ?? `Stopping container ${container.name}`;
    this.#events.event(pod, 'Normal', 'Killing', message, about);
    const until = Date.now() + grace * 1000;
    this.#deadlines.set(container.id, until);
    try {
      const hook = spec?.lifecycle?.preStop;
      if (spec && hook && grace > 0 && container.state === 'running') {
        await this.#preStop(pod, spec, container, podIp || this.#nodeIp, grace);
        grace = Math.max(LEAST_GRACE, Math.ceil((until - Date.now()) / 1000));
      }
      await this.#stop(container.id, grace);
    } finally {
      this.#deadlines.delete(container.id);
    }
  }

  async #stop(id: string, graceSeconds: number): Promise<void> {
    await unlessGone(this.#cri.stopContainer(id, graceSeconds));
  }

  async #preStop(
    pod: KubeletPod,
    spec: Container,
    container: ContainerState,
    podIp: string,
    grace: number,
  ): Promise<void> {
    const hook = spec.lifecycle!.preStop!;
    if (hook.sleep) {
      await delay(Math.min(grace, hook.sleep.seconds) * 1000);
      return;
    }
    const target = { container: spec, containerId: container.id, podIp };
    const { success, output } = await ask(this.#cri, hook, target, grace * 1000);
    if (success) return;
    const about = { name: spec.name, isInit: initContainers(pod).includes(spec) };
    this.#events.event(
      pod,
      'Warning',
      'FailedPreStopHook',
      `PreStopHook failed: ${output}`.slice(0, 1000),
      about,
    );
  }

  /**
   * Ends a pod's containers: all at once, then sidecars in reverse order. What has ended already is no error.
   */
  async containers(pod: KubeletPod, runtime: PodRuntime, graceSeconds = gracePeriod(pod)): Promise<void> {
    const until = Date.now() + graceSeconds * 1000;
    const podIp = runtime.sandboxes[0]?.addresses[0] ?? '';
    const active = runtime.containers.filter((each) => isActive(each) || each.state === 'created');
    const sidecars = initContainers(pod)
      .filter(isSidecar)
      .map((each) => each.name);
    const proper = active.filter((each) => !sidecars.includes(each.name));
    await Promise.all(proper.map((each) => this.container(pod, each, podIp, { graceSeconds })));
    for (const name of sidecars.reverse()) {
      for (const each of active.filter((one) => one.name === name)) {
        const left = Math.max(proper.length > 0 ? LEAST_GRACE : 0, Math.ceil((until - Date.now()) / 1000));
        await this.container(pod, each, podIp, { graceSeconds: Math.min(graceSeconds, left) });
      }
    }
  }

  /**
   * Ends what is left of a pod whose containers have ended, its network too, and then does `after`. A few pods at a time: a
   * node's processors are busy with each, and of many that are begun together none is through before all are.
   */
  async sandboxes<T>(runtime: PodRuntime, after: () => Promise<T>): Promise<T> {
    return await this.#gate.run(async () => {
      for (const sandbox of runtime.sandboxes) await unlessGone(this.#cri.stopPodSandbox(sandbox.id));
      return await after();
    });
  }

  /** Ends a whole pod, containers first. */
  async pod(pod: KubeletPod, runtime: PodRuntime, graceSeconds?: number): Promise<void> {
    await this.containers(pod, runtime, graceSeconds);
    await this.sandboxes(runtime, async () => undefined);
  }

  /** Shortens the time of the pod's containers that are being ended: somebody cannot wait so long. */
  hurry(runtime: PodRuntime, graceSeconds: number): void {
    const until = Date.now() + graceSeconds * 1000;
    for (const { id } of runtime.containers) {
      const deadline = this.#deadlines.get(id);
      if (deadline === undefined || deadline <= until) continue;
      this.#deadlines.set(id, until);
      // The first call is still waiting and ends with the container.
      void this.#stop(id, graceSeconds).catch(() => undefined);
    }
  }
}

/** What is gone already needs no end. */
async function unlessGone(call: Promise<void>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!isCriError(error, 'NOT_FOUND')) throw error;
  }
}
