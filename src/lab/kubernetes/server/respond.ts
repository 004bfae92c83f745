import type { IncomingMessage, ServerResponse } from 'node:http';
import { createGzip, type Gzip, constants as zlib } from 'node:zlib';
import { acceptsGzip } from './negotiate.ts';
import { encoded } from './representation.ts';
import type { StatusError } from './status.ts';

/** Answers from here on are compressed, as upstream's. Bytes. */
export const GZIP_FROM = 128 * 1024;
const MIME = { json: 'application/json', yaml: 'application/yaml' };
/** Headers of that many bytes are taken by all clients; upstream truncates too. */
const MAX_WARNINGS = 16;

/** RFC 7234 warnings that official clients print. */
export function setWarnings(response: ServerResponse, warnings: readonly string[]): void {
  const unique = [...new Set(warnings)].slice(0, MAX_WARNINGS);
  if (unique.length === 0) return;
  response.setHeader(
    'Warning',
    unique.map((text) => {
      const plain = text.replaceAll(/[^\x20-\x7e]+/g, ' ').slice(0, 256);
      return `299 - "${plain.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
    }),
  );
}

function gzip(): Gzip {
  return createGzip({ level: zlib.Z_BEST_SPEED });
}

/** Sends JSON text in one piece. */
export function sendText(
  request: IncomingMessage,
  response: ServerResponse,
  code: number,
  text: string,
  encoding: 'json' | 'yaml' = 'json',
): void {
  if (response.headersSent || response.destroyed) return;
  const body = Buffer.from(encoded(text, encoding));
  response.statusCode = code;
  response.setHeader('Content-Type', MIME[encoding]);
  response.setHeader('Cache-Control', 'no-cache, private');
  if (body.length >= GZIP_FROM && acceptsGzip(request)) {
    response.setHeader('Content-Encoding', 'gzip');
    response.setHeader('Vary', 'Accept-Encoding');
    const stream = gzip();
    stream.pipe(response);
    stream.end(body);
    return;
  }
  response.setHeader('Content-Length', body.length);
  response.end(request.method === 'HEAD' ? undefined : body);
}

export function sendError(request: IncomingMessage, response: ServerResponse, error: StatusError): void {
  if (response.headersSent) {
    // Within an answer nothing can be said any more, but that it is not whole.
    response.destroy();
    return;
  }
  if (error.details?.retryAfterSeconds)
    response.setHeader('Retry-After', String(error.details.retryAfterSeconds));
  // What is left of a refused body would be taken for the next request.
  if (!request.complete) response.setHeader('Connection', 'close');
  sendText(request, response, error.code, JSON.stringify(error.toStatus()));
}

/** Sends a long answer piece by piece, no faster than the client takes it. Resolves when all is handed over or the client has gone. */
export async function sendPieces(
  request: IncomingMessage,
  response: ServerResponse,
  pieces: Iterable<string> | AsyncIterable<string>,
  options: { compress: boolean },
): Promise<void> {
  response.statusCode = 200;
  response.setHeader('Content-Type', MIME.json);
  response.setHeader('Cache-Control', 'no-cache, private');
  let target: Gzip | ServerResponse = response;
  if (options.compress && acceptsGzip(request)) {
    response.setHeader('Content-Encoding', 'gzip');
    response.setHeader('Vary', 'Accept-Encoding');
    target = gzip();
    target.pipe(response);
  }
  for await (const piece of pieces) {
    if (response.destroyed) break;
    if (!target.write(piece)) await drained(target, response);
  }
  if (response.destroyed) target.destroy();
  else target.end();
}

function drained(target: Gzip | ServerResponse, response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      target.off('drain', done);
      response.off('close', done);
      resolve();
    };
    target.once('drain', done);
    response.once('close', done);
  });
}
