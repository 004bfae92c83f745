import { describe, expect, it } from 'vitest';
import type { FoundLink } from '../dataplane/dataplane.ts';
import type { IpamRecord } from './ipam/record.ts';
import { type NodeState, planReconcile } from './reconcile-plan.ts';

const now = Date.parse('2026-11-22T12:00:00Z');
const minutes = (n: number): string => new Date(now - n * 60_000).toISOString();
const record: IpamRecord = {
  containerId: 'c1',
  ifName: 'eth0',
  netns: '/run/netns/one',
  hostLink: 'azv1',
  addresses: ['10.244.0.4'],
  createdAt: minutes(60),
};
const link: FoundLink = {
  name: 'azv1',
  mtu: 1500,
  addresses: ['10.244.0.4'],
  attachment: { containerId: 'c1', ifName: 'eth0' },
};

function plan(state: Partial<Omit<NodeState, 'namespaceExists'>> & { alive?: boolean }) {
  const { alive = true, ...rest } = state;
  return planReconcile({
    records: [],
    links: [],
    sandboxes: undefined,
    now,
    namespaceExists: () => alive,
    ...rest,
  }).map((decision) => [decision.action, 'why' in decision ? decision.why : '']);
}

describe('planReconcile: a pod that the cluster does not have', () => {
  const lately = (age: number) => ({ records: [{ ...record, createdAt: minutes(age) }], links: [link] });
  const gone = () => true;

  it('is released when its runtime does not have it either, after a minute', () => {
    const sandboxes = new Set(['other']);
    expect(plan({ ...lately(2), sandboxes, podGone: gone })).toEqual([
      ['release', 'its runtime does not know the sandbox, and the cluster not the pod'],
    ]);
    expect(plan({ ...lately(0.5), sandboxes, podGone: gone })[0]?.[0]).toBe('verify');
    expect(plan({ ...lately(2), sandboxes, podGone: () => false })[0]?.[0]).toBe('verify');
  });

  it('stays while its runtime has it, or cannot be asked', () => {
    expect(plan({ ...lately(60), sandboxes: new Set(['c1']), podGone: gone })[0]?.[0]).toBe('verify');
    expect(plan({ ...lately(60), podGone: gone })[0]?.[0]).toBe('verify');
  });
});

describe('planReconcile: a record', () => {
  it.each<[string, Parameters<typeof plan>[0], string, RegExp]>([
    ['with all in place is verified', { links: [link] }, 'verify', /^$/],
    ['known to its runtime is verified', { links: [link], sandboxes: new Set(['c1']) }, 'verify', /^$/],
    [
      'without namespace and link is released',
      { alive: false },
      'release',
      /namespace and its link are gone/,
    ],
    ['without link waits for ADD or DEL', {}, 'keep', /link is missing/],
    // The kernel takes a namespace down some time after its path has gone.
    [
      'whose link outlives the path is kept',
      { alive: false, links: [link] },
      'keep',
      /is not there, its link is/,
    ],
    [
      'that its runtime does not know is released',
      { links: [link], sandboxes: new Set() },
      'release',
      /runtime/,
    ],
    ['whose runtime cannot be asked is kept', { sandboxes: undefined }, 'keep', /link is missing/],
  ])('%s', (_, state, action, why) => {
    expect(plan({ records: [record], ...state })).toEqual([[action, expect.stringMatching(why)]]);
  });

  it('is not judged by the runtime while its sandbox may still be starting', () => {
    const young = { ...record, createdAt: minutes(4) };
    expect(plan({ records: [young], links: [link], sandboxes: new Set() })[0]?.[0]).toBe('verify');
    const old = { ...record, createdAt: minutes(6) };
    expect(plan({ records: [old], links: [link], sandboxes: new Set() })[0]?.[0]).toBe('release');
  });

  it('from the future, as after a clock that was set back, is as good as old', () => {
    const odd = { ...record, createdAt: minutes(-60) };
    expect(plan({ records: [odd], links: [link], sandboxes: new Set() })[0]?.[0]).toBe('release');
  });
});

describe('planReconcile: a link without a record', () => {
  it.each<[string, Partial<FoundLink>, ReadonlySet<string> | undefined, string]>([
    ['is adopted when nobody can say that its pod is gone', {}, undefined, 'adopt'],
    ['is adopted when its runtime knows it', {}, new Set(['c1']), 'adopt'],
    ['is deleted when its runtime does not', {}, new Set(['c2']), 'delete-link'],
    ['is deleted when it has no address', { addresses: [] }, new Set(['c1']), 'delete-link'],
  ])('%s', (_, change, sandboxes, action) => {
    expect(plan({ links: [{ ...link, ...change }], sandboxes })[0]?.[0]).toBe(action);
  });

  it('is deleted when it was never finished', () => {
    const { attachment: _, ...bare } = link;
    expect(plan({ links: [bare] })).toEqual([['delete-link', 'it was never finished']]);
  });
});
