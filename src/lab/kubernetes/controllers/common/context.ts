// What every controller works with.
import type { KubeClient } from '../../../../kube/client.ts';
import { isKubeError } from '../../../../kube/error.ts';
import type { ResourceType } from '../../../../kube/resources.ts';
import { WorkQueue } from '../../../../kube/work-queue.ts';
import type { Informers } from './informers.ts';
import { messageOf } from './message.ts';
import { type AnyObject, live, type Owned } from './objects.ts';

export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** Where events about objects go. Never fails and never waits. */
export interface EventSink {
  event(
    type: ResourceType<unknown>,
    object: Owned,
    severity: 'Normal' | 'Warning',
    reason: string,
    message: string,
    source?: string,
  ): void;
}

export interface Context {
  readonly client: KubeClient;
  readonly informers: Informers;
  readonly events: EventSink;
  readonly log: Log;
  /** ms since the epoch. */
  now(): number;
}

/** A running controller. */
export interface Controller {
  readonly name: string;
  stop(): Promise<void>;
}

/** Brings one key to its desired state. Returns ms after which it wants to be called again. */
export type Reconcile = (key: string) => Promise<number | undefined>;

/** A work queue that waits for the first lists of what it needs. Never two workers for one key. */
export function controllerLoop(
  context: Context,
  options: { name: string; workers?: number; needs: readonly ResourceType<unknown>[] },
  reconcile: Reconcile,
): WorkQueue {
  const { name, workers = 4, needs } = options;
  const { informers, log } = context;
  const synced = Promise.all(needs.map((type) => informers.of(type as ResourceType<AnyObject>).synced));
  return new WorkQueue({
    workers,
    retry: { first: 10, longest: 60_000 },
    handler: async (key) => {
      await synced;
      return reconcile(key);
    },
    onError: (key, error, tries) => {
      // A conflict is the cache running behind; the next look is a fresh one.
      const level = isKubeError(error, 409) && tries < 5 ? 'debug' : 'warn';
      log[level]({ controller: name, key, tries, error: messageOf(error) }, 'reconcile failed');
    },
  });
}

/** Creates an object that the caller made in parts; what comes back is complete. */
export async function create<T>(context: Context, type: ResourceType<T>, object: object): Promise<T> {
  return live<T>(await context.client.create(type, object as T));
}

/** Merge patch of an object or of its subresource. */
export async function merge<T>(
  context: Context,
  type: ResourceType<T>,
  o: Owned,
  body: object,
  subresource?: string,
): Promise<T> {
  const { name, namespace } = o.metadata;
  const options = { type: 'merge' as const, ...(subresource && { subresource }) };
  return live<T>(await context.client.patch(type, { namespace, name }, body, options));
}

/** Deletes this very object (by uid); that it is gone already is as good. */
export async function remove(
  context: Context,
  type: ResourceType<unknown>,
  o: Owned,
  options: { propagationPolicy?: 'Orphan' | 'Background' | 'Foreground'; gracePeriodSeconds?: number } = {},
): Promise<boolean> {
  const { name, namespace, uid } = o.metadata;
  try {
    await context.client.delete(type, { namespace, name }, { ...options, preconditions: { uid } });
    return true;
  } catch (error) {
    if (isKubeError(error, 404) || isPreconditionFailure(error)) return false;
    throw error;
  }
}

/** The object under this name is another one by now. */
function isPreconditionFailure(error: unknown): boolean {
  return isKubeError(error, 409) && /uid/i.test(error.message);
}

/** Whether a creation failed because its namespace is being deleted: then nobody needs to hear of it. */
export function isNamespaceTerminating(error: unknown): boolean {
  return (
    isKubeError(error, 403, 404) &&
    (error.details?.causes?.some((c) => c.reason === 'NamespaceTerminating') === true ||
      /because it is being terminated/.test(error.message))
  );
}
