import type { Agent, IncomingMessage } from 'node:http';
import type { AgentOptions } from 'node:https';
import { errorOf, KubeConnectionError } from './error.ts';
import type { KubeConfig } from './kube-config.ts';

export interface Call {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly body?: string | Buffer | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Until the answer's head, and between two pieces of its body. */
  readonly timeoutMs: number;
}

/** A server that is there takes a connection within this, in milliseconds; the kernel by itself tries for two minutes. */
const CONNECT_MS = 10_000;
/** Connections at a time for ordinary calls; watches have their own, for each holds one for minutes. */
const MOST_SOCKETS = 32;
/** A refusal's body; the rest of a longer one is nobody's Status. */
const LARGEST_REFUSAL = 1 << 20;

/** HTTP to one API server: connections that stay open, TLS, and who we are. */
export class Transport {
  readonly #config: KubeConfig;
  readonly #url: URL;
  readonly #userAgent: string;
  readonly #agents: { readonly calls: Agent; readonly watches: Agent };
  /** Loaded here and not by an import, which a bundle does at its start: 7 MB for those who never call an API server. */
  readonly #http = process.getBuiltinModule('node:http');
  readonly #https = process.getBuiltinModule('node:https');

  constructor(config: KubeConfig, userAgent: string) {
    this.#config = config;
    this.#url = new URL(config.server);
    this.#userAgent = userAgent;
    const make = (maxSockets: number): Agent => {
      const common = { keepAlive: true, keepAliveMsecs: 30_000, maxSockets, scheduling: 'lifo' as const };
      return this.#secure
        ? new this.#https.Agent({ ...common, ...tlsOf(config) })
        : new this.#http.Agent(common);
    };
    this.#agents = { calls: make(MOST_SOCKETS), watches: make(Number.POSITIVE_INFINITY) };
  }

  get #secure(): boolean {
    return this.#url.protocol === 'https:';
  }

  close(): void {
    this.#agents.calls.destroy();
    this.#agents.watches.destroy();
  }

  /**
   * Asks, and resolves with a good answer's head; its body is the caller's to read.
   * @throws KubeError for a status of 400 and more; KubeConnectionError when there is no answer
   */
  async open(call: Call, kind: 'calls' | 'watches'): Promise<IncomingMessage> {
    const response = await this.#send(call, kind);
    const status = response.statusCode ?? 0;
    if (status < 300) return response;
    const body = await readBody(response, LARGEST_REFUSAL, call, true);
    throw errorOf(`${call.method} ${call.path}`, status, body, response.headers['retry-after']);
  }

  /** The answer's body as text. @throws as {@link open}, and KubeConnectionError beyond `largest` bytes */
  async text(call: Call, largest: number): Promise<string> {
    return readBody(await this.open(call, 'calls'), largest, call, false);
  }

  #send(call: Call, kind: 'calls' | 'watches'): Promise<IncomingMessage> {
    const token = this.#config.token?.();
    const headers: Record<string, string | number> = {
      accept: 'application/json',
      'user-agent': this.#userAgent,
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...call.headers,
    };
    if (call.body !== undefined) headers['content-length'] = Buffer.byteLength(call.body);
    const base = this.#url.pathname === '/' ? '' : this.#url.pathname;
    const options = {
      method: call.method,
      host: this.#url.hostname.replace(/^\[|\]$/g, ''),
      port: this.#url.port || (this.#secure ? 443 : 80),
      path: `${base}${call.path}`,
      headers,
      agent: this.#agents[kind],
      ...(call.signal ? { signal: call.signal } : {}),
    };
    return new Promise((resolve, reject) => {
      const sent = this.#secure ? this.#https.request(options) : this.#http.request(options);
      const giveUp = (what: string, ms: number): void =>
        void sent.destroy(Object.assign(new Error(`${what} in ${ms / 1000} s`), { code: 'ETIMEDOUT' }));
      const silent = (): void => giveUp('no answer', call.timeoutMs);
      // A request's own timeout begins when it has its connection.
      const connectMs = Math.min(CONNECT_MS, call.timeoutMs);
      let connecting: NodeJS.Timeout | undefined;
      const answering = setTimeout(silent, call.timeoutMs);
      sent.on('socket', (socket) => {
        if (sent.reusedSocket) return;
        connecting = setTimeout(() => giveUp('no connection', connectMs), connectMs);
        socket.once(this.#secure ? 'secureConnect' : 'connect', () => clearTimeout(connecting));
      });
      sent.setTimeout(call.timeoutMs, silent);
      sent.on('close', () => {
        clearTimeout(connecting);
        clearTimeout(answering);
      });
      sent.on('response', (response) => {
        clearTimeout(answering);
        resolve(response);
      });
      sent.on('error', (error) => reject(this.#unreachable(call, error, sent.reusedSocket)));
      sent.end(call.body);
    });
  }

  #unreachable(call: Call, error: Error, reused: boolean): Error {
    if (call.signal?.aborted) return abortError(call.signal);
    const failed = new KubeConnectionError(
      `${call.method} ${call.path} at ${this.#url.host}: ${error.message}`,
      error,
    );
    // The server closed an idle connection while we wrote on it; nothing is wrong with it.
    if (reused && failed.code === 'ECONNRESET') stale.add(failed);
    return failed;
  }
}

const stale = new WeakSet<Error>();

/** Whether the call failed on a connection that had gone stale: once more on a new one is right, for a reading call. */
export function wasStale(error: unknown): boolean {
  return error instanceof Error && stale.has(error);
}

function abortError(signal: AbortSignal): Error {
  const { reason } = signal;
  return reason instanceof Error ? reason : new DOMException('the call was given up', 'AbortError');
}

function tlsOf(config: KubeConfig): AgentOptions {
  return {
    ...(config.ca === undefined ? {} : { ca: config.ca }),
    ...(config.certificate === undefined ? {} : { cert: config.certificate, key: config.key }),
    ...(config.tlsServerName === undefined ? {} : { servername: config.tlsServerName }),
    ...(config.insecureSkipTlsVerify ? { rejectUnauthorized: false } : {}),
    minVersion: 'TLSv1.2',
  };
}

/** @param cut a longer body is cut, not refused */
async function readBody(
  response: IncomingMessage,
  largest: number,
  call: Call,
  cut: boolean,
): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > largest) {
        if (cut) break;
        throw new KubeConnectionError(
          `${call.method} ${call.path}: the answer has more than ${largest >> 20} MiB; ask for pages (limit)`,
        );
      }
      chunks.push(chunk);
    }
  } catch (error) {
    if (call.signal?.aborted) throw abortError(call.signal);
    if (error instanceof KubeConnectionError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new KubeConnectionError(`${call.method} ${call.path}: the answer broke off: ${why}`, error);
  }
  return Buffer.concat(chunks).toString('utf8');
}
