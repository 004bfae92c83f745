import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CniError } from './errors.ts';
import { decodeAnswer, encodeRequest, MAX_FRAME } from './protocol.ts';
import { emptyResult } from './result.ts';
import {
  type CniCall,
  type CniHandlers,
  type CniServer,
  type CniServerOptions,
  createCniServer,
} from './server.ts';
import type { CniCommand, CniResult } from './types.ts';

let home: string;
let socket: string;
let servers: CniServer[];
let calls: CniCall[];

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'fly-test-cni-'));
  socket = join(home, 'run', 'agent.sock');
  servers = [];
  calls = [];
});
afterEach(async () => {
  await Promise.all(servers.map((server) => server.close()));
  rmSync(home, { recursive: true });
});

const own: CniResult = {
  ...emptyResult(),
  interfaces: [{ name: 'eth0' }],
  ips: [{ address: '10.244.0.2/32', interface: 0 }],
};
function handlers(changes: Partial<CniHandlers> = {}): CniHandlers {
  const note = (call: CniCall) => {
    calls.push(call);
  };
  const add = (call: CniCall) => {
    note(call);
    return own;
  };
  return { add, del: note, check: note, gc: note, status: note, ...changes };
}
async function serve(changes: Partial<CniHandlers> = {}, options: CniServerOptions = {}): Promise<CniServer> {
  const server = await createCniServer(socket, handlers(changes), options);
  servers.push(server);
  return server;
}

function request(command: CniCommand, changes: Record<string, unknown> = {}, containerId = 'abc'): string {
  const attached = command !== 'GC' && command !== 'STATUS';
  return encodeRequest(
    {
      command,
      containerId: attached ? containerId : '',
      netns: attached ? '/run/netns/abc' : '',
      ifName: attached ? 'eth0' : '',
      args: 'K8S_POD_NAME=web-0',
      path: '',
    },
    JSON.stringify({ cniVersion: '1.1.0', name: 'flyover', type: 'flyover', ...changes }),
  );
}
/** Sends text and reads until the server hangs up. */
function exchange(text: string, opened: (connection: Socket) => void = () => {}): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = '';
    const connection = connect(socket, () => opened(connection));
    connection.on('data', (chunk) => {
      received += String(chunk);
    });
    connection.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ECONNRESET' ? resolve(received) : reject(error),
    );
    connection.on('close', () => resolve(received));
    connection.write(text);
  });
}
async function ask(command: CniCommand, changes: Record<string, unknown> = {}, containerId = 'abc') {
  const answer = decodeAnswer(await exchange(request(command, changes, containerId)));
  if (!answer) throw new Error('no answer');
  return { exit: answer.exit, value: answer.stdout === '' ? undefined : JSON.parse(answer.stdout) };
}

describe('socket', () => {
  test('is for its owner only, from the first moment, and leaves no trace', async () => {
    const server = await serve();
    expect(statSync(socket).mode & 0o777).toBe(0o600);
    await server.close();
    expect(existsSync(socket)).toBe(false);
  });

  test('of a live agent is not taken', async () => {
    await serve();
    await expect(createCniServer(socket, handlers())).rejects.toThrow(/another agent listens/);
    expect((await ask('STATUS')).exit).toBe(0);
  });

  test('of a live agent that is too busy to answer is not taken', async () => {
    // A listener whose process never accepts: its queue takes the connection.
    const busy = createServer({ pauseOnConnect: true });
    mkdirSync(join(home, 'run'));
    await new Promise<void>((resolve) => busy.listen(socket, resolve));
    await expect(createCniServer(socket, handlers())).rejects.toThrow(/another agent listens/);
    busy.close();
  });

  test('of a dead agent is replaced', async () => {
    mkdirSync(join(home, 'run'));
    const dead = `require('net').createServer().listen(${JSON.stringify(socket)}, () => process.kill(process.pid, 'SIGKILL'))`;
    spawnSync(process.execPath, ['-e', dead]);
    expect(statSync(socket).isSocket()).toBe(true);
    await serve();
    expect((await ask('STATUS')).exit).toBe(0);
  });

  test('is not made where a file is', async () => {
    const file = join(home, 'file');
    writeFileSync(file, 'precious');
    await expect(createCniServer(file, handlers())).rejects.toThrow(/is not a socket/);
    expect(existsSync(file)).toBe(true);
  });
});

describe('calls', () => {
  test('ADD answers in the version of the caller', async () => {
    await serve();
    expect(await ask('ADD', { cniVersion: '0.3.1' })).toEqual({
      exit: 0,
      value: {
        cniVersion: '0.3.1',
        interfaces: [{ name: 'eth0' }],
        ips: [{ version: '4', address: '10.244.0.2/32', interface: 0 }],
        dns: {},
      },
    });
    expect(calls[0]).toMatchObject({
      command: 'ADD',
      containerId: 'abc',
      netns: '/run/netns/abc',
      ifName: 'eth0',
      args: { K8S_POD_NAME: 'web-0' },
      cniVersion: '0.3.1',
      replayed: false,
    });
  });

  test('ADD after another plugin keeps what that one answered', async () => {
    await serve();
    const prevResult = { interfaces: [{ name: 'x' }], ips: [{ address: '10.0.0.1/24', interface: 0 }] };
    const { value } = await ask('ADD', { prevResult });
    expect(value.interfaces.map((one: { name: string }) => one.name)).toEqual(['x', 'eth0']);
    expect(value.ips).toEqual([
      { address: '10.0.0.1/24', interface: 0 },
      { address: '10.244.0.2/32', interface: 1 },
    ]);
    expect(calls[0]?.prevResult?.ips).toEqual(prevResult.ips);
  });

  test('DEL, CHECK, GC and STATUS answer nothing', async () => {
    await serve();
    expect(await ask('DEL')).toEqual({ exit: 0, value: undefined });
    expect(await ask('CHECK', { prevResult: { ips: [] } })).toEqual({ exit: 0, value: undefined });
    const valid = [{ containerID: 'a', ifname: 'eth0' }];
    expect(await ask('GC', { 'cni.dev/valid-attachments': valid })).toEqual({ exit: 0, value: undefined });
    expect(await ask('STATUS')).toEqual({ exit: 0, value: undefined });
    expect(calls.map((call) => call.command)).toEqual(['DEL', 'CHECK', 'GC', 'STATUS']);
    expect(calls[2]?.validAttachments).toEqual([{ containerId: 'a', ifName: 'eth0' }]);
  });

  test('a broken previous result stops an ADD but no DEL', async () => {
    await serve();
    const prevResult = { ips: 'nonsense' };
    expect(await ask('ADD', { prevResult })).toMatchObject({ exit: 1, value: { code: 7 } });
    expect(await ask('DEL', { prevResult })).toMatchObject({ exit: 0 });
    expect(calls.map((call) => call.command)).toEqual(['DEL']);
  });

  test('a CniError arrives as it is, in the version of the caller', async () => {
    await serve({
      add: () => {
        throw new CniError(11, 'no address left', 'block 10.244.0.0/24 is full');
      },
    });
    expect(await ask('ADD', { cniVersion: '0.4.0' })).toEqual({
      exit: 1,
      value: {
        cniVersion: '0.4.0',
        code: 11,
        msg: 'no address left',
        details: 'block 10.244.0.0/24 is full',
      },
    });
  });

  test('any other error arrives as code 100 and is reported', async () => {
    const reported: unknown[] = [];
    const fault = new TypeError('x is not a function');
    await serve({ del: () => Promise.reject(fault) }, { onError: (error) => reported.push(error) });
    expect(await ask('DEL')).toMatchObject({
      exit: 1,
      value: { code: 100, details: expect.stringContaining('TypeError: x is not a function') },
    });
    expect(reported).toEqual([fault]);
  });

  test('what is not a call is refused', async () => {
    await serve();
    expect(JSON.parse(decodeAnswer(await exchange('nonsense\n'))?.stdout ?? '')).toMatchObject({ code: 6 });
    expect(JSON.parse(decodeAnswer(await exchange('{"version":9}\n'))?.stdout ?? '')).toMatchObject({
      code: 100,
    });
    expect(calls).toEqual([]);
  });

  test('a frame may come in pieces, and only its first line counts', async () => {
    await serve();
    const frame = request('STATUS');
    const answer = await exchange(frame.slice(0, 40), (connection) => {
      setImmediate(() => connection.write(`${frame.slice(40)}${request('DEL')}`));
    });
    expect(decodeAnswer(answer)).toEqual({ exit: 0, stdout: '' });
    expect(calls.map((call) => call.command)).toEqual(['STATUS']);
  });

  test('a frame without end is refused at the limit', async () => {
    await serve();
    const answer = await exchange('x'.repeat(MAX_FRAME + 1));
    expect(JSON.parse(decodeAnswer(answer)?.stdout ?? '')).toMatchObject({
      code: 6,
      msg: 'the request is too long',
    });
  });

  test('who says nothing is sent away', async () => {
    await serve({}, { requestTimeoutMs: 20 });
    expect(await exchange('{')).toBe('');
  });

  test('closing does not wait for who says nothing, but for a call that runs', async () => {
    const entered = Promise.withResolvers<void>();
    const held = Promise.withResolvers<void>();
    const server = await serve({
      del: () => {
        entered.resolve();
        return held.promise;
      },
    });
    const silent = exchange('');
    const running = ask('DEL');
    await entered.promise;
    const closed = server.close();
    servers.length = 0;
    expect(await silent).toBe('');
    held.resolve();
    expect(await running).toEqual({ exit: 0, value: undefined });
    await closed;
  });
});

describe('order', () => {
  test('calls for one attachment run one after another, others at the same time', async () => {
    const log: string[] = [];
    const entered = { a: Promise.withResolvers<void>(), b: Promise.withResolvers<void>() };
    const held = Promise.withResolvers<void>();
    await serve({
      async add({ containerId }) {
        log.push(`ADD ${containerId}`);
        entered[containerId as 'a' | 'b'].resolve();
        if (containerId === 'a') await held.promise;
        log.push(`ADD ${containerId} done`);
        return own;
      },
      del: ({ containerId }) => {
        log.push(`DEL ${containerId}`);
      },
    });
    const addA = ask('ADD', {}, 'a');
    await entered.a.promise;
    const delA = ask('DEL', {}, 'a');
    await ask('ADD', {}, 'b'); // on the same listener, after the DEL
    held.resolve();
    await Promise.all([addA, delA]);
    expect(log).toEqual(['ADD a', 'ADD b', 'ADD b done', 'ADD a done', 'DEL a']);
  });

  test('a call that fails does not hold up the next', async () => {
    await serve({ add: () => Promise.reject(new Error('no')) });
    const [failed, done] = await Promise.all([ask('ADD'), ask('DEL')]);
    expect([failed.exit, done.exit]).toEqual([1, 0]);
  });

  test('an ADD whose caller gave up while it waited is not begun', async () => {
    const entered = Promise.withResolvers<void>();
    const held = Promise.withResolvers<void>();
    await serve({
      del: () => {
        entered.resolve();
        return held.promise;
      },
    });
    const first = ask('DEL');
    await entered.promise;
    await new Promise<void>((resolve) => {
      const connection = connect(socket, () => connection.write(request('ADD'), () => connection.destroy()));
      connection.on('close', () => resolve());
    });
    await ask('STATUS'); // on the same listener, after the hang-up
    held.resolve();
    await first;
    await ask('CHECK', { prevResult: {} }); // in turn behind the ADD
    expect(calls.map((call) => call.command)).toEqual(['STATUS', 'CHECK']);
  });
});

test('the mode does not depend on the umask, which stays as it was', async () => {
  const before = process.umask(0);
  try {
    await serve();
  } finally {
    expect(process.umask(before)).toBe(0);
  }
  expect(statSync(socket).mode & 0o777).toBe(0o600);
});
