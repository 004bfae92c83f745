import type { IncomingMessage } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { parse as parseYaml } from 'yaml';
import { decodeProtobuf, PROTOBUF } from './protobuf/decode.ts';
import { badRequest, StatusError, tooLarge, unsupportedMediaType } from './status.ts';

/** What upstream takes: 3 MiB, before and after decompression. */
export const MAX_BODY = 3 * 1024 * 1024;

const JSON_TYPES = new Set([
  '',
  'application/json',
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
  'application/apply-patch+json',
]);
const YAML_TYPES = new Set(['application/yaml', 'application/x-yaml', 'application/apply-patch+yaml']);

/** Without parameters, lower-case. */
export function mediaType(request: Pick<IncomingMessage, 'headers'>): string {
  return (request.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();
}

/** Reads the whole body. @throws StatusError 413, 400 when the client went away within it */
export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of request) {
      length += (chunk as Buffer).length;
      if (length > MAX_BODY) throw tooLarge(`limit is ${MAX_BODY} bytes`);
      chunks.push(chunk as Buffer);
    }
  } catch (error) {
    if (error instanceof StatusError) throw error;
    throw badRequest('the body ended early');
  }
  const body = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
  if (request.headers['content-encoding'] !== 'gzip') return body;
  try {
    return gunzipSync(body, { maxOutputLength: MAX_BODY });
  } catch {
    throw badRequest(`the body is not gzip, or larger than ${MAX_BODY} bytes`);
  }
}

/**
 * The body as JSON text: YAML and protobuf are turned into it, so that all behind here knows one form.
 * @throws StatusError 415 for other media types, 400 when it is not of its type
 */
export function jsonText(body: Buffer, type: string): string {
  if (JSON_TYPES.has(type)) return body.toString('utf8');
  if (type === PROTOBUF) {
    try {
      return JSON.stringify(decodeProtobuf(body));
    } catch (error) {
      throw badRequest(
        `the body is not protobuf as Kubernetes writes it: ${error instanceof Error ? error.message : error}`,
      );
    }
  }
  if (!YAML_TYPES.has(type)) throw unsupportedMediaType(['application/json', 'application/yaml', PROTOBUF]);
  const text = body.toString('utf8');
  // What clients send to apply is mostly JSON, which is YAML, and reads a hundred times faster as what it is.
  if (/^\s*\{/.test(text)) {
    try {
      JSON.parse(text);
      return text;
    } catch {
      // A flow mapping of YAML.
    }
  }
  try {
    return JSON.stringify(parseYaml(text, { maxAliasCount: 100 }) ?? null);
  } catch (error) {
    throw badRequest(`error converting YAML to JSON: ${error instanceof Error ? error.message : error}`);
  }
}

/** @throws StatusError 400 with where it goes wrong */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw badRequest(`the body is not JSON: ${error instanceof Error ? error.message : error}`);
  }
}
