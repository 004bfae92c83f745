import { expect, test } from 'vitest';
import { pod } from '../controllers/testing-objects.ts';
import { SchedulingQueue } from './queue.ts';

test('the most important first, then the oldest', () => {
  const queue = new SchedulingQueue();
  queue.add('a', pod('a'));
  queue.add('b', pod('b', { priority: 5 }));
  queue.add('c', pod('c'));
  expect([queue.next(0), queue.next(0), queue.next(0), queue.next(0)]).toEqual(['b', 'a', 'c', undefined]);
});

test('a pod that fits nowhere waits for a change, then for its pause, which grows to ten seconds', () => {
  const queue = new SchedulingQueue();
  queue.add('a', pod('a'));
  let now = 0;
  for (const pause of [1000, 2000, 4000, 8000, 10_000, 10_000]) {
    expect(queue.next(now)).toBe('a');
    queue.failed('a', now);
    expect(queue.next(now + 60_000)).toBeUndefined();
    queue.wake();
    expect(queue.next(now + pause - 1)).toBeUndefined();
    expect(queue.nextPause(now)).toBe(pause);
    now += pause;
  }
});

test('a change while a pod is being tried is not lost', () => {
  const queue = new SchedulingQueue();
  queue.add('a', pod('a'));
  queue.next(0);
  queue.wake();
  queue.failed('a', 0);
  expect(queue.next(1000)).toBe('a');
});
