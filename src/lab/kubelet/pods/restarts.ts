import { Backoff, goDuration } from '../backoff.ts';
import type { PodEvents, WaitingError } from '../events.ts';
import { type Container, initContainers, type KubeletPod } from '../model.ts';
import type { ContainerState } from '../runtime-state.ts';
import type { WaitingReason } from '../status/container-statuses.ts';

/** What is missing may be made any moment. Milliseconds. */
const CONFIG_RETRY_MS = 3000;

/** When the containers of one pod may be started (again), and why they wait. */
export class Restarts {
  readonly #events: PodEvents;
  readonly #backoff = new Backoff();
  readonly #retryAt = new Map<string, number>();
  readonly #waiting = new Map<string, WaitingReason>();

  constructor(events: PodEvents) {
    this.#events = events;
  }

  /** By container name: why it waits. */
  get waiting(): ReadonlyMap<string, WaitingReason> {
    return this.#waiting;
  }

  /**
   * @param last - the container's last run
   * @returns milliseconds that it still has to wait; 0: it is started now, and counted
   */
  pause(pod: KubeletPod, container: Container, last: ContainerState | undefined): number {
    const { name } = container;
    const pause = (this.#retryAt.get(name) ?? 0) - Date.now();
    if (pause > 0) return pause;
    if (last?.state !== 'exited') return 0;
    const wait = this.#backoff.remaining(name, last.finishedAt, Date.now());
    if (wait === 0) {
      this.#backoff.next(name, last.finishedAt, Date.now());
      return 0;
    }
    const where = `${pod.name}_${pod.namespace}(${pod.uid})`;
    const delay = goDuration(this.#backoff.delay(name));
    const message = `back-off ${delay} restarting failed container=${name} pod=${where}`;
    if (this.#waiting.get(name)?.message !== message) {
      const about = { name, isInit: initContainers(pod).includes(container) };
      const text = `Back-off restarting failed container ${name} in pod ${where}`;
      this.#events.event(pod, 'Warning', 'BackOff', text, about);
    }
    this.#waiting.set(name, { reason: 'CrashLoopBackOff', message });
    return Math.ceil(wait);
  }

  started(name: string): void {
    this.#waiting.delete(name);
    this.#retryAt.delete(name);
  }

  /** @returns milliseconds until it makes sense to try again */
  failed(name: string, error: WaitingError): number {
    const retryMs = error.retryMs ?? CONFIG_RETRY_MS;
    this.#waiting.set(name, { reason: error.reason, message: error.message });
    this.#retryAt.set(name, Date.now() + retryMs);
    return retryMs;
  }

  /** It could not start because its sandbox died, which is not its fault. */
  excuse(name: string): void {
    this.started(name);
    this.#backoff.forget(name);
  }

  /** The pod gets a new sandbox: what could not be made in the dying one is not kept waiting for that. */
  excuseFailures(): void {
    for (const [name, { reason }] of this.#waiting) {
      if (reason === 'CreateContainerError' || reason === 'RunContainerError') this.excuse(name);
    }
  }
}
