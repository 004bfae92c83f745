import type { KubeObject } from '../schema/types.ts';
import type { Store } from '../store/store.ts';
import { prefixOf } from './keys.ts';
import type { Runtime } from './runtime.ts';

/** History is kept that long, as upstream. Milliseconds. */
const COMPACT_AFTER = 5 * 60_000;
/** How long events are kept: kube-apiserver's --event-ttl. Milliseconds. */
export const EVENT_TTL = 60 * 60_000;
const EVENT_SWEEP = 60_000;
const BATCH = 100;
const EVENTS = { group: '', plural: 'events' };

/** Compacts every few minutes to where the store was the time before. Returns what ends it. */
export function compactRegularly(store: Store, interval = COMPACT_AFTER): () => void {
  let last = store.revision;
  let ended = false;
  const step = (upTo: number) => {
    // Other requests have their turn between steps.
    if (!ended && store.compact(upTo)) setImmediate(step, upTo);
  };
  const timer = setInterval(() => {
    const upTo = last;
    last = store.revision;
    step(upTo);
  }, interval).unref();
  return () => {
    ended = true;
    clearInterval(timer);
  };
}

/** Deletes events that nobody has touched for their time. */
export async function sweepEvents(
  { store, access }: Pick<Runtime, 'store' | 'access'>,
  now: Date,
  ttl = EVENT_TTL,
): Promise<number> {
  let swept = 0;
  let pending: Promise<unknown>[] = [];
  for (const { id } of store.current(prefixOf(EVENTS))) {
    const text = store.value(id);
    if (text === undefined) continue;
    const event = JSON.parse(text) as KubeObject &
      Partial<Record<'lastTimestamp' | 'eventTime', string>> & {
        series?: { lastObservedTime?: string };
      };
    const { lastTimestamp, eventTime, series, metadata } = event;
    const touched =
      series?.lastObservedTime ?? lastTimestamp ?? eventTime ?? metadata?.creationTimestamp ?? '';
    if (!(now.getTime() - Date.parse(touched) > ttl)) continue;
    // Those of one turn share an fsync.
    pending.push(access.delete(EVENTS, metadata?.namespace, metadata?.name ?? '').catch(() => {}));
    swept++;
    if (pending.length < BATCH) continue;
    await Promise.all(pending);
    pending = [];
  }
  await Promise.all(pending);
  return swept;
}

export function sweepRegularly(
  runtime: Runtime,
  onError: (error: unknown, what: string) => void,
): () => void {
  const timer = setInterval(() => {
    sweepEvents(runtime, new Date()).catch((error: unknown) => onError(error, 'old events'));
  }, EVENT_SWEEP).unref();
  return () => clearInterval(timer);
}
