import type { IncomingMessage, ServerResponse } from 'node:http';
import { RegistryError } from './error.ts';

/** One request, taken apart. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly method: string;
  /** With the registry: `docker.io/library/nginx`. Empty where the route has none. */
  readonly repository: string;
  /** As the client wrote it, for addresses in answers. */
  readonly name: string;
  readonly query: URLSearchParams;
}

type Headers = Readonly<Record<string, string | number>>;

export function send(
  exchange: Exchange,
  status: number,
  headers: Headers = {},
  body?: Buffer | string,
): void {
  const { response, method } = exchange;
  const data = Buffer.from(body ?? '');
  response.writeHead(status, {
    ...(status === 204 || status === 304 ? {} : { 'content-length': data.length }),
    ...headers,
  });
  response.end(method === 'HEAD' ? undefined : data);
}

export function sendJson(exchange: Exchange, value: unknown, headers: Headers = {}): void {
  send(exchange, 200, { 'content-type': 'application/json', ...headers }, JSON.stringify(value));
}

/** A small body. @throws RegistryError when it is larger than `most` bytes */
export async function bodyOf(request: IncomingMessage, most: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += (chunk as Buffer).length;
    if (size > most) throw new RegistryError('SIZE_INVALID', `it has more than ${most} bytes`);
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}

/** A part of `all`, in its order, after `last`, with at most `n`; and the header that leads to the next part. */
export function page(
  exchange: Exchange,
  path: string,
  all: readonly string[],
): { part: string[]; headers: Headers } {
  const last = exchange.query.get('last') ?? '';
  const n = exchange.query.get('n');
  const most = n === null ? 1000 : Number(n);
  if (!Number.isInteger(most) || most < 0) {
    throw new RegistryError('PAGINATION_NUMBER_INVALID', `n '${n?.slice(0, 20)}' is not a number of entries`);
  }
  const rest = all.filter((each) => each > last);
  const part = rest.slice(0, Math.min(most, 1000));
  const query = new URLSearchParams({ n: String(most), last: part.at(-1) ?? '' });
  const ns = exchange.query.get('ns');
  if (ns !== null) query.set('ns', ns);
  const more = part.length > 0 && part.length < rest.length;
  return { part, headers: more ? { link: `<${path}?${query}>; rel="next"` } : {} };
}

/**
 * The bytes that a `Range` asks for: one range of a blob of `size` bytes.
 * @returns nothing when it asks for all, for several ranges, or in units that we do not know: then all is sent
 * @throws RegistryError when none of it is there
 */
export function rangeOf(
  header: string | undefined,
  size: number,
): { start: number; end: number } | undefined {
  const found = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? '');
  const [, first, last] = found ?? [];
  if (!found || (first === '' && last === '')) return undefined;
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1);
  if (first !== '' && last !== '' && Number(last) < Number(first)) return undefined;
  if (start >= size || end < start) throw new RegistryError('RANGE_INVALID', `it has ${size} bytes`);
  return { start, end };
}
