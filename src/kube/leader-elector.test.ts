import { afterEach, beforeEach, expect, test } from 'vitest';
import type { KubeClient } from './client.ts';
import { LeaderElector } from './leader-elector.ts';
import { FakeApi } from './testing.ts';
import type { Lease } from './types.ts';

const LEASES = '/apis/coordination.k8s.io/v1/leases';
const AT = { namespace: 'kube-system', name: 'flyover-operator' };
const FAST = { leaseMs: 150, renewMs: 100, retryMs: 15 };
let api: FakeApi;
let client: KubeClient;
let stopping: AbortController[];

beforeEach(async () => {
  api = await FakeApi.start();
  client = api.client();
  stopping = [];
});

afterEach(async () => {
  for (const one of stopping) one.abort();
  client.close();
  await api.close();
});

function lease(): Lease['spec'] {
  return api.get<Lease>(LEASES, 'kube-system/flyover-operator')?.spec;
}

/** One candidate; `started` resolves with its term when it leads. */
function candidate(identity: string, clientOfIts = client) {
  const stop = new AbortController();
  stopping.push(stop);
  const elector = new LeaderElector(clientOfIts, { ...AT, ...FAST, identity });
  let start: (term: AbortSignal) => void;
  const started = new Promise<AbortSignal>((resolve) => {
    start = resolve;
  });
  const ended = elector.run(stop.signal, (term) => {
    start(term);
    return new Promise((resolve) => term.addEventListener('abort', () => resolve(), { once: true }));
  });
  return { elector, stop, started, ended };
}

test('one of many leads, and keeps the lease renewed', async () => {
  const all = ['a', 'b', 'c'].map((identity) => candidate(identity));
  const term = await Promise.race(all.map((one) => one.started));
  const first = lease()?.renewTime;
  while (lease()?.renewTime === first) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(all.filter((one) => one.elector.leads)).toHaveLength(1);
  expect(term.aborted).toBe(false);
  expect(lease()?.renewTime).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
});

test('a leader that stops gives the lease back, and the next need not wait', async () => {
  const first = candidate('a');
  await first.started;
  const second = candidate('b');
  first.stop.abort();
  await first.ended;
  await second.started;
  expect(lease()).toMatchObject({ holderIdentity: 'b', leaseTransitions: 1 });
});

test('a leader that cannot renew steps down before another takes over', async () => {
  const otherClient = api.client();
  const first = candidate('a', otherClient);
  const term = await first.started;
  const second = candidate('b');
  let sawBoth = false;
  const watching = setInterval(() => {
    if (first.elector.leads && second.elector.leads) sawBoth = true;
  }, 1);
  // Only the first one's requests hang: it writes, and hears nothing.
  api.intercept = (method, url) => {
    if (!url.pathname.startsWith(LEASES.slice(0, 10)) || method !== 'PUT') return undefined;
    return first.elector.leads ? 'hang' : undefined;
  };
  await second.started;
  clearInterval(watching);
  expect(term.aborted).toBe(true);
  expect(first.elector.leads).toBe(false);
  expect(sawBoth).toBe(false);
  otherClient.close();
});

test('a lease is over when it was seen unchanged for its whole time, whatever the clocks say', async () => {
  const now = '2001-01-01T00:00:00.000000Z';
  api.put(LEASES, {
    metadata: AT,
    spec: { holderIdentity: 'other', leaseDurationSeconds: 1, renewTime: now, acquireTime: now },
  } as Lease);
  const started = performance.now();
  const one = candidate('a');
  await one.started;
  expect(performance.now() - started).toBeGreaterThan(950);
  expect(lease()).toMatchObject({ holderIdentity: 'a', leaseTransitions: 1 });
});

test('a process that was stopped for a while knows that it leads no more', async () => {
  let now = 0;
  const elector = new LeaderElector(client, { ...AT, identity: 'a', now: () => now });
  const stop = new AbortController();
  let leads: boolean[] = [];
  await elector.run(stop.signal, async () => {
    leads = [elector.leads];
    now += 9999;
    leads.push(elector.leads);
    now += 1;
    leads.push(elector.leads);
    stop.abort();
  });
  expect(leads).toEqual([true, true, false]);
});

test('refuses times that make no sense', () => {
  expect(() => new LeaderElector(client, { ...AT, identity: 'a', renewMs: 20_000 })).toThrow(
    'keep lease > renew > retry',
  );
});
