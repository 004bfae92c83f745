import { createHash } from 'node:crypto';
import type { KubeClient } from './client.ts';
import { isKubeError } from './error.ts';
import { EVENTS } from './resources.ts';
import type { Event, KubeObject, ObjectReference } from './types.ts';

export type EventType = 'Normal' | 'Warning';

export interface EventRecorderOptions {
  /** Who reports: `flyover-agent`. */
  readonly component: string;
  /** The node or pod it runs on. */
  readonly host?: string;
  /** Told of an event that could not be written. */
  readonly onError?: (error: unknown) => void;
  /** Milliseconds since 1970. Default `Date.now`. */
  readonly now?: () => number;
}

/** Upstream's bound on the text of an event (`NoteLengthLimit`), bytes. */
const LONGEST_MESSAGE = 1024;
const LONGEST_REASON = 128;
/** An event that comes again within this is counted, as upstream does. */
const SAME_MS = 10 * 60_000;
const MOST_REMEMBERED = 4096;
const MOST_QUEUED = 1000;
/** A client's events about one object: so many at once, then one every so often. Upstream's. */
const BURST = 25;
const REFILL_MS = 5 * 60_000;

interface Remembered {
  readonly namespace: string;
  readonly name: string;
  count: number;
  lastAt: number;
}

/**
 * Writes events about objects (core/v1), in the background. The same one again is counted on the first; an object that
 * causes too many gets no more for a while, so that a fault in a loop cannot drown an API server.
 */
export class EventRecorder {
  readonly #client: KubeClient;
  readonly #options: EventRecorderOptions;
  readonly #now: () => number;
  readonly #known = new Map<string, Remembered>();
  readonly #budgets = new Map<string, { left: number; at: number }>();
  #queue: Promise<void> = Promise.resolve();
  #queued = 0;
  #serial = 0;

  constructor(client: KubeClient, options: EventRecorderOptions) {
    this.#client = client;
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  /** @param about an object, or a reference to one. `kind` and `apiVersion` must be in it. */
  event(about: KubeObject | ObjectReference, type: EventType, reason: string, message: string): void {
    const object = referenceTo(about);
    const text = bounded(message, LONGEST_MESSAGE);
    if (this.#queued >= MOST_QUEUED || !this.#allowed(object)) return;
    const now = this.#now();
    this.#queued++;
    this.#queue = this.#queue
      .then(() => this.#write(object, type, bounded(reason, LONGEST_REASON), text, now))
      .catch((error: unknown) => this.#options.onError?.(error))
      .finally(() => {
        this.#queued--;
      });
  }

  /** Resolves when everything reported so far is written, or has failed. */
  flush(): Promise<void> {
    return this.#queue;
  }

  async #write(
    object: ObjectReference,
    type: EventType,
    reason: string,
    message: string,
    now: number,
  ): Promise<void> {
    const at = new Date(now).toISOString().replace(/\.\d+Z$/, 'Z');
    const key = createHash('sha1')
      .update([object.kind, object.namespace, object.name, object.uid, type, reason, message].join('\0'))
      .digest('hex');
    const before = this.#known.get(key);
    if (before && now - before.lastAt <= SAME_MS) {
      before.count++;
      before.lastAt = now;
      const { namespace, name } = before;
      try {
        const body = { count: before.count, lastTimestamp: at };
        await this.#client.patch(EVENTS, { namespace, name }, body, { type: 'strategic' });
        return;
      } catch (error) {
        // Events live for an hour only.
        if (!isKubeError(error, 404)) throw error;
      }
    }
    const { component, host } = this.#options;
    const namespace = object.namespace || 'default';
    const serial = BigInt(Math.trunc(now)) * 1_000_000n + BigInt(this.#serial++ % 1_000_000);
    const name = `${baseName(object)}.${serial.toString(16)}`;
    const event: Event = {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name, namespace },
      involvedObject: object,
      type,
      reason,
      message,
      count: 1,
      firstTimestamp: at,
      lastTimestamp: at,
      source: { component, ...(host ? { host } : {}) },
      reportingComponent: component,
      reportingInstance: host ?? '',
    };
    await this.#client.create(EVENTS, event);
    this.#known.delete(key);
    this.#known.set(key, { namespace, name, count: 1, lastAt: now });
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= MOST_REMEMBERED) break;
      this.#known.delete(oldest);
    }
  }

  #allowed(object: ObjectReference): boolean {
    const key = `${object.kind}/${object.namespace ?? ''}/${object.name}`;
    const now = this.#now();
    const budget = this.#budgets.get(key) ?? { left: BURST, at: now };
    budget.left = Math.min(BURST, budget.left + (now - budget.at) / REFILL_MS);
    budget.at = now;
    const allowed = budget.left >= 1;
    if (allowed) budget.left--;
    this.#budgets.delete(key);
    this.#budgets.set(key, budget);
    for (const oldest of this.#budgets.keys()) {
      if (this.#budgets.size <= MOST_REMEMBERED) break;
      this.#budgets.delete(oldest);
    }
    return allowed;
  }
}

/** Upstream names an event after its object and the time; together they must be a DNS name of at most 253. */
function baseName({ name = 'unknown' }: ObjectReference): string {
  return name.slice(0, 230).replace(/[^a-z0-9]+$/, '');
}

function referenceTo(about: KubeObject | ObjectReference): ObjectReference {
  if (!('metadata' in about)) return about as ObjectReference;
  const { apiVersion, kind, metadata } = about;
  return {
    ...(apiVersion ? { apiVersion } : {}),
    ...(kind ? { kind } : {}),
    ...(metadata?.namespace ? { namespace: metadata.namespace } : {}),
    ...(metadata?.name ? { name: metadata.name } : {}),
    ...(metadata?.uid ? { uid: metadata.uid } : {}),
    ...(metadata?.resourceVersion ? { resourceVersion: metadata.resourceVersion } : {}),
  };
}

/** At most so many bytes of UTF-8, no character cut. */
export function bounded(text: string, bytes: number): string {
  if (Buffer.byteLength(text) <= bytes) return text;
  const whole = Buffer.from(text).subarray(0, bytes - 3);
  // A cut character decodes to U+FFFD.
  return `${whole.toString('utf8').replace(/\uFFFD+$/, '')}...`;
}
