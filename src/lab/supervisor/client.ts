import { type IncomingMessage, request } from 'node:http';
import { createInterface } from 'node:readline';
import { LabError } from '../errors.ts';
import { SUPERVISOR_SOCKET } from '../paths.ts';
import { type ErrorBody, INTERNAL_ERROR, type StreamLine } from './answer.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

/** No supervisor answers at its socket. */
export class NotRunningError extends Error {
  override readonly name = 'NotRunningError';
  constructor(reason: string) {
    super(`the lab is not running (${SUPERVISOR_SOCKET}: ${reason}); start it with: sudo ./flyover up`);
  }
}

/**
 * Speaks to the supervisor. Long work reports its progress while it runs.
 *
 * @throws NotRunningError, LabError for refusals, Error for what failed on the way.
 */
export async function call<T>(
  method: Method,
  path: string,
  body?: unknown,
  onProgress?: (text: string) => void,
): Promise<T> {
  return await callAt<T>(SUPERVISOR_SOCKET, method, path, body, onProgress);
}

/** {@link call} for a supervisor that listens elsewhere, as in tests. */
export async function callAt<T>(
  socketPath: string,
  method: Method,
  path: string,
  body?: unknown,
  onProgress: (text: string) => void = () => undefined,
): Promise<T> {
  const payload = body === undefined ? undefined : JSON.stringify(body);
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const headers = payload === undefined ? {} : { 'content-type': 'application/json' };
    // No connection is kept for the next call: by then another supervisor may listen there.
    const outgoing = request({ socketPath, method, path, headers, agent: false }, resolve);
    outgoing.on('error', (error: NodeJS.ErrnoException) => {
      const gone = error.code === 'ENOENT' || error.code === 'ECONNREFUSED';
      const denied = error.code === 'EACCES';
      if (gone) reject(new NotRunningError(error.code!));
      else if (denied) reject(new Error('only root may speak to the lab; use sudo'));
      else if (error.code === 'ECONNRESET') reject(new NotRunningError('it went away before it answered'));
      else reject(error);
    });
    outgoing.end(payload);
  });
  if (response.headers['content-type']?.startsWith('application/x-ndjson')) {
    return await lastLine<T>(response, onProgress);
  }
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const parsed = JSON.parse(Buffer.concat(chunks).toString()) as T | ErrorBody;
  if ((response.statusCode ?? 500) >= 400) throw errorOf(parsed as ErrorBody);
  return parsed as T;
}

/** Follows a long answer to its result. The work itself does not depend on anybody following it. */
async function lastLine<T>(response: IncomingMessage, onProgress: (text: string) => void): Promise<T> {
  try {
    for await (const line of createInterface({ input: response })) {
      const parsed = JSON.parse(line) as StreamLine;
      if ('progress' in parsed) onProgress(parsed.progress);
      else if ('error' in parsed) throw errorOf(parsed);
      else return parsed.result as T;
    }
  } catch (error) {
    // What node says of a connection that broke.
    if ((error as NodeJS.ErrnoException).code !== 'ECONNRESET') throw error;
  }
  throw new Error(
    'the supervisor went away during the work; it goes on with it when it is back: sudo ./flyover up',
  );
}

function errorOf({ error }: ErrorBody): Error {
  if (error.code === INTERNAL_ERROR) return new Error(error.message);
  const refusal = new LabError(error);
  // The server's wording stands: other rooms than the lab's word their own refusals.
  refusal.message = error.message;
  return refusal;
}
