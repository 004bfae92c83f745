import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { forEach, KeyedLock, within } from './lock.ts';
import { settle, signal } from './testing.ts';

test('one key, one at a time, in order, also after a failure; other keys beside it', async () => {
  const lock = new KeyedLock();
  const seen: string[] = [];
  const first = signal();
  const work = (name: string, wait?: Promise<void>) => async () => {
    await wait;
    seen.push(name);
    if (name === 'fails') throw new Error('no');
  };
  const failing = lock.run('a', work('fails', first.wait));
  const after = lock.run('a', work('after'));
  await lock.run('b', work('beside'));
  first.send();
  await expect(failing).rejects.toThrow('no');
  await after;
  expect(seen).toEqual(['beside', 'fails', 'after']);
});

test('idle waits for what was asked for until then', async () => {
  const lock = new KeyedLock();
  const slow = signal();
  let idle = false;
  void lock.run('a', () => slow.wait);
  const waiting = lock.idle().then(() => {
    idle = true;
  });
  await settle();
  expect(idle).toBe(false);
  slow.send();
  await waiting;
});

test('all are tried, then the first failure is thrown', async () => {
  const tried: number[] = [];
  const work = async (i: number): Promise<void> => {
    tried.push(i);
    if (i > 1) throw new Error(`no ${i}`);
  };
  await expect(forEach([1, 2, 3], work)).rejects.toThrow('no 2');
  expect(tried).toEqual([1, 2, 3]);
});

test('within gives up, and leaves no timer behind when it need not', async () => {
  expect(await within(new Promise(() => undefined), 1)).toBeUndefined();
  expect(await within(Promise.resolve(7), 60_000)).toBe(7);
});

test('one supervisor has the lab, until it ends in whatever way', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'fly-test-lock-'));
  const script = `
    const { takeLockAt } = await import(${JSON.stringify(join(import.meta.dirname, 'run-folder.ts'))});
    try {
      takeLockAt(${JSON.stringify(join(folder, 'lock'))});
      console.log('has it');
      setInterval(() => undefined, 1000);
    } catch (error) {
      console.log(error.message);
    }`;
  const start = async () => {
    const child = spawn(process.execPath, ['--no-warnings', '--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [said] = (await once(child.stdout, 'data')) as [Buffer];
    return { child, said: said.toString().trim() };
  };
  const all = await Promise.all(Array.from({ length: 6 }, start));
  expect(all.filter(({ said }) => said === 'has it')).toHaveLength(1);
  expect(all.filter(({ said }) => said.startsWith('another supervisor has the lab'))).toHaveLength(5);
  for (const { child } of all) {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
  const next = await start();
  expect(next.said).toBe('has it');
  next.child.kill('SIGKILL');
  rmSync(folder, { recursive: true });
});
