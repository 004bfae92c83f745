import { expect, test } from 'vitest';
import { WorkQueue } from './work-queue.ts';

test('works on a key once, however often it is added before its turn', async () => {
  const done: string[] = [];
  const queue = new WorkQueue({ handler: (key) => void done.push(key) });
  for (const key of ['a', 'b', 'a', 'a', 'c', 'b']) queue.add(key);
  await queue.idle();
  expect(done).toEqual(['a', 'b', 'c']);
});

test('a key added while it is worked on has another turn after that, not beside it', async () => {
  let running = 0;
  let most = 0;
  let turns = 0;
  const queue: WorkQueue = new WorkQueue({
    workers: 4,
    handler: async (key) => {
      most = Math.max(most, ++running);
      if (++turns === 1) {
        queue.add(key);
        queue.add(key);
      }
      await new Promise(setImmediate);
      running--;
    },
  });
  queue.add('a');
  await queue.idle();
  expect([turns, most]).toEqual([2, 1]);
});

test('as many keys at a time as there are workers', async () => {
  let running = 0;
  let most = 0;
  const queue = new WorkQueue({
    workers: 3,
    handler: async () => {
      most = Math.max(most, ++running);
      await new Promise(setImmediate);
      running--;
    },
  });
  for (let i = 0; i < 20; i++) queue.add(String(i));
  await queue.idle();
  expect(most).toBe(3);
});

test('tries again what failed, and forgets failures after a success', async () => {
  const tries: number[] = [];
  let left = 3;
  const succeeded = new Promise<void>((resolve) => {
    const queue = new WorkQueue({
      retry: { first: 1, longest: 4 },
      onError: (_, __, count) => tries.push(count),
      handler: () => {
        if (left-- > 0) throw new Error('not yet');
        resolve();
      },
    });
    queue.add('a');
  });
  await succeeded;
  expect(tries).toEqual([1, 2, 3]);
});

test('what a handler returns is when it wants to be called again', async () => {
  let turns = 0;
  await new Promise<void>((resolve) => {
    const queue = new WorkQueue({
      handler: () => {
        if (++turns < 3) return 1;
        resolve();
        return undefined;
      },
    });
    queue.add('a');
  });
  expect(turns).toBe(3);
});

test('stop waits for those who work, and takes no more', async () => {
  let aborted = false;
  const queue = new WorkQueue({
    handler: (_, signal) =>
      new Promise((resolve) =>
        signal.addEventListener('abort', () => {
          aborted = true;
          resolve();
        }),
      ),
  });
  queue.add('a');
  queue.addAfter('b', 10_000);
  await new Promise(setImmediate);
  await queue.stop();
  queue.add('c');
  expect([aborted, queue.size]).toEqual([true, 0]);
});
