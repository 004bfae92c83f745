import { setTimeout as delay } from 'node:timers/promises';
import { isKubeError, KubeConnectionError } from '../../../src/kube/error.ts';

/** Between two tries, milliseconds. */
const PAUSE_MS = 20;

/**
 * Asks a server that may be away until it answers. A try without an answer may have been done all the same: after one,
 * and only then, the server may say `done`.
 *
 * @returns true when it was done, false when the signal came first
 * @throws KubeError for any other refusal
 */
export async function untilDone(
  signal: AbortSignal,
  call: () => Promise<unknown>,
  done?: number,
): Promise<boolean> {
  for (let uncertain = false; !signal.aborted; ) {
    try {
      await call();
      return true;
    } catch (error) {
      if (uncertain && done !== undefined && isKubeError(error, done)) return true;
      const away = error instanceof KubeConnectionError || isKubeError(error, 429, 500, 503, 504);
      if (!away) throw error;
      uncertain = true;
    }
    await delay(PAUSE_MS);
  }
  return false;
}
