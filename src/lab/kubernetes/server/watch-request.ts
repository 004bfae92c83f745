import type { KindInfo } from '../schema/types.ts';
import type { Position } from '../store/store.ts';
import type { Watcher } from '../watch/watcher.ts';
import { apiVersionOf, prefixOf } from './keys.ts';
import { listOptions } from './list-options.ts';
import { type Format, negotiate } from './negotiate.ts';
import { representationOf } from './representation.ts';
import type { Runtime } from './runtime.ts';
import { notAcceptable, tooLargeResourceVersion } from './status.ts';
import type { RequestContext } from './types.ts';

/** Without timeoutSeconds a watch lasts between this and twice as long, so that clients do not come back together. Seconds. */
const MIN_TIMEOUT = 1_800;
/** A last bookmark goes out that long before the end. Milliseconds. */
const LAST_BOOKMARK = 2_000;

function bookmarkOf(kind: KindInfo, format: Format): (revision: number, initialEventsEnd: boolean) => string {
  const own = { kind: kind.kind, apiVersion: apiVersionOf(kind) };
  return (revision, initialEventsEnd) => {
    const metadata = {
      resourceVersion: String(revision),
      creationTimestamp: null,
      ...(initialEventsEnd && { annotations: { 'k8s.io/initial-events-end': 'true' } }),
    };
    if (format.as === 'PartialObjectMetadata')
      return JSON.stringify({ kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata });
    if (format.as === 'Table')
      return JSON.stringify({
        kind: 'Table',
        apiVersion: 'meta.k8s.io/v1',
        metadata: { resourceVersion: String(revision) },
        columnDefinitions: [],
        // The annotation is on the row's object, where clients that ask for Tables look.
        rows: initialEventsEnd
          ? [{ cells: [], object: { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata } }]
          : [],
      });
    return JSON.stringify({ ...own, metadata });
  };
}

/** Answers a watch: starts it and returns; it goes on until the client leaves, the time is over or the server ends. @throws StatusError */
export async function watch(runtime: Runtime, context: RequestContext): Promise<void> {
  const { store, hub } = runtime;
  const { request, response, kind, query } = context;
  const options = listOptions(kind, query, 'watch', context.name);
  const format = negotiate(request);
  if (format.encoding !== 'json') throw notAcceptable();
  const representation = representationOf(
    format,
    kind,
    runtime.plugins,
    query.get('includeObject') ?? 'Metadata',
  );
  const prefix = prefixOf(kind, kind.namespaced ? context.namespace : undefined);
  await store.durable();
  const asked = options.resourceVersion;
  let after = asked || store.revision;
  let initial: Position[] | undefined;
  const legacyInitial = options.sendInitialEvents === undefined && !asked;
  if (options.sendInitialEvents || legacyInitial) {
    if (asked && asked > store.revision) throw tooLargeResourceVersion(asked, store.revision);
    after = store.revision;
    initial = store.current(prefix);
  }
  response.statusCode = 200;
  response.setHeader('Content-Type', 'application/json');
  response.setHeader('Cache-Control', 'no-cache, private');
  response.flushHeaders();
  // Events are small and late ones are useless: each goes out at once.
  request.socket.setNoDelay(true);
  const watcher = hub.watch(
    {
      prefix,
      selection: options.selection,
      representation,
      after,
      ...(initial && { initial }),
      endOfInitialEvents: options.sendInitialEvents === true && options.allowWatchBookmarks,
      bookmark: bookmarkOf(kind, format),
      sink: response,
    },
    { bookmarks: options.allowWatchBookmarks },
  );
  if (after > store.revision) return watcher.fail(tooLargeResourceVersion(after, store.revision).toStatus());
  limit(watcher, options.timeoutSeconds, options.allowWatchBookmarks, response);
}

function limit(
  watcher: Watcher,
  asked: number | undefined,
  bookmarks: boolean,
  response: RequestContext['response'],
): void {
  const seconds = asked || MIN_TIMEOUT * (1 + Math.random());
  const timers = [setTimeout(() => watcher.close(), seconds * 1000)];
  const early = seconds * 1000 - LAST_BOOKMARK;
  if (bookmarks && early > 0) timers.push(setTimeout(() => watcher.bookmark(), early));
  for (const timer of timers) timer.unref();
  response.once('close', () => {
    for (const timer of timers) clearTimeout(timer);
  });
}
