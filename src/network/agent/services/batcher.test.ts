import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Batcher } from './batcher.ts';

beforeEach(() => {
  vi.useFakeTimers({
    toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate', 'performance'],
  });
});
afterEach(() => {
  vi.useRealTimers();
});

test('at once when it was quiet, then one run for everything of the next 50 ms', () => {
  const runs: number[] = [];
  const batcher = new Batcher(() => runs.push(performance.now()), 50);
  const start = performance.now();
  batcher.add();
  batcher.add();
  expect(runs).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(runs).toEqual([start]);
  for (let i = 0; i < 40; i++) {
    batcher.add();
    vi.advanceTimersByTime(1);
  }
  expect(runs).toHaveLength(1);
  vi.advanceTimersByTime(60);
  expect(runs).toEqual([start, start + 50]);
  vi.advanceTimersByTime(1000);
  batcher.add();
  vi.advanceTimersByTime(1);
  expect(runs).toHaveLength(3);
});

test('what comes while it runs is for the next run, also when this one fails', () => {
  let runs = 0;
  const batcher = new Batcher(() => {
    if (++runs > 1) return;
    batcher.add();
    throw new Error('busy');
  }, 50);
  batcher.add();
  expect(() => vi.advanceTimersByTime(1)).toThrow('busy');
  vi.advanceTimersByTime(200);
  expect(runs).toBe(2);
});

test('nothing after close', () => {
  let runs = 0;
  const batcher = new Batcher(() => runs++, 50);
  batcher.add();
  batcher.close();
  batcher.add();
  vi.advanceTimersByTime(1000);
  expect(runs).toBe(0);
});
