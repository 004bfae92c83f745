import type { KubeObject } from '../schema/types.ts';
import type { Position } from '../store/store.ts';
import { decodeContinue, encodeContinue } from './continue-token.ts';
import { prefixOf } from './keys.ts';
import { type ListOptions, listOptions } from './list-options.ts';
import { negotiate } from './negotiate.ts';
import { type Representation, representationOf } from './representation.ts';
import { GZIP_FROM, sendPieces, sendText } from './respond.ts';
import type { Runtime } from './runtime.ts';
import { expired, tooLargeResourceVersion } from './status.ts';
import type { RequestContext } from './types.ts';

/** Objects read, encoded and handed over at a time. */
const CHUNK = 250;

const TOO_OLD =
  'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.';

interface Snapshot {
  revision: number;
  positions: Position[];
}

/** Which rows a list is about. Rows do not change, so that sending them may take its time. */
function snapshot({ store }: Runtime, prefix: string, options: ListOptions): Snapshot {
  const asked = options.resourceVersion;
  if (asked !== undefined && asked > store.revision) throw tooLargeResourceVersion(asked, store.revision);
  if (options.continue) {
    const { revision, after } = decodeContinue(options.continue, prefix);
    if (revision === -1) return { revision: store.revision, positions: store.current(prefix, after) };
    if (revision < store.compacted) {
      const error = expired(TOO_OLD);
      const token = encodeContinue({ revision: -1, after });
      error.toStatus = () => ({
        ...Object.getPrototypeOf(error).toStatus.call(error),
        metadata: { continue: token },
      });
      throw error;
    }
    return { revision, positions: store.at(revision, prefix, after) };
  }
  const exact =
    options.resourceVersionMatch === 'Exact' ||
    // Before resourceVersionMatch was there, a limit meant exactly this version.
    (options.resourceVersionMatch === undefined && options.limit > 0 && asked);
  if (!exact || asked === undefined) return { revision: store.revision, positions: store.current(prefix) };
  if (asked < store.compacted) throw expired(`The resourceVersion for the provided list is too old.`);
  return { revision: asked, positions: store.at(asked, prefix) };
}

interface Batch {
  texts: string[];
  parsed: KubeObject[] | undefined;
}

/** Reads rows and keeps what the selection wants. */
function read(runtime: Runtime, positions: readonly Position[], options: ListOptions, parse: boolean): Batch {
  const texts: string[] = [];
  const parsed: KubeObject[] = [];
  const { selection } = options;
  for (const { id } of positions) {
    const text = runtime.store.value(id);
    if (text === undefined) throw expired('the list took longer than the history is kept; start again');
    if (!selection.mayMatch(text)) continue;
    if (selection.all && !parse) {
      texts.push(text);
      continue;
    }
    const object = JSON.parse(text) as KubeObject;
    if (!selection.matches(object)) continue;
    texts.push(text);
    parsed.push(object);
  }
  return { texts, parsed: selection.all && !parse ? undefined : parsed };
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** One page: at most `limit` objects, and where the next begins. */
async function page(
  runtime: Runtime,
  { revision, positions }: Snapshot,
  options: ListOptions,
  prefix: string,
  representation: Representation,
  parse: boolean,
): Promise<string> {
  const pieces: string[] = [];
  let found = 0;
  let at = 0;
  let last = prefix;
  while (at < positions.length && found < options.limit) {
    const size = options.selection.all ? options.limit - found : CHUNK;
    for (const position of positions.slice(at, at + Math.min(size, CHUNK))) {
      at++;
      last = position.key;
      const batch = read(runtime, [position], options, parse);
      if (batch.texts.length === 0) continue;
      pieces.push(representation.items(batch.texts, batch.parsed));
      if (++found === options.limit) break;
    }
    await turn();
  }
  const remaining = positions.length - at;
  const metadata = {
    resourceVersion: String(revision),
    ...(remaining > 0 && { continue: encodeContinue({ revision, after: last }) }),
    // How many of the rest a selector would take is not known.
    ...(remaining > 0 && options.selection.all && { remainingItemCount: remaining }),
  };
  return `${representation.listHead(metadata)}${pieces.join(',')}]}`;
}

function* pieces(
  runtime: Runtime,
  { revision, positions }: Snapshot,
  options: ListOptions,
  representation: Representation,
  parse: boolean,
): Generator<string> {
  yield representation.listHead({ resourceVersion: String(revision) });
  let first = true;
  for (let at = 0; at < positions.length; at += CHUNK) {
    const batch = read(runtime, positions.slice(at, at + CHUNK), options, parse);
    if (batch.texts.length === 0) continue;
    yield (first ? '' : ',') + representation.items(batch.texts, batch.parsed);
    first = false;
  }
  yield ']}';
}

/** Answers a list. @throws StatusError */
export async function list(runtime: Runtime, context: RequestContext): Promise<void> {
  const { request, response, kind, namespace, query } = context;
  const options = listOptions(kind, query, 'list');
  const format = negotiate(request);
  const includeObject = query.get('includeObject') ?? 'Metadata';
  const representation = representationOf(format, kind, runtime.plugins, includeObject);
  const prefix = prefixOf(kind, namespace);
  // What is listed must be on disk before anyone hears of it.
  await runtime.store.durable();
  const shot = snapshot(runtime, prefix, options);
  const parse = format.as !== 'Object';
  if (options.limit > 0) {
    const text = await page(runtime, shot, options, prefix, representation, parse);
    return sendText(request, response, 200, text, format.encoding);
  }
  const all = pieces(runtime, shot, options, representation, parse);
  if (shot.positions.length <= CHUNK || format.encoding === 'yaml')
    return sendText(request, response, 200, [...all].join(''), format.encoding);
  const sample = runtime.store.value(shot.positions[0]!.id)?.length ?? 0;
  const compress = sample * shot.positions.length > GZIP_FROM;
  await sendPieces(request, response, yielding(all), { compress });
}

/** Lets others have their turn between pieces. */
async function* yielding(all: Iterable<string>): AsyncGenerator<string> {
  for (const piece of all) {
    yield piece;
    await turn();
  }
}
