import type { IncomingMessage } from 'node:http';
import { notAcceptable } from './status.ts';

/** In which form a client wants its answer. */
export interface Format {
  encoding: 'json' | 'yaml';
  /** Another kind than the object's own, as `;as=Table`. */
  as: 'Object' | 'Table' | 'PartialObjectMetadata';
}

const OBJECT: Format = { encoding: 'json', as: 'Object' };
const ENCODINGS: Record<string, 'json' | 'yaml'> = {
  'application/json': 'json',
  'application/yaml': 'yaml',
  'application/*': 'json',
  '*/*': 'json',
};

/**
 * The first form of the Accept header that is served here. Protobuf is not: a client that lists JSON too gets JSON, one that does not
 * is told 406, upon which the official clients fall back.
 * @throws StatusError 406
 */
export function negotiate(request: Pick<IncomingMessage, 'headers'>): Format {
  const accept = request.headers.accept;
  if (!accept) return OBJECT;
  for (const clause of accept.split(',')) {
    const [type = '', ...rest] = clause.split(';').map((part) => part.trim());
    const encoding = ENCODINGS[type];
    if (!encoding) continue;
    const parameters = new Map(rest.map((part) => part.split('=', 2) as [string, string]));
    const as = parameters.get('as');
    if (!as) return { encoding, as: 'Object' };
    if (parameters.get('g') !== 'meta.k8s.io' || parameters.get('v') !== 'v1') continue;
    if (as === 'Table') return { encoding, as };
    if (as === 'PartialObjectMetadata' || as === 'PartialObjectMetadataList')
      return { encoding, as: 'PartialObjectMetadata' };
  }
  throw notAcceptable();
}

/** Whether the answer may be compressed. */
export function acceptsGzip(request: Pick<IncomingMessage, 'headers'>): boolean {
  const header = request.headers['accept-encoding'];
  return typeof header === 'string' && /(^|[,\s])gzip\s*(,|;\s*q=(?!0(\.0*)?\s*(,|$))|$)/.test(header);
}
