import { type ChildProcess, spawn } from 'node:child_process';
import { constants, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { mkdtemp, open as openFile, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { IpamStore } from './store.ts';

let dir: string;
const children = new Set<ChildProcess>();

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'fly-test-ipam-'));
});

afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
  await rm(dir, { recursive: true, force: true });
});

const BLOCKS = ['10.244.0.0/25', 'fd12::/121'];

function open(state = dir): Promise<IpamStore> {
  return IpamStore.open(state, { blocks: BLOCKS, cooldownSeconds: 0 });
}

/** How this process has a file open. */
function flagsOf(path: string): number {
  const fd = readdirSync('/proc/self/fd').find((name) => {
    try {
      return readlinkSync(`/proc/self/fd/${name}`) === path;
    } catch {
      return false; // the folder's own, closed by now
    }
  });
  const info = readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8');
  return Number.parseInt(/flags:\s+(\d+)/.exec(info)?.[1] ?? '', 8);
}

function pod(containerId: string) {
  return { containerId, ifName: 'eth0', netns: '/run/netns/test', hostLink: 'azvtest' };
}

/** Starts a worker and returns its process and its lines as they come. */
function work(prefix: string): {
  child: ChildProcess;
  lines: AsyncIterableIterator<string>;
  ended: Promise<unknown>;
} {
  const worker = new URL('./store-worker.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [worker, dir, prefix], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.add(child);
  const ended = new Promise((resolve) => child.once('exit', resolve));
  return { child, lines: createInterface({ input: child.stdout! })[Symbol.asyncIterator](), ended };
}

describe('the address store on a real disk', () => {
  it('makes its folder, for root alone, and comes back with what was written', async () => {
    const state = join(dir, 'var', 'agent');
    const store = await open(state);
    await Promise.all(['a', 'b', 'c'].map((id) => store.allocate(pod(id))));
    await store.release(pod('b'));
    const records = store.records();
    await store.close();
    expect((await stat(state)).mode & 0o777).toBe(0o700);
    for (const name of ['ipam.journal', 'lock'])
      expect((await stat(join(state, name))).mode & 0o777).toBe(0o600);
    const again = await open(state);
    expect(again.records()).toEqual(records);
    await again.close();
  });

  it('waits for the disk before it answers', async () => {
    const handle = await openFile(join(dir, 'any'), 'w');
    const append = vi.spyOn(Object.getPrototypeOf(handle), 'appendFile');
    const sync = vi.spyOn(Object.getPrototypeOf(handle), 'sync');
    await handle.close();
    try {
      const store = await open(join(dir, 'new'));
      // The first file; the folder's name in its parent, and the file's name in the folder.
      expect([append.mock.calls.length, sync.mock.calls.length]).toEqual([1, 2]);
      expect(flagsOf(join(dir, 'new/ipam.journal')) & constants.O_DSYNC).toBe(constants.O_DSYNC);
      await store.allocate(pod('a'));
      expect(append).toHaveBeenCalledTimes(2);
      await Promise.all([store.release(pod('a')), store.allocate(pod('b')), store.allocate(pod('c'))]);
      expect(append).toHaveBeenCalledTimes(3);
      await store.close();
    } finally {
      vi.restoreAllMocks();
    }
  });

  it('drops a torn end, and refuses a damaged middle without touching it', async () => {
    const store = await open();
    for (const id of ['a', 'b', 'c']) await store.allocate(pod(id));
    await store.close();
    const path = join(dir, 'ipam.journal');
    const whole = await readFile(path);
    await writeFile(path, whole.subarray(0, whole.length - 5));
    const torn = await open();
    expect(torn.records().map((record) => record.containerId)).toEqual(['a', 'b']);
    expect(torn.opening.notes.join()).toMatch(/left out [0-9]+ bytes of a write that a crash cut short/);
    await torn.close();
    const damaged = Buffer.from(whole);
    damaged[whole.indexOf('\n') + 30]! ^= 1;
    await writeFile(path, damaged);
    await expect(open()).rejects.toMatchObject({ code: 'corrupt', value: path });
    expect(await readFile(path)).toEqual(damaged);
  });

  it('says why a folder cannot be used', async () => {
    await writeFile(join(dir, 'file'), '');
    await expect(open(join(dir, 'file'))).rejects.toMatchObject({ code: 'write-failed' });
    await expect(open(join(dir, 'file'))).rejects.toThrow(
      /cannot be used: .* make it a folder on a local disk/,
    );
  });

  it('lets nobody else in while it is open, and names who is', async () => {
    const store = await open();
    await expect(open()).rejects.toThrow(
      `state '${join(dir, 'lock')}' is locked by another agent, process ${process.pid}; stop that one first; one agent`,
    );
    await store.close();
    await (await open()).close();
  });

  it('follows no symbolic link in place of its files', async () => {
    await writeFile(join(dir, 'precious'), 'keep me');
    await symlink(join(dir, 'precious'), join(dir, 'lock'));
    await expect(open()).rejects.toThrow(/cannot be used: ELOOP/);
    await rm(join(dir, 'lock'));
    await symlink(join(dir, 'precious'), join(dir, 'ipam.journal.next'));
    await expect(open()).rejects.toMatchObject({ code: 'write-failed' });
    expect(await readFile(join(dir, 'precious'), 'utf8')).toBe('keep me');
  });

  it('loses nothing acknowledged, and gives nothing twice, when its process is killed', {
    timeout: 60_000,
  }, async () => {
    const held = new Map<string, string>();
    for (let round = 0; round < 5; round++) {
      const { child, lines, ended } = work(`r${round}`);
      const unsure = new Set<string>();
      let changes = 0;
      for (let next = await lines.next(); !next.done; next = await lines.next()) {
        const [kind, containerId = '', addresses = ''] = next.value.split(' ');
        if (kind === 'ready') await expect(open()).rejects.toThrow(`process ${child.pid}`);
        if (kind === '?') unsure.add(containerId);
        else unsure.delete(containerId);
        if (kind === '+') held.set(containerId, addresses);
        if (kind === '-') held.delete(containerId);
        if ((kind === '+' || kind === '-') && ++changes === 150 + 97 * round) child.kill('SIGKILL');
      }
      await ended;
      expect(child.signalCode).toBe('SIGKILL');
      expect(changes).toBeGreaterThanOrEqual(150 + 97 * round);
      const store = await open();
      const found = new Map(store.records().map((record) => [record.containerId, record.addresses.join()]));
      const owned = [...found.values()].flatMap((addresses) => addresses.split(','));
      expect(new Set(owned).size).toBe(owned.length);
      for (const [id, addresses] of held) if (!unsure.has(id)) expect(found.get(id)).toBe(addresses);
      for (const id of found.keys()) expect(held.has(id) || unsure.has(id), id).toBe(true);
      // What is on disk is the truth from here on: as an agent that reconciles, keep some and release the rest.
      held.clear();
      for (const [id, addresses] of found) {
        if (held.size < 20) held.set(id, addresses);
        else await store.release({ containerId: id, ifName: 'eth0' });
      }
      await store.close();
    }
    expect(held.size).toBeGreaterThan(0);
  });
});
