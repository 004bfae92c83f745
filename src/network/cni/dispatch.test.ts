import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type CniCall, type CniHandlers, createDispatcher, type Dispatcher } from './dispatch.ts';
import { encodeRequest } from './protocol.ts';
import { emptyResult } from './result.ts';
import { spoolName } from './spool-name.ts';
import type { CniCommand } from './types.ts';

// DELs that were left behind. Everything else of the dispatcher is tested through the server.

let spool: string;
let calls: CniCall[];
let reported: string[];
let dispatchers: Dispatcher[];

beforeEach(() => {
  spool = mkdtempSync(join(tmpdir(), 'fly-test-dispatch-'));
  calls = [];
  reported = [];
  dispatchers = [];
});
afterEach(() => {
  for (const dispatcher of dispatchers) dispatcher.stop();
  rmSync(spool, { recursive: true });
});

function make(changes: Partial<CniHandlers> = {}): Dispatcher {
  const note = (call: CniCall) => void calls.push(call);
  const add = (call: CniCall) => {
    note(call);
    return emptyResult();
  };
  const dispatcher = createDispatcher(
    { add, del: note, check: note, gc: note, status: note, ...changes },
    { spool, onError: (error, where) => reported.push(`${where}: ${error}`) },
  );
  dispatchers.push(dispatcher);
  return dispatcher;
}
function request(command: CniCommand, containerId: string): string {
  return encodeRequest(
    {
      command,
      containerId,
      netns: containerId && '/run/netns/x',
      ifName: containerId && 'eth0',
      args: '',
      path: '',
    },
    JSON.stringify({
      cniVersion: '1.1.0',
      name: 'flyover',
      type: 'flyover',
      'cni.dev/valid-attachments': [],
    }),
  );
}
const ask = (dispatcher: Dispatcher, command: CniCommand, containerId = '') =>
  dispatcher.dispatch(request(command, containerId), new AbortController().signal);
const fileOf = (containerId: string) => spoolName({ containerId, ifName: 'eth0' });
const leave = (containerId: string) =>
  writeFileSync(join(spool, fileOf(containerId)), request('DEL', containerId));
const seen = () =>
  calls.map((call) => `${call.command} ${call.containerId}${call.replayed ? ' replayed' : ''}`);

test('are done at the start', async () => {
  leave('a');
  leave('b');
  await make().start();
  expect(seen().sort()).toEqual(['DEL a replayed', 'DEL b replayed']);
  expect(readdirSync(spool)).toEqual([]);
});

test('stay when they fail, and the rest is done', async () => {
  leave('a');
  leave('b');
  let broken = true;
  const dispatcher = make({
    del(call) {
      if (broken && call.containerId === 'a') throw new Error('busy');
    },
  });
  await dispatcher.start();
  expect(readdirSync(spool)).toEqual([fileOf('a')]);
  expect(reported).toEqual(['replay of DEL a/eth0: Error: busy']);
  broken = false;
  expect(await dispatcher.replay()).toBe(1);
  expect(readdirSync(spool)).toEqual([]);
});

test('are done when they come in, without being asked for', async () => {
  const done = Promise.withResolvers<CniCall>();
  await make({ del: done.resolve }).start();
  leave('late');
  expect(await done.promise).toMatchObject({ containerId: 'late', replayed: true });
});

test('are done before an ADD for the same attachment, and only that one', async () => {
  const dispatcher = make();
  leave('a');
  leave('other');
  expect((await ask(dispatcher, 'ADD', 'a')).exit).toBe(0);
  expect(seen()).toEqual(['DEL a replayed', 'ADD a']);
  expect(readdirSync(spool)).toEqual([fileOf('other')]);
});

test('stop an ADD for the same attachment when they fail', async () => {
  const dispatcher = make({ del: () => Promise.reject(new Error('busy')) });
  leave('a');
  expect((await ask(dispatcher, 'ADD', 'a')).exit).toBe(1);
  expect(calls).toEqual([]);
  expect(readdirSync(spool)).toEqual([fileOf('a')]);
});

test('are settled by a DEL for the same attachment', async () => {
  const dispatcher = make();
  leave('a');
  expect((await ask(dispatcher, 'DEL', 'a')).exit).toBe(0);
  expect(seen()).toEqual(['DEL a']);
  expect(readdirSync(spool)).toEqual([]);
});

test('are done before GC', async () => {
  const dispatcher = make();
  leave('a');
  expect((await ask(dispatcher, 'GC')).exit).toBe(0);
  expect(seen()).toEqual(['DEL a replayed', 'GC ']);
});

test('are each done once, however many replays run', async () => {
  for (let i = 0; i < 40; i++) leave(`c${i}`);
  const dispatcher = make({
    async del(call) {
      calls.push(call);
      await new Promise((resolve) => setImmediate(resolve));
    },
  });
  const counts = await Promise.all([dispatcher.start(), dispatcher.replay(), dispatcher.replay()]);
  expect(new Set(seen()).size).toBe(40);
  expect(calls).toHaveLength(40);
  expect((counts[1] as number) + (counts[2] as number)).toBeLessThanOrEqual(40);
  expect(readdirSync(spool)).toEqual([]);
});
