import type { IncomingMessage } from 'node:http';
import { KubeConnectionError } from './error.ts';
import type { KubeObject, Status } from './types.ts';

/** One event of a watch. A BOOKMARK's object has a resourceVersion and nothing else; an ERROR's is a Status. */
export type WatchEvent<T> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: T }
  | { readonly type: 'BOOKMARK'; readonly object: KubeObject }
  | { readonly type: 'ERROR'; readonly object: Status };

/** Upstream stores no object above 1.5 MiB; its JSON may be somewhat longer. */
export const LARGEST_EVENT = 16 << 20;

const NEWLINE = 10;

/**
 * The events in a stream of JSON lines, each as soon as its line is whole. A line in many pieces is put together once,
 * so that a large object costs what it is long, and no more.
 * @throws KubeConnectionError for what is no event, for a line above `largest` bytes, and when the stream breaks off
 */
export async function* decodeWatch<T>(
  stream: AsyncIterable<Buffer>,
  largest = LARGEST_EVENT,
): AsyncGenerator<WatchEvent<T>, void, undefined> {
  let pieces: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      const last = chunk.subarray(start, end);
      const line = pieces.length === 0 ? last : Buffer.concat([...pieces, last]);
      start = end + 1;
      pieces = [];
      length = 0;
      if (line.length > 0) yield eventOf<T>(line);
    }
    if (start === chunk.length) continue;
    const rest = chunk.subarray(start);
    length += rest.length;
    if (length > largest)
      throw new KubeConnectionError(`a watch event has more than ${largest} bytes; no API server sends such`);
    pieces.push(rest);
  }
  // The server ends a stream after a whole line; what is left was cut off.
  if (length > 0) throw new KubeConnectionError('the watch broke off in the middle of an event');
}

function eventOf<T>(line: Buffer): WatchEvent<T> {
  let event: unknown;
  try {
    event = JSON.parse(line.toString('utf8'));
  } catch (error) {
    throw new KubeConnectionError('the watch sent a line that is not JSON', error);
  }
  const { type, object } = (event ?? {}) as { type?: unknown; object?: unknown };
  const known = ['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK', 'ERROR'].includes(type as string);
  if (!known || typeof object !== 'object' || object === null)
    throw new KubeConnectionError('the watch sent a line that is no event');
  return event as WatchEvent<T>;
}

/** The body of a watch; leaving the loop closes the connection. */
export async function* readWatch<T>(
  response: IncomingMessage,
  signal: AbortSignal,
): AsyncGenerator<WatchEvent<T>, void, undefined> {
  try {
    yield* decodeWatch<T>(response as AsyncIterable<Buffer>);
  } catch (error) {
    if (signal.aborted) return;
    if (error instanceof KubeConnectionError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new KubeConnectionError(`the watch broke off: ${why}`, error);
  } finally {
    response.destroy();
  }
}
