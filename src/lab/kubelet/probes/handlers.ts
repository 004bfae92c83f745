import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import type { CriClient } from '../cri.ts';
import type { Container, Probe } from '../model.ts';
import { checkGrpc } from './grpc-health.ts';

/** What a probe found. `output` says why it failed. */
export interface ProbeResult {
  readonly success: boolean;
  readonly output: string;
}

export interface ProbeTarget {
  readonly container: Container;
  readonly containerId: string;
  readonly podIp: string;
}

/** What handlers of probes and of the lifecycle have in common. */
export type Action = Pick<Probe, 'exec' | 'httpGet' | 'tcpSocket' | 'grpc'>;

const LONGEST_BODY = 10_240;
const MOST_REDIRECTS = 10;

/** A port by number, or by the name that the container gives it. @throws Error when it has none of that name */
export function portOf(container: Container, port: number | string): number {
  const number = typeof port === 'number' ? port : /^\d+$/.test(port) ? Number(port) : undefined;
  const named = number ?? container.ports?.find((each) => each.name === port)?.containerPort;
  if (named === undefined) throw new Error(`couldn't find port: ${port}`);
  if (!(named > 0 && named < 65_536)) throw new Error(`invalid port number: ${named}`);
  return named;
}

const bracketed = (host: string): string => (host.includes(':') ? `[${host}]` : host);

/** A failure of the network as Go words it: what people search for. */
function networkFault(error: NodeJS.ErrnoException, address: string): string {
  const words: Record<string, string> = {
    ECONNREFUSED: 'connect: connection refused',
    EHOSTUNREACH: 'connect: no route to host',
    ENETUNREACH: 'connect: network is unreachable',
    ECONNRESET: 'read: connection reset by peer',
    ETIMEDOUT: 'i/o timeout',
  };
  return `dial tcp ${address}: ${words[error.code ?? ''] ?? error.message}`;
}

/** Asks once. Never throws: what cannot be asked has failed. @param timeoutMs - of the whole */
export async function ask(
  cri: CriClient,
  action: Action,
  target: ProbeTarget,
  timeoutMs: number,
): Promise<ProbeResult> {
  try {
    if (action.exec) return await askExec(cri, action.exec.command ?? [], target.containerId, timeoutMs);
    if (action.httpGet) return await askHttp(action.httpGet, target, timeoutMs);
    if (action.tcpSocket) {
      const host = action.tcpSocket.host || target.podIp;
      return await askTcp(host, portOf(target.container, action.tcpSocket.port), timeoutMs);
    }
    if (action.grpc)
      return await checkGrpc(target.podIp, action.grpc.port, action.grpc.service ?? '', timeoutMs);
    return { success: true, output: '' };
  } catch (error) {
    return { success: false, output: (error as Error).message };
  }
}

async function askExec(
  cri: CriClient,
  command: readonly string[],
  containerId: string,
  timeoutMs: number,
): Promise<ProbeResult> {
  try {
    const { stdout, stderr, exitCode } = await cri.execSync(
      containerId,
      command,
      Math.ceil(timeoutMs / 1000),
    );
    return {
      success: exitCode === 0,
      output: Buffer.concat([stdout, stderr]).toString('utf8', 0, LONGEST_BODY),
    };
  } catch (error) {
    const { code, detail, message } = error as { code?: string; detail?: string; message: string };
    const late = code === 'DEADLINE_EXCEEDED' || detail?.includes('timeout');
    return {
      success: false,
      output: late
        ? `command timed out: "${command.join(' ')}" timed out after ${timeoutMs / 1000}s`
        : (detail ?? message),
    };
  }
}

type HttpGet = NonNullable<Action['httpGet']>;

function askHttp(get: HttpGet, target: ProbeTarget, timeoutMs: number): Promise<ProbeResult> {
  const scheme = (get.scheme ?? 'HTTP').toLowerCase();
  const port = portOf(target.container, get.port);
  const path = get.path?.startsWith('/') ? get.path : `/${get.path ?? ''}`;
  const url = new URL(`${scheme}://${bracketed(get.host || target.podIp)}:${port}${path}`);
  const headers: Record<string, string> = {
    'user-agent': 'kube-probe/1.33',
    accept: '*/*',
    connection: 'close',
  };
  for (const { name, value } of get.httpHeaders ?? []) {
    if (value === '' && ['accept', 'user-agent'].includes(name.toLowerCase()))
      delete headers[name.toLowerCase()];
    else headers[name.toLowerCase()] = value;
  }
  return fetchOnce(url, url.hostname, headers, performance.now() + timeoutMs, 0);
}

function fetchOnce(
  url: URL,
  host: string,
  headers: Record<string, string>,
  deadline: number,
  redirects: number,
): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const fail = (why: string): void => resolve({ success: false, output: `Get "${url.href}": ${why}` });
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
    const left = Math.max(1, deadline - performance.now());
    const request = send(url, { headers, agent: false, rejectUnauthorized: false }, (response) => {
      const { statusCode = 0 } = response;
      const location = response.headers.location;
      if (statusCode >= 300 && statusCode < 400 && location && URL.canParse(location, url.href)) {
        const next = new URL(location, url);
        response.destroy();
        clearTimeout(timer);
        // Elsewhere is none of the probe's business, and the answer as such was a good one.
        if (next.hostname !== host) return resolve({ success: true, output: 'Probe terminated redirects' });
        if (redirects >= MOST_REDIRECTS) return fail(`stopped after ${MOST_REDIRECTS} redirects`);
        return resolve(fetchOnce(next, host, headers, deadline, redirects + 1));
      }
      let body = '';
      const end = (): void => {
        clearTimeout(timer);
        const success = statusCode >= 200 && statusCode < 400;
        resolve({ success, output: success ? body : `HTTP probe failed with statuscode: ${statusCode}` });
      };
      response.setEncoding('utf8').on('data', (chunk: string) => {
        body += chunk;
        if (body.length > LONGEST_BODY) {
          end();
          response.destroy();
        }
      });
      response.on('end', end);
      response.on('error', (error) => fail(error.message));
    });
    const timer = setTimeout(() => {
      fail('context deadline exceeded (Client.Timeout exceeded while awaiting headers)');
      request.destroy();
    }, left);
    request.on('error', (error) => {
      clearTimeout(timer);
      fail(networkFault(error, `${url.hostname}:${url.port}`));
    });
    request.end();
  });
}

function askTcp(host: string, port: number, timeoutMs: number): Promise<ProbeResult> {
  const address = `${bracketed(host)}:${port}`;
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (success: boolean, output: string): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ success, output });
    };
    const timer = setTimeout(() => end(false, `dial tcp ${address}: i/o timeout`), timeoutMs);
    socket.on('connect', () => end(true, ''));
    socket.on('error', (error) => end(false, networkFault(error, address)));
  });
}
