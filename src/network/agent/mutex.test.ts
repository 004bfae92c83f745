import { expect, it } from 'vitest';
import { KeyedMutex } from './mutex.ts';

it('keeps one key in order and lets others pass', async () => {
  const mutex = new KeyedMutex();
  const seen: string[] = [];
  const gate = Promise.withResolvers<void>();
  const first = mutex.run('a', async () => {
    await gate.promise;
    seen.push('a1');
  });
  const second = mutex.run('a', () => seen.push('a2'));
  await mutex.run('b', () => seen.push('b'));
  expect(seen).toEqual(['b']);
  gate.resolve();
  await Promise.all([first, second]);
  expect(seen).toEqual(['b', 'a1', 'a2']);
  expect(mutex.size).toBe(0);
});

it('goes on after a failure, which only its own caller sees', async () => {
  const mutex = new KeyedMutex();
  const failed = mutex.run('a', () => Promise.reject(new Error('no')));
  const next = mutex.run('a', () => 7);
  await expect(failed).rejects.toThrow('no');
  expect(await next).toBe(7);
  expect(mutex.size).toBe(0);
});
