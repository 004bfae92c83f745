import { open } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { isDigest } from '../images/reference.ts';
import { RegistryError } from './error.ts';
import { type Exchange, rangeOf, send } from './http.ts';
import type { ImageStore } from './store.ts';
import type { Uploads } from './uploads.ts';

/** Bytes that one download holds in memory. */
const CHUNK = 256 * 1024;

/**
 * Sends a part of a file through a single buffer: a stream would make a new one for each chunk, a hundred megabytes of
 * garbage while a few nodes pull.
 */
async function copy(path: string, start: number, end: number, response: ServerResponse): Promise<void> {
  const file = await open(path, 'r');
  try {
    const buffer = Buffer.allocUnsafeSlow(Math.min(CHUNK, end - start + 1));
    for (let at = start; at <= end; ) {
      const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, end - at + 1), at);
      if (bytesRead === 0) throw new Error(`${path} is cut short`);
      await writeThrough(response, buffer.subarray(0, bytesRead));
      at += bytesRead;
    }
    response.end();
  } finally {
    await file.close();
  }
}

/** Resolves when the bytes need not be kept any more; a client that goes away in the meantime may cost the callback. */
function writeThrough(response: ServerResponse, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const gone = (): void => reject(new Error('the client went away'));
    if (response.destroyed) return gone();
    response.once('close', gone);
    response.write(bytes, (error) => {
      response.off('close', gone);
      if (error) reject(error);
      else resolve();
    });
  });
}

/** GET and HEAD of a blob. All repositories share their blobs: who knows a digest may have it. */
export async function sendBlob(exchange: Exchange, store: ImageStore, digest: string): Promise<void> {
  const { request, response, method } = exchange;
  if (!isDigest(digest))
    throw new RegistryError('DIGEST_INVALID', `'${digest.slice(0, 80)}' is not a sha256 digest`);
  const size = await store.sizeOfBlob(digest);
  if (size === undefined) throw new RegistryError('BLOB_UNKNOWN', `${digest} is not here`);
  const common = { 'docker-content-digest': digest, etag: `"${digest}"`, 'accept-ranges': 'bytes' };
  if (request.headers['if-none-match'] === `"${digest}"`) return send(exchange, 304, common);
  let range: ReturnType<typeof rangeOf>;
  try {
    range = size === 0 ? undefined : rangeOf(request.headers.range, size);
  } catch (error) {
    response.setHeader('content-range', `bytes */${size}`);
    throw error;
  }
  const { start, end } = range ?? { start: 0, end: size - 1 };
  response.writeHead(range ? 206 : 200, {
    ...common,
    'content-type': 'application/octet-stream',
    'content-length': end - start + 1,
    ...(range ? { 'content-range': `bytes ${start}-${end}/${size}` } : {}),
  });
  if (method === 'HEAD' || size === 0) {
    response.end();
    return;
  }
  await copy(store.blobPath(digest), start, end, response);
}

function announcedBy(request: IncomingMessage): number | undefined {
  const text = request.headers['content-length'];
  return text === undefined ? undefined : Number(text);
}

/** `Content-Range: 0-99`, as the distribution specification writes it: no unit and no total. */
function startOf(request: IncomingMessage): number | undefined {
  const text = request.headers['content-range'];
  if (text === undefined) return undefined;
  const found = /^(?:bytes )?(\d{1,15})-(\d{1,15})(?:\/.*)?$/.exec(text);
  const length = found && Number(found[2]) - Number(found[1]) + 1;
  if (!found || (announcedBy(request) ?? length) !== length) {
    throw new RegistryError('RANGE_INVALID', `content-range '${text.slice(0, 60)}' is not that of the body`);
  }
  return Number(found[1]);
}

function accepted(exchange: Exchange, id: string, size: number, status = 202): void {
  const ns = exchange.query.get('ns');
  send(exchange, status, {
    location: `/v2/${exchange.name}/blobs/uploads/${id}${ns === null ? '' : `?ns=${encodeURIComponent(ns)}`}`,
    range: `0-${Math.max(0, size - 1)}`,
    'docker-upload-uuid': id,
  });
}

function created(exchange: Exchange, digest: string): void {
  const headers = { location: `/v2/${exchange.name}/blobs/${digest}`, 'docker-content-digest': digest };
  send(exchange, 201, headers);
}

/** POST: begins an upload, is one in a single request, or finds that the blob is here already. */
export async function beginUpload(exchange: Exchange, store: ImageStore, uploads: Uploads): Promise<void> {
  const { query, request, repository } = exchange;
  const mount = query.get('mount');
  if (mount !== null && isDigest(mount) && (await store.sizeOfBlob(mount)) !== undefined) {
    return created(exchange, mount);
  }
  const digest = query.get('digest');
  const id = await uploads.begin(repository);
  if (digest === null) return accepted(exchange, id, 0);
  await uploads.append(repository, id, request, { announced: announcedBy(request) });
  await uploads.finish(repository, id, digest);
  created(exchange, digest);
}

/** What is done with an upload that was begun. */
export async function continueUpload(exchange: Exchange, uploads: Uploads, id: string): Promise<void> {
  const { method, repository, request, query } = exchange;
  switch (method) {
    case 'GET':
    case 'HEAD':
      return accepted(exchange, id, uploads.sizeOf(repository, id), 204);
    case 'DELETE':
      await uploads.cancel(repository, id);
      return send(exchange, 204);
    case 'PATCH':
    case 'PUT': {
      const digest = query.get('digest');
      if (method === 'PUT' && digest === null) throw new RegistryError('DIGEST_INVALID', 'digest is missing');
      const sizes = { start: startOf(request), announced: announcedBy(request) };
      const size = await uploads.append(repository, id, request, sizes);
      if (method === 'PATCH') return accepted(exchange, id, size);
      await uploads.finish(repository, id, digest!);
      return created(exchange, digest!);
    }
    default:
      throw new RegistryError('UNSUPPORTED', `${method} is not for uploads`);
  }
}
