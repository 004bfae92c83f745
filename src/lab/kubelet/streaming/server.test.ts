import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { ensurePki, issueClient, issueServer } from '../../kubernetes/auth/pki.ts';
import type { CriClient } from '../cri.ts';
import { StreamingError } from './error.ts';
import type { PodLookup } from './lookup.ts';
import { KubeletServer } from './server.ts';
import type { SpdyStream } from './spdy/connection.ts';
import { startTestRuntime, type TestRuntime } from './testing-runtime.ts';

const folder = mkdtempSync(join(tmpdir(), 'fly-kubelet-'));
const log = join(folder, '0.log');
let master: { cert: string; key: string; ca: string };
let port: number;
let server: KubeletServer;
let runtime: TestRuntime;
let program: (streams: Map<string, SpdyStream>) => void = () => {};
let streams = 3;
const asked: object[] = [];

const lookup: PodLookup = {
  sandbox: async () => 'sandbox',
  async container(_, __, name) {
    if (name !== 'main') throw new StreamingError(404, `container not found ("${name}")`);
    return { id: 'id', tty: false, stdin: true };
  },
  log: async () => ({ path: log, running: async () => false }),
  pods: () => [],
};
const cri = {
  async exec(what: object) {
    asked.push(what);
    return (what as { cmd: string[] }).cmd[0] === 'refused'
      ? `${runtime.url}/refused`
      : `${runtime.url}/exec/x`;
  },
  attach: async () => `${runtime.url}/attach/x`,
  portForward: async () => `${runtime.url}/portforward/x`,
} as unknown as CriClient;

beforeAll(async () => {
  const pki = join(folder, 'pki');
  await ensurePki(pki, { cluster: 'test', names: [], addresses: [] });
  master = await issueClient(pki, { user: 'x', groups: ['system:masters'] });
  const { cert, key, ca } = await issueServer(pki, { names: ['localhost'], addresses: ['127.0.0.1'] });
  server = new KubeletServer({ address: '127.0.0.1', port: 0, cert, key, ca, cri, lookup });
  port = (await server.listen()).port;
});
afterAll(async () => {
  runtime?.close();
  await server.close();
  rmSync(folder, { recursive: true });
});

async function runs(expected: number, what: typeof program): Promise<void> {
  runtime?.close();
  streams = expected;
  program = what;
  runtime = await startTestRuntime(streams, (all) => program(all));
}

interface Got {
  status: number;
  body: string;
}
function get(path: string, client: object = master, headers: object = {}): Promise<Got> {
  return new Promise((resolve, reject) => {
    const { ca } = master;
    const sent = request({
      host: '127.0.0.1',
      port,
      path,
      ca,
      agent: false,
      ...client,
      headers: { ...headers },
    });
    sent.on('response', async (response) =>
      resolve({ status: response.statusCode ?? 0, body: await text(response) }),
    );
    sent.on('error', reject).end();
  });
}

/** What a client sees: per channel the text, and the close code. */
interface Seen {
  code: number;
  channels: string[];
}
function connect(path: string, protocol: string, onOpen: (ws: WebSocket) => void): Promise<Seen> {
  const ws = new WebSocket(`wss://127.0.0.1:${port}${path}`, protocol, master);
  const channels = ['', '', '', '', ''];
  ws.on('open', () => onOpen(ws));
  ws.on('message', (data: Buffer) => {
    channels[data[0]!] += data.subarray(1).toString();
  });
  return new Promise((resolve, reject) => {
    ws.on('error', reject);
    ws.on('close', (code) => resolve({ code, channels }));
  });
}
const message = (channel: number, data: string | number[]): Buffer =>
  Buffer.concat([Buffer.from([channel]), Buffer.from(data as string)]);

const EXEC = '/exec/default/web/main?command=cat&input=1&output=1&error=1';
const SUCCESS = '{"metadata":{},"status":"Success"}';

describe('exec over WebSocket', () => {
  /** Says on each output what it read, then succeeds. */
  const cat = async (all: Map<string, SpdyStream>): Promise<void> => {
    const read = await text(all.get('stdin')!);
    all.get('stdout')!.end(`out ${read}`);
    all.get('stderr')!.end('err');
    all.get('error')!.end(SUCCESS);
  };

  test('v5 ends stdin alone, and everything comes before the close', async () => {
    await runs(4, cat);
    const seen = await connect(EXEC, 'v5.channel.k8s.io', (ws) => {
      // In one go with the handshake's answer, as kubectl does.
      ws.send(message(0, 'to '));
      ws.send(message(0, 'and fro'));
      ws.send(message(255, [0]));
    });
    expect(seen).toEqual({ code: 1000, channels: ['', 'out to and fro', 'err', SUCCESS, ''] });
    expect(runtime.offered).toEqual([['v4.channel.k8s.io']]);
    expect(asked.at(-1)).toEqual({
      containerId: 'id',
      cmd: ['cat'],
      stdin: true,
      stdout: true,
      stderr: true,
      tty: false,
    });
  });

  test('v4 knows no half-close: the channel of v5 is nothing to it', async () => {
    await runs(4, async (all) => {
      all.get('stdin')!.once('data', (data) => {
        all.get('stdout')!.end(String(data));
        all.get('stderr')!.end();
        all.get('error')!.end(SUCCESS);
      });
    });
    const seen = await connect(EXEC, 'v4.channel.k8s.io', (ws) => {
      ws.send(message(255, [0]));
      ws.send(message(0, 'still open'));
    });
    expect(seen.channels[1]).toBe('still open');
  });

  test('a terminal has one output and is told of its size', async () => {
    await runs(4, (all) => {
      expect([...all.keys()].sort()).toEqual(['error', 'resize', 'stdin', 'stdout']);
      all.get('resize')!.once('data', (size) => {
        all.get('stdout')!.end(size);
        all.get('error')!.end(SUCCESS);
      });
    });
    const seen = await connect(`${EXEC}&tty=1`, 'v5.channel.k8s.io', (ws) =>
      ws.send(message(4, '{"Width":80,"Height":24}')),
    );
    expect(seen.channels).toEqual(['', '{"Width":80,"Height":24}', '', SUCCESS, '']);
  });

  test('a runtime that goes away is told as a failure', async () => {
    await runs(4, (all) => {
      all.get('stdout')!.write('half');
      setImmediate(() => runtime.close());
    });
    const seen = await connect(EXEC, 'v5.channel.k8s.io', () => {});
    expect(seen.code).toBe(1000);
    expect(JSON.parse(seen.channels[3]!)).toMatchObject({ status: 'Failure', reason: 'InternalError' });
  });

  test('a client that goes away closes the connection to the runtime', async () => {
    let ended: Promise<unknown> = new Promise(() => {});
    await runs(4, (all) => {
      ended = new Promise((resolve) =>
        all.get('stdin')!.on('error', resolve).once('close', resolve).resume(),
      );
      all.get('stdout')!.write('hello');
    });
    const seen = connect(EXEC, 'v5.channel.k8s.io', (ws) => ws.on('message', () => ws.terminate()));
    await seen;
    await ended;
  });
});

test('a port-forward is a SPDY connection in messages, under a name that is no token', async () => {
  await runs(99, () => {});
  const ws = new WebSocket(`wss://127.0.0.1:${port}/portForward/default/web`, {
    ...master,
    headers: { 'sec-websocket-protocol': 'SPDY/3.1+portforward.k8s.io' },
  });
  // The library holds the answer to what it was told itself, which was nothing.
  const answer = await new Promise<string>((resolve) => ws.on('error', (error) => resolve(error.message)));
  expect(answer).toContain('subprotocol');
  expect(runtime.offered).toEqual([['portforward.k8s.io']]);
});

describe('refusals', () => {
  test('of strangers and of users without the right', async () => {
    const stranger = join(folder, 'stranger');
    await ensurePki(stranger, { cluster: 'else', names: [], addresses: [] });
    const other = await issueClient(stranger, { user: 'x', groups: ['system:masters'] });
    const user = await issueClient(join(folder, 'pki'), { user: 'jane', groups: ['dev'] });
    expect(await get('/pods', {})).toEqual({ status: 401, body: 'Unauthorized\n' });
    expect((await get('/pods', { cert: other.cert, key: other.key })).status).toBe(401);
    expect((await get('/pods', user)).body).toBe(
      'Forbidden (user=jane, verb=get, resource=nodes, subresource=proxy)\n',
    );
    expect((await get('/healthz')).body).toBe('ok');
    await expect(
      new Promise((_, reject) =>
        new WebSocket(`wss://127.0.0.1:${port}${EXEC}`, 'v5.channel.k8s.io', user).on('error', reject),
      ),
    ).rejects.toThrow('403');
  });

  test.each([
    ['/exec/default/web/main?command=a&output=1', 400, 'Upgrade request required'],
    ['/nowhere', 404, '404 page not found'],
    ['/containerLogs/default/web', 400, 'the path is'],
    ['/containerLogs/default/web/main?tailLines=-1', 422, 'tailLines: Invalid value: "-1"'],
    ['/containerLogs/default/web/main?sinceTime=then', 422, 'sinceTime: Invalid value: "then"'],
    ['/containerLogs/%zz/web/main', 400, 'not properly encoded'],
  ])('%s', async (path, status, words) => {
    const got = await get(path);
    expect([got.status, got.body]).toEqual([status, expect.stringContaining(words)]);
  });

  test.each([
    ['/exec/default/web/other?command=a&output=1', 404, 'container not found ("other")'],
    ['/exec/default/web/main?output=1', 400, 'at least one command'],
    ['/exec/default/web/main?command=a', 400, 'at least 1 of stdin, stdout, stderr'],
    ['/exec/default/web/main?command=refused&output=1', 500, '403 no'],
    ['/exec/default/web', 404, '404 page not found'],
  ])('of an upgrade %s', async (path, status, words) => {
    await runs(1, () => {});
    const headers = { connection: 'Upgrade', upgrade: 'SPDY/3.1' };
    const got = await get(path, master, headers);
    expect([got.status, got.body]).toEqual([status, expect.stringContaining(words)]);
  });
});

test('logs are sent as they are asked for', async () => {
  writeFileSync(log, '2026-11-22T18:00:00.1Z stdout F one\n2026-11-22T18:00:01.1Z stderr F two\n');
  expect((await get('/containerLogs/default/web/main')).body).toBe('one\ntwo\n');
  expect((await get('/containerLogs/default/web/main?tailLines=1')).body).toBe('two\n');
  expect((await get('/containerLogs/default/web/main?sinceTime=2026-11-22T18:00:01Z')).body).toBe('two\n');
  rmSync(log);
  expect(await get('/containerLogs/default/web/main')).toMatchObject({
    status: 400,
    body: expect.stringContaining('ENOENT'),
  });
});
