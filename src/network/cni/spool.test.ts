import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { encodeRequest } from './protocol.ts';
import { createSpool, type Spool } from './spool.ts';
import { MAX_SPOOLED_BYTES, spoolName } from './spool-name.ts';
import type { CniCommand } from './types.ts';

let directory: string;
let spool: Spool;
let reported: unknown[];

beforeEach(() => {
  directory = join(mkdtempSync(join(tmpdir(), 'fly-test-spool-')), 'pending-del');
  reported = [];
  spool = createSpool(directory, (error) => reported.push(error));
});
afterEach(() => {
  spool.stop();
  rmSync(join(directory, '..'), { recursive: true });
});

const del = (containerId: string, command: CniCommand = 'DEL') =>
  encodeRequest(
    { command, containerId, netns: '/x', ifName: 'eth0', args: '', path: '' },
    '{"cniVersion":"1.1.0","name":"flyover","type":"flyover"}',
  );
/** Leaves a DEL `age` seconds ago. */
function leave(containerId: string, age = 0): string {
  const name = spoolName({ containerId, ifName: 'eth0' });
  writeFileSync(join(directory, name), del(containerId));
  utimesSync(join(directory, name), Date.now() / 1000 - age, Date.now() / 1000 - age);
  return name;
}

test('makes its directory for itself only', () => {
  expect(statSync(directory).mode & 0o777).toBe(0o700);
});

test('lists what waits, oldest first, and reads and removes one', () => {
  leave('young', 1);
  const name = leave('old', 10);
  expect(spool.list().map(({ request }) => request.containerId)).toEqual(['old', 'young']);
  expect(spool.nameOf({ containerId: 'old', ifName: 'eth0' })).toBe(name);
  expect(spool.read(name)).toMatchObject({ command: 'DEL', containerId: 'old', ifName: 'eth0' });
  spool.remove(name);
  expect(spool.read(name)).toBeUndefined();
  spool.remove(name);
  expect(spool.list()).toHaveLength(1);
});

test('does not touch a file that a front is writing, and sweeps one that it abandoned', () => {
  writeFileSync(join(directory, '.1-2-3.tmp'), 'half');
  writeFileSync(join(directory, '.4-5-6.tmp'), 'half');
  utimesSync(join(directory, '.4-5-6.tmp'), 1, 1);
  expect(spool.list()).toEqual([]);
  expect(readdirSync(directory)).toEqual(['.1-2-3.tmp']);
});

test.each<[string, string]>([
  ['not JSON', 'nonsense'],
  ['an ADD', del('abc', 'ADD')],
  ['the DEL of another attachment', del('other')],
  ['too large', ' '.repeat(MAX_SPOOLED_BYTES + 1)],
])('what is %s is reported and set aside', (_, content) => {
  const name = spoolName({ containerId: 'abc', ifName: 'eth0' });
  writeFileSync(join(directory, name), content);
  expect(spool.list()).toEqual([]);
  expect(String(reported)).toContain(name);
  expect(readdirSync(directory)).toEqual([`${name}.rejected`]);
  expect(spool.list()).toEqual([]);
  expect(reported).toHaveLength(1);
});

test('says when a DEL comes in', async () => {
  const changed = new Promise<void>((resolve) => spool.watch(resolve));
  leave('abc');
  await changed;
  expect(spool.list()).toHaveLength(1);
});

test('refuses a directory that cannot be one', () => {
  mkdirSync(join(directory, 'x'));
  writeFileSync(join(directory, 'file'), '');
  expect(() => createSpool(join(directory, 'file'), () => {})).toThrow(/EEXIST/);
});
