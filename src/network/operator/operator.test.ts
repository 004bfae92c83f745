import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { KubeClient } from '../../kube/client.ts';
import { EventRecorder } from '../../kube/event-recorder.ts';
import { FakeApi } from '../../kube/testing.ts';
import type { ConfigMap, Event, Node } from '../../kube/types.ts';
import { Operator } from './operator.ts';
import { type BlockSettings, readSettings } from './settings.ts';

const NODES = '/api/v1/nodes';
const MAPS = '/api/v1/configmaps';
let api: FakeApi;
let client: KubeClient;
let events: EventRecorder;
let stop: AbortController;
let running: Promise<void> | undefined;
let leads: boolean;

beforeEach(async () => {
  api = await FakeApi.start();
  client = api.client();
  events = new EventRecorder(client, { component: 'flyover-operator' });
  leads = true;
});

afterEach(async () => {
  stop.abort();
  await running;
  client.close();
  await api.close();
});

function start(settings?: BlockSettings): Operator {
  stop = new AbortController();
  const operator = new Operator({
    client,
    events,
    log: pino({ level: 'silent' }),
    leads: () => leads,
    ...(settings ? { settings } : {}),
  });
  running = operator.run(stop.signal);
  return operator;
}

function node(name: string, podCIDRs?: string[], requested?: string): Node {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      ...(requested === undefined ? {} : { annotations: { 'flyover.dev/requested-pod-cidrs': requested } }),
    },
    spec: podCIDRs ? { podCIDR: podCIDRs[0]!, podCIDRs } : {},
  };
}

function settings(podCIDRs: string): ConfigMap {
  return { metadata: { namespace: 'kube-system', name: 'flyover-config' }, data: { podCIDRs } };
}

async function until<T>(read: () => T | undefined | false): Promise<T> {
  for (const end = performance.now() + 5000; performance.now() < end; ) {
    const value = read();
    if (value) return value;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  throw new Error('it did not come');
}

const blockOf = (name: string): string | undefined => api.get<Node>(NODES, name)?.spec?.podCIDRs?.join();
const given = (name: string): Promise<string> => until(() => blockOf(name));
const told = (reason: string): Promise<Event> =>
  until(() => api.all<Event>('/api/v1/events').find((one) => one.reason === reason));

describe('the operator', () => {
  test('takes note of what nodes have before it gives anything', async () => {
    api.put(NODES, node('a'));
    for (let i = 0; i < 600; i++)
      api.put(NODES, node(`old-${i}`, [`10.${Math.floor(i / 256)}.${i % 256}.0/24`]));
    start(readSettings({ podCIDRs: '10.0.0.0/8' }));
    expect(await given('a')).toBe('10.2.88.0/24');
    expect(api.get<Node>(NODES, 'a')?.spec?.podCIDR).toBe('10.2.88.0/24');
    expect(api.requests.find((one) => one.startsWith('PATCH'))).toBe(
      'PATCH /api/v1/nodes/a?fieldManager=flyover',
    );
  });

  test('reads the ConfigMap, and its changes; a bad one changes nothing', async () => {
    api.put(NODES, node('a'));
    api.put(NODES, node('b'));
    start();
    api.put(MAPS, settings('10.0.0.0/24'));
    const first = await Promise.race([given('a'), given('b')]);
    expect(first).toBe('10.0.0.0/24');
    const left = blockOf('a') ? 'b' : 'a';
    const full = await told('CIDRNotAvailable');
    expect(full.involvedObject.name).toBe(left);
    expect(full.message).toContain(
      'it serves 1 nodes, and 1 have a block of it; delete nodes that are gone, or add a range',
    );
    api.put(MAPS, settings('10.0.0.0/24,10.0.0.0/16'));
    expect((await told('InvalidSettings')).message).toContain(
      "podCIDRs[1] '10.0.0.0/16' overlaps 10.0.0.0/24; give ranges that are apart. Until then what it said before stays",
    );
    api.put(MAPS, settings('10.0.0.0/16'));
    expect(await given(left)).toBe('10.0.1.0/24');
  });

  test('gives a gone node’s block to one that waits for it', async () => {
    api.put(NODES, node('a'));
    start(readSettings({ podCIDRs: '10.0.0.0/16' }));
    await given('a');
    api.put(NODES, node('b', undefined, '10.0.0.0/24'));
    expect((await told('BlockUnavailable')).message).toContain("asks for what node 'a' has");
    expect(blockOf('b')).toBeUndefined();
    api.remove(NODES, 'a');
    expect(await given('b')).toBe('10.0.0.0/24');
  });

  test('a refused wish can be corrected', async () => {
    start(readSettings({ podCIDRs: '10.0.0.0/16' }));
    api.put(NODES, node('a', undefined, '10.9.0.0/24'));
    await told('BlockRefused');
    api.put(NODES, node('a', undefined, '10.0.9.0/24'));
    expect(await given('a')).toBe('10.0.9.0/24');
  });

  test('reports foreign blocks that overlap, and touches them not', async () => {
    api.put(NODES, node('a', ['10.0.0.0/24']));
    api.put(NODES, node('b', ['10.0.0.128/25']));
    start(readSettings({ podCIDRs: '10.0.0.0/16' }));
    expect((await told('BlockOverlaps')).involvedObject.name).toBe('b');
    api.put(NODES, node('c'));
    expect(await given('c')).toBe('10.0.1.0/24');
    expect([blockOf('a'), blockOf('b')]).toEqual(['10.0.0.0/24', '10.0.0.128/25']);
  });

  test('a heartbeat in between costs a repetition, and another incarnation of the node nothing', async () => {
    api.put(NODES, node('a'));
    let patches = 0;
    api.intercept = (method) => {
      if (method === 'PATCH' && ++patches === 1)
        api.put(NODES, { ...node('a'), status: { phase: 'Running' } });
      return undefined;
    };
    start(readSettings({ podCIDRs: '10.0.0.0/16' }));
    expect(await given('a')).toBe('10.0.0.0/24');
    expect(patches).toBe(2);
    expect(api.get<Node>(NODES, 'a')?.status?.phase).toBe('Running');
  });

  test('writes nothing once it leads no more', async () => {
    const operator = start(readSettings({ podCIDRs: '10.0.0.0/16' }));
    api.put(NODES, node('a'));
    await given('a');
    leads = false;
    api.put(NODES, node('b'));
    await until(() => operator.stats().nodes === 2);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(blockOf('b')).toBeUndefined();
  });

  test('other settings do not free what is just being written', async () => {
    api.put(MAPS, settings('10.0.0.0/16'));
    start();
    let hold = true;
    api.intercept = (method) => (method === 'PATCH' && hold ? 'hang' : undefined);
    api.put(NODES, node('a'));
    await until(() => api.requests.some((one) => one.startsWith('PATCH')));
    hold = false;
    api.put(MAPS, settings('10.0.0.0/16,10.9.0.0/16'));
    api.put(NODES, node('b'));
    expect(await given('b')).toBe('10.0.1.0/24');
  });
});

test('a thousand nodes have their blocks in seconds, each its own', async () => {
  for (let i = 0; i < 1000; i++) api.put(NODES, node(`n${i}`));
  const started = performance.now();
  const operator = start(readSettings({ podCIDRs: '10.0.0.0/12' }));
  await until(() => operator.stats().waiting === 0 && operator.stats().nodes === 1000);
  expect(performance.now() - started).toBeLessThan(5000);
  expect(new Set(api.all<Node>(NODES).map((one) => one.spec?.podCIDR)).size).toBe(1000);
});
