import type { KubeletPod } from './model.ts';

/** Where a pod's events go: the API server, or the log of a node that has none. */
export interface PodEvents {
  /** @param container - the container that it is about, when it is about one */
  event(
    pod: KubeletPod,
    type: 'Normal' | 'Warning',
    reason: string,
    message: string,
    container?: { readonly name: string; readonly isInit: boolean },
  ): void;
}

/** Why a container is not started now: becomes the waiting state's reason. */
export class WaitingError extends Error {
  override readonly name = 'WaitingError';
  readonly reason: string;
  /** Milliseconds after which it makes sense to try again. */
  readonly retryMs: number | undefined;

  constructor(reason: string, message: string, options: { retryMs?: number; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.reason = reason;
    this.retryMs = options.retryMs;
  }
}
