import { gzipSync, constants as zlib } from 'node:zlib';
import { documentAnswer } from '../openapi/serve.ts';
import type { SchemaRegistry } from '../schema/registry.ts';
import { acceptsGzip } from './negotiate.ts';
import { noSuchPath, notAcceptable } from './status.ts';
import type { Plugins } from './types.ts';

/** Documents are compressed from that many bytes on. */
const GZIP_FROM = 4_096;

/** Discovery and OpenAPI over HTTP. */
export function documents(registry: SchemaRegistry): Plugins['discovery'] {
  return (request, response, path) => {
    const answer = documentAnswer(registry, {
      path,
      query: new URL(request.url ?? '/', 'https://server').searchParams,
      accept: request.headers.accept,
      ifNoneMatch: request.headers['if-none-match'],
      serverAddress: request.headers.host ?? '',
    });
    if (!answer) return false;
    if (answer.status === 404) throw noSuchPath();
    if (answer.status === 406) throw notAcceptable();
    response.statusCode = answer.status;
    for (const [name, value] of Object.entries(answer.headers)) response.setHeader(name, value);
    if (!answer.headers['Cache-Control']) response.setHeader('Cache-Control', 'no-cache, private');
    let body = Buffer.from(answer.body ?? '');
    if (body.length >= GZIP_FROM && acceptsGzip(request)) {
      response.setHeader('Content-Encoding', 'gzip');
      body = gzipSync(body, { level: zlib.Z_BEST_SPEED });
    }
    if (answer.status !== 304) response.setHeader('Content-Length', body.length);
    response.end(request.method === 'HEAD' || answer.status === 304 ? undefined : body);
    return true;
  };
}
