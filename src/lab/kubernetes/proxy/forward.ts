import type { IncomingMessage } from 'node:http';
import { request as httpRequest, STATUS_CODES } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { badRequest, internalError, StatusError, unavailable } from '../server/status.ts';
import type { RequestContext } from '../server/types.ts';

/** Where a request goes on to. */
export interface Target {
  readonly tls?: {
    readonly ca?: string;
    readonly cert?: string;
    readonly key?: string;
    readonly insecure?: boolean;
  };
  readonly host: string;
  readonly port: number;
  /** With the query. */
  readonly path: string;
  /** Whose refusals come as text and become a Status; answers of others are passed on as they are. */
  readonly kubelet?: boolean;
}

const CONNECT_TIMEOUT = 30_000;
const MAX_ERROR = 10_000;
/** What ends at this server, or tells who asks. */
const OWN_HEADERS = new Set(['host', 'authorization', 'cookie', 'expect', 'transfer-encoding']);
const HOP_HEADERS = new Set(['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'upgrade']);
const BEARER = 'base64url.bearer.authorization.k8s.io.';
const agents = { https: new Agent({ keepAlive: true, maxFreeSockets: 2, timeout: 60_000 }) };

function forwardedHeaders(request: IncomingMessage, upgrade: boolean): Record<string, string[]> {
  const headers: Record<string, string[]> = {};
  for (const [name, values] of Object.entries(request.headersDistinct)) {
    if (!values || OWN_HEADERS.has(name) || name.startsWith('impersonate-')) continue;
    if (!upgrade && HOP_HEADERS.has(name)) continue;
    headers[name] = values;
  }
  const protocols = headers['sec-websocket-protocol'];
  if (protocols)
    headers['sec-websocket-protocol'] = [
      protocols
        .flatMap((each) => each.split(','))
        .map((each) => each.trim())
        .filter((each) => !each.startsWith(BEARER))
        .join(', '),
    ];
  return headers;
}

async function textOf(response: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of response.setEncoding('utf8'))
    if (text.length < MAX_ERROR) text += (chunk as string).slice(0, MAX_ERROR);
  return text.trim();
}

/** A kubelet's refusal as the API server's. */
function kubeletRefusal(status: number, text: string): StatusError {
  if (status === 400) return badRequest(text);
  if (status === 404) return new StatusError(404, 'NotFound', text, {});
  if (status === 422) return new StatusError(422, 'Invalid', text, {});
  if (status === 401 || status === 403)
    return internalError(`the kubelet does not let the API server in: ${status} ${text}`);
  return internalError(text);
}

/** Joins two connections until one of them ends. */
async function join(a: Duplex, b: Duplex): Promise<void> {
  const one = async (from: Duplex, to: Duplex): Promise<void> => {
    await pipeline(from, to).catch(() => {});
    from.destroy();
    to.destroy();
  };
  await Promise.all([one(a, b), one(b, a)]);
}

function switchOver(
  context: RequestContext,
  response: IncomingMessage,
  upstream: Duplex,
  upstreamHead: Buffer,
): Promise<void> {
  const { socket, head } = context.upgrade!;
  context.response.detachSocket(socket as never);
  socket.setMaxListeners(0);
  const lines = [`HTTP/1.1 101 ${STATUS_CODES[101]}`];
  const { rawHeaders } = response;
  for (let n = 0; n < rawHeaders.length; n += 2) lines.push(`${rawHeaders[n]}: ${rawHeaders[n + 1]}`);
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  if (upstreamHead.length > 0) socket.write(upstreamHead);
  if (head.length > 0) upstream.write(head);
  const end = (): void => {
    socket.destroy();
    upstream.destroy();
  };
  context.signal.addEventListener('abort', end, { once: true });
  return join(socket, upstream).finally(() => context.signal.removeEventListener('abort', end));
}

async function answer(context: RequestContext, target: Target, upstream: IncomingMessage): Promise<void> {
  const { response } = context;
  const status = upstream.statusCode ?? 502;
  if (target.kubelet && (status < 200 || status > 206)) throw kubeletRefusal(status, await textOf(upstream));
  response.statusCode = status;
  for (const [name, values] of Object.entries(upstream.headersDistinct))
    if (values && !HOP_HEADERS.has(name) && name !== 'transfer-encoding') response.setHeader(name, values);
  // Somebody who follows a log is to know that he is connected.
  response.flushHeaders();
  await pipeline(upstream, response).catch(() => response.destroy());
}

/**
 * Sends a request on and its answer back, bodies and upgraded connections as they come; resolves when all of it is over.
 *
 * @throws StatusError when the target cannot be reached, or when a kubelet refuses
 */
export function forward(context: RequestContext, target: Target): Promise<undefined> {
  const { request, upgrade, signal } = context;
  const scheme = target.tls ? 'https' : 'http';
  const { ca, cert, key, insecure } = target.tls ?? {};
  return new Promise((resolve, reject) => {
    const options = {
      host: target.host,
      port: target.port,
      path: target.path,
      method: request.method,
      headers: forwardedHeaders(request, upgrade !== undefined),
      signal,
    };
    const sent = target.tls
      ? httpsRequest({
          ...options,
          ...(ca !== undefined && { ca }),
          ...(cert !== undefined && { cert }),
          ...(key !== undefined && { key }),
          rejectUnauthorized: !insecure,
          agent: upgrade ? false : agents.https,
        })
      : httpRequest({ ...options, agent: false });
    const timer = setTimeout(() => sent.destroy(new Error('i/o timeout')), CONNECT_TIMEOUT);
    const done = (work: Promise<void>): void => {
      clearTimeout(timer);
      work.then(() => resolve(undefined), reject);
    };
    sent.on('response', (upstream) => done(answer(context, target, upstream)));
    sent.on('upgrade', (upstream, socket, head) => {
      if (upgrade) done(switchOver(context, upstream, socket, head));
      else socket.destroy();
    });
    sent.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      const verb = `${request.method?.[0]}${request.method?.slice(1).toLowerCase()}`;
      const host = target.host.includes(':') ? `[${target.host}]` : target.host;
      const why = error.code === 'ECONNREFUSED' ? 'connect: connection refused' : error.message;
      const text = `${verb} "${scheme}://${host}:${target.port}${target.path}": dial tcp ${host}:${target.port}: ${why}`;
      reject(
        target.kubelet
          ? new StatusError(500, 'InternalError', text, {})
          : unavailable(`error trying to reach service: ${text}`),
      );
    });
    if (upgrade) sent.end();
    else pipeline(request, sent).catch(() => {});
  });
}
