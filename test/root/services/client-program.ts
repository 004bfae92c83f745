// Runs in a network of the lab and does what the lines on its stdin say; each gets one line back. See client.ts.
import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { get } from 'node:http';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { Answer, Request, Sample, Target } from './client.ts';

const held = new Map<string, Socket>();
const datagrams = new Map<string, DatagramSocket>();
const streams = new Map<string, { samples: Sample[]; timer: NodeJS.Timeout }>();

/** What the first line of an echo server says: its pod, and whom it takes the client for. */
function parse(line: string): Pick<Answer, 'pod' | 'source'> {
  const [pod = '', source = ''] = line.trim().split(' ');
  return { pod, source };
}

const failed = (error: NodeJS.ErrnoException): Answer => ({
  kind: 'refused',
  code: error.code ?? error.message,
});

/** Waits for one line. */
function line(socket: Socket, timeoutMs: number): Promise<string | Answer> {
  return new Promise((resolve) => {
    let text = '';
    const end = (result: string | Answer): void => {
      clearTimeout(timer);
      socket.off('data', take).off('error', fail).off('close', closed);
      resolve(result);
    };
    const take = (chunk: Buffer): void => {
      text += chunk.toString();
      if (text.includes('\n')) end(text.slice(0, text.indexOf('\n')));
    };
    const fail = (error: NodeJS.ErrnoException): void => end(failed(error));
    const closed = (): void => end({ kind: 'closed' });
    const timer = setTimeout(() => end({ kind: 'silence' }), timeoutMs);
    socket.on('data', take).on('error', fail).on('close', closed);
  });
}

async function open({ address, port, timeoutMs }: Target): Promise<[Socket, Answer]> {
  const socket = connect({ host: address, port, noDelay: true });
  socket.on('error', () => {});
  const said = await line(socket, timeoutMs);
  return [socket, typeof said === 'string' ? { kind: 'answer', ...parse(said) } : said];
}

async function tcp(target: Target): Promise<Answer> {
  const [socket, answer] = await open(target);
  socket.destroy();
  return answer;
}

async function udp({ address, port, timeoutMs }: Target, name = ''): Promise<Answer> {
  const kept = datagrams.get(name);
  const socket = kept ?? createSocket('udp4');
  if (!kept) await new Promise<void>((resolve) => socket.connect(port, address, resolve));
  if (name && !kept) datagrams.set(name, socket);
  const answer = await new Promise<Answer>((resolve) => {
    const timer = setTimeout(() => resolve({ kind: 'silence' }), timeoutMs);
    socket.removeAllListeners('message').removeAllListeners('error');
    socket.on('message', (data) => {
      clearTimeout(timer);
      resolve({ kind: 'answer', ...parse(data.toString()) });
    });
    socket.on('error', (error) => {
      clearTimeout(timer);
      resolve(failed(error));
    });
    socket.send('x\n');
  });
  if (!name) socket.close();
  return answer;
}

async function ping(name: string, timeoutMs: number): Promise<Answer> {
  const socket = held.get(name);
  if (!socket || socket.destroyed) return { kind: 'closed' };
  const word = `ping-${process.hrtime.bigint()}`;
  const said = line(socket, timeoutMs);
  socket.write(`${word}\n`);
  const answer = await said;
  if (typeof answer !== 'string') return answer;
  return answer === word ? { kind: 'answer' } : { kind: 'wrong', code: answer };
}

/** One new connection after the other, until told to end. */
function stream(name: string, target: Target, everyMs: number): void {
  const samples: Sample[] = [];
  const timer = setInterval(() => {
    const at = Date.now();
    void tcp(target).then((answer) => samples.push({ at, ...answer }));
  }, everyMs);
  streams.set(name, { samples, timer });
}

function endStream(name: string): Sample[] {
  const found = streams.get(name);
  clearInterval(found?.timer);
  streams.delete(name);
  return found?.samples ?? [];
}

function http({ address, port, timeoutMs }: Target): Promise<Answer> {
  return new Promise((resolve) => {
    const request = get(
      { host: address, port, path: '/healthz', timeout: timeoutMs, agent: false },
      (response) => {
        let body = '';
        response.on('data', (chunk) => {
          body += chunk;
        });
        response.on('end', () => resolve({ kind: 'answer', code: String(response.statusCode), body }));
      },
    );
    request.on('timeout', () => request.destroy());
    request.on('error', (error) => resolve(failed(error)));
  });
}

async function resolveName({ address, timeoutMs }: Target, name: string): Promise<Answer> {
  const resolver = new Resolver({ timeout: timeoutMs, tries: 1 });
  resolver.setServers([address]);
  try {
    const found = await resolver.resolve4(name);
    return { kind: 'answer', body: found.sort().join(' ') };
  } catch (error) {
    return failed(error as NodeJS.ErrnoException);
  }
}

async function answer(request: Request): Promise<Answer> {
  const { name = '' } = request;
  switch (request.op) {
    case 'tcp':
      return await tcp(request);
    case 'udp':
      return await udp(request, name);
    case 'http':
      return await http(request);
    case 'resolve':
      return await resolveName(request, name);
    case 'hold': {
      const [socket, first] = await open(request);
      held.set(name, socket);
      return first;
    }
    case 'ping':
      return await ping(name, request.timeoutMs);
    case 'stream':
      stream(name, request, request.everyMs ?? 10);
      return { kind: 'answer' };
    case 'end':
      return { kind: 'answer', samples: endStream(name) };
  }
}

for await (const text of createInterface(process.stdin)) {
  const request = JSON.parse(text) as Request;
  void answer(request).then((result) =>
    process.stdout.write(`${JSON.stringify({ id: request.id, ...result })}\n`),
  );
}
process.exit(0);
