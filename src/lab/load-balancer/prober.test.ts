import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { LoadBalancerProbe } from '../azure/types.ts';
import type { Probe } from './probe.ts';
import { Prober } from './prober.ts';

const probe = (port: number, more: Partial<LoadBalancerProbe> = {}): LoadBalancerProbe => ({
  name: `p-${port}`,
  protocol: 'Tcp',
  port,
  intervalInSeconds: 5,
  numberOfProbes: 2,
  ...more,
});
const a = { name: 'a', address: '10.0.1.4' };
const b = { name: 'b', address: '10.0.1.5' };

let asked: Probe[];
let well: boolean;
let changes: number;
let prober: Prober;

beforeEach(() => {
  vi.useFakeTimers();
  [asked, well, changes] = [[], true, 0];
  prober = new Prober(
    async (one) => {
      asked.push(one);
      return well;
    },
    () => changes++,
  );
});
afterEach(() => {
  prober.close();
  vi.useRealTimers();
});

/** One interval, with its jitter. */
const turn = (): Promise<unknown> => vi.advanceTimersByTimeAsync(5500);

describe('a node', () => {
  test('is what its first answer says, and something else after so many others in a row', async () => {
    prober.set([probe(80)], [a]);
    expect(prober.isUp(probe(80), a)).toBeUndefined();
    await prober.firstAnswers([probe(80)], [a]);
    expect([prober.isUp(probe(80), a), changes]).toEqual([true, 1]);
    well = false;
    await turn();
    expect(prober.isUp(probe(80), a)).toBe(true);
    well = true;
    await turn();
    well = false;
    await turn();
    expect(prober.isUp(probe(80), a)).toBe(true);
    await turn();
    expect([prober.isUp(probe(80), a), changes]).toEqual([false, 2]);
    well = true;
    await turn();
    await turn();
    expect([prober.isUp(probe(80), a), changes]).toEqual([true, 3]);
  });

  test('of which something is known stays so until enough answers say otherwise', async () => {
    well = false;
    prober.set([probe(80)], [a], () => true);
    await prober.firstAnswers([probe(80)], [a]);
    expect([prober.isUp(probe(80), a), changes]).toEqual([true, 0]);
    await turn();
    expect([prober.isUp(probe(80), a), changes]).toEqual([false, 1]);
  });
});

test('what several rules ask in the same way is asked once; what nobody asks any more is not asked', async () => {
  const same = { ...probe(80), name: 'other' };
  prober.set([probe(80), same, probe(81)], [a, b]);
  await prober.firstAnswers([probe(80), probe(81)], [a, b]);
  expect(asked.map(({ address, port }) => `${address}:${port}`)).toEqual([
    '10.0.1.4:80',
    '10.0.1.5:80',
    '10.0.1.4:81',
    '10.0.1.5:81',
  ]);
  prober.set([same], [b]);
  asked = [];
  await turn();
  expect(asked.map(({ address, port }) => `${address}:${port}`)).toEqual(['10.0.1.5:80']);
  expect(prober.isUp(probe(81), b)).toBeUndefined();
  prober.close();
  asked = [];
  await turn();
  expect(asked).toEqual([]);
});

test('thousands are asked a few at a time, and each gets its turn', async () => {
  let running = 0;
  let most = 0;
  let asks = 0;
  const slow = new Prober(
    async () => {
      asks++;
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 10));
      running--;
      return true;
    },
    () => undefined,
  );
  const probes = Array.from({ length: 1000 }, (_, i) => probe(30_000 + i));
  slow.set(probes, [a, b]);
  const all = slow.firstAnswers(probes, [a, b]);
  await vi.advanceTimersByTimeAsync(1000);
  await all;
  expect(most).toBe(64);
  expect(asks).toBe(2000);
  // So many that their interval of 5 s becomes one of 10 s and its jitter.
  await vi.advanceTimersByTimeAsync(8500);
  expect(asks).toBe(2000);
  await vi.advanceTimersByTimeAsync(3500);
  expect(asks).toBe(4000);
  expect(probes.every((one) => slow.isUp(one, b))).toBe(true);
  slow.close();
});
