import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FakeApi } from '../../../kube/testing.ts';
import type { ConfigMap, Event, Node, Pod } from '../../../kube/types.ts';
import { CniError } from '../../cni/errors.ts';
import { type NodeConfig, parseConfig } from '../config.ts';
import type { IpamRecord } from '../ipam/record.ts';
import { KubernetesSource } from './source.ts';

const NODES = '/api/v1/nodes';
const MAPS = '/api/v1/configmaps';
let dir: string;
let api: FakeApi;
let source: KubernetesSource | undefined;
let changes: number;
let attached: number | undefined;
let served: number;

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'kubernetes-source-'));
  api = await FakeApi.start();
  changes = 0;
  attached = 0;
  served = 0;
});

afterEach(async () => {
  await source?.close();
  await api.close();
  rmSync(dir, { recursive: true });
});

function node(name = 'n1', podCIDR?: string, address = '10.0.1.4'): Node {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name },
    spec: podCIDR ? { podCIDR, podCIDRs: [podCIDR] } : {},
    status: { addresses: [{ type: 'InternalIP', address }], nodeInfo: { kernelVersion: '6' } as never },
  };
}

function settings(data: Record<string, string> = {}): ConfigMap {
  return {
    metadata: { namespace: 'kube-system', name: 'flyover-config' },
    data: { podCIDRs: '10.244.0.0/16', ...data },
  };
}

async function start(patienceMs = 2000): Promise<KubernetesSource> {
  source = await KubernetesSource.start({
    client: api.client(),
    log: pino({ level: 'silent' }),
    nodeName: 'n1',
    saved: join(dir, 'kubernetes.json'),
    patienceMs,
    retry: { first: 5, longest: 20 },
    onServing: () => served++,
  });
  source.watch({ changed: () => changes++, attached: () => attached });
  return source;
}

async function until<T>(read: () => T | undefined | false): Promise<T> {
  for (const end = performance.now() + 8000; performance.now() < end; ) {
    const value = read();
    if (value) return value;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  throw new Error('it did not come');
}

const config = (): NodeConfig => parseConfig(source!.text());
const blocks = (): string => config().nodeBlocks.join();
const told = (reason: string): Promise<Event> =>
  until(() => api.all<Event>('/api/v1/events').find((one) => one.reason === reason));

/** Waits until what was put there was noticed. */
async function noticed(put: () => unknown): Promise<void> {
  const before = changes;
  put();
  await until(() => changes > before);
}

describe('the configuration', () => {
  test('follows Node and ConfigMap', async () => {
    api.put(NODES, node('n1', '10.244.3.0/24'));
    api.put(MAPS, settings());
    await start();
    expect(config()).toMatchObject({
      nodeName: 'n1',
      nodeBlocks: ['10.244.3.0/24'],
      routing: 'fabric',
      mtu: 0,
    });
    await noticed(() => api.put(MAPS, settings({ mtu: '1400' })));
    expect(config().mtu).toBe(1400);
    // Nobody asked for the other nodes.
    expect(api.requests.filter((one) => one.includes('metadata.name%21%3D'))).toEqual([]);
  });

  test('knows the others where the routing needs them, and only then', async () => {
    api.put(NODES, node('n1', '10.244.3.0/24'));
    api.put(NODES, node('n2', '10.244.4.0/24', '10.0.1.5'));
    api.put(MAPS, settings({ routing: 'direct' }));
    await start();
    await until(() => config().peers.length === 1);
    await noticed(() => api.put(NODES, node('n3', '10.244.5.0/24', '10.0.1.6')));
    expect(config().peers.map((peer) => peer.name)).toEqual(['n2', 'n3']);
    await noticed(() => api.put(MAPS, settings()));
    expect(config().peers).toEqual([]);
    await until(() => api.watchers === 3);
  });

  test('a bad setting is refused by an event, and the one before stays', async () => {
    api.put(NODES, node('n1', '10.244.3.0/24'));
    api.put(MAPS, settings({ mtu: '1400' }));
    await start();
    expect(config().mtu).toBe(1400);
    await noticed(() => api.put(MAPS, settings({ mtu: '9' })));
    expect(config().mtu).toBe(1400);
    const event = await told('InvalidSettings');
    expect(event.involvedObject).toMatchObject({ kind: 'Node', name: 'n1' });
    expect(event.message).toBe(
      "mtu '9' is below 576; use 0 (copy the NIC's) or 576..65535. The settings before stay in force.",
    );
  });

  test('waits for a block, and says who gives it', async () => {
    api.put(NODES, node());
    api.put(MAPS, settings());
    await start();
    expect(() => source!.text()).toThrow('has no block for pods yet; the Flyover operator gives it one');
    await noticed(() => api.put(NODES, node('n1', '10.244.3.0/24')));
    expect(blocks()).toBe('10.244.3.0/24');
  });

  test('a block that changes under running pods waits until they are gone', async () => {
    api.put(NODES, node('n1', '10.244.3.0/24'));
    api.put(MAPS, settings());
    await start();
    blocks();
    attached = 2;
    await noticed(() => {
      api.remove(NODES, 'n1');
      api.put(NODES, node('n1', '10.244.7.0/24'));
    });
    await until(
      () =>
        blocks() === '10.244.3.0/24' &&
        api.all<Event>('/api/v1/events').some(({ reason }) => reason === 'BlockChanged'),
    );
    expect(blocks()).toBe('10.244.3.0/24');
    expect((await told('BlockChanged')).message).toContain(
      "spec.podCIDRs '10.244.7.0/24' is not what it was, '10.244.3.0/24'. 2 pods have addresses of that",
    );
    attached = 0;
    expect(blocks()).toBe('10.244.7.0/24');
  });
});

describe('without an API server', () => {
  test('what was in force last is in force after a restart', async () => {
    api.put(NODES, node('n1', '10.244.3.0/24'));
    api.put(MAPS, settings());
    await start();
    const before = source!.text();
    await source!.close();
    expect(readFileSync(join(dir, 'kubernetes.json'), 'utf8')).toBe(before);
    api.intercept = () => 'reset';
    await start(20);
    expect(source!.text()).toBe(before);
    expect(source!.connected()).toBe(false);
    api.intercept = undefined;
    // A restart does not make a change of block harmless: nobody knows yet who has addresses.
    attached = undefined;
    api.put(NODES, node('n1', '10.244.9.0/24'));
    await until(() => source!.connected() && changes > 0);
    expect(blocks()).toBe('10.244.3.0/24');
    attached = 0;
    await until(() => blocks() === '10.244.9.0/24');
  });

  test('nothing saved, or of another node: says what it lacks', async () => {
    writeFileSync(
      join(dir, 'kubernetes.json'),
      JSON.stringify({
        nodeName: 'n9',
        nodeAddresses: ['10.0.0.1'],
        nodeBlocks: ['10.244.0.0/24'],
        podCIDRs: ['10.244.0.0/16'],
      }),
    );
    api.intercept = () => 'reset';
    await start(20);
    expect(() => source!.text()).toThrow('does not answer, and no settings of this node were saved before');
  });
});

describe('what it reports', () => {
  const condition = (): Record<string, string> | undefined =>
    api.get<Node>(NODES, 'n1')?.status?.conditions?.[0] as Record<string, string> | undefined;

  test('the condition NetworkUnavailable, once for each change', async () => {
    api.put(NODES, node('n1', '10.244.3.0/24'));
    api.put(MAPS, settings());
    await start();
    const now = config();
    source!.report(now, undefined);
    await until(() => condition()?.status === 'False');
    expect(condition()).toMatchObject({
      type: 'NetworkUnavailable',
      reason: 'FlyoverIsUp',
      message: 'Flyover gives pods addresses of 10.244.3.0/24',
      lastTransitionTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
    });
    expect(served).toBe(1);
    source!.report(now, undefined);
    // Our own write comes back, and is no news.
    api.put(NODES, { ...api.get<Node>(NODES, 'n1')!, metadata: { name: 'n1', labels: { a: 'b' } } });
    await until(() => changes > 0);
    expect(served).toBe(1);
    expect(api.requests.filter((one) => one.startsWith('PATCH'))).toEqual([
      'PATCH /api/v1/nodes/n1/status?fieldManager=flyover-agent',
    ]);
    source!.report(now, 'the NIC is gone');
    await until(() => condition()?.status === 'True');
    expect(condition()).toMatchObject({ reason: 'FlyoverIsNotReady', message: 'the NIC is gone' });
  });

  test('an exhausted block, on node and pod', async () => {
    api.put(NODES, node('n1', '10.244.3.0/24'));
    api.put(MAPS, settings());
    const pod: Pod = { metadata: { namespace: 'web', name: 'p' }, spec: { nodeName: 'n1', containers: [] } };
    api.put('/api/v1/pods', pod);
    await start();
    await until(() => source!.podGone({ podNamespace: 'web', podName: 'nobody' } as IpamRecord));
    const error = new CniError(102, 'the node has no free pod address', 'all 253 are held');
    source!.failed({
      command: 'ADD',
      containerId: 'c',
      ifName: 'eth0',
      milliseconds: 1,
      replayed: false,
      pod: 'web/p',
      error,
    });
    const exhausted = () =>
      api.all<Event>('/api/v1/events').filter(({ reason }) => reason === 'AddressesExhausted');
    await until(() => exhausted().length === 2);
    const events = exhausted();
    expect(events.map((one) => one.involvedObject.kind).sort()).toEqual(['Node', 'Pod']);
    expect(events[0]?.message).toContain('all 253 are held. Delete pods of this node');
  });

  test('a server without discovery.k8s.io/v1', async () => {
    api.put(NODES, node('n1', '10.244.3.0/24'));
    api.put(MAPS, settings());
    await start();
    expect((await told('UnsupportedApiServer')).message).toContain(
      'discovery.k8s.io/v1 is not served by this API server',
    );
  });
});

test('a pod is gone when the cluster says so, and not when it is silent', async () => {
  api.put(NODES, node('n1', '10.244.3.0/24'));
  api.put(MAPS, settings());
  const pods = '/api/v1/pods';
  const meta = { namespace: 'web', name: 'p', uid: 'u1' };
  api.put(pods, { metadata: meta, spec: { nodeName: 'n1' } } as never);
  api.put(pods, {
    metadata: { ...meta, name: 'static', annotations: { 'kubernetes.io/config.mirror': 'h' } },
    spec: { nodeName: 'n1' },
  } as never);
  await start();
  const gone = (podName: string, podUid?: string): boolean =>
    source!.podGone({ podNamespace: 'web', podName, ...(podUid ? { podUid } : {}) } as IpamRecord);
  await until(() => gone('nobody'));
  expect([gone('p'), gone('p', 'u1'), gone('p', 'u0'), gone('static', 'u0')]).toEqual([
    false,
    false,
    true,
    false,
  ]);
  expect(source!.podGone({ containerId: 'c' } as IpamRecord)).toBe(false);
  api.intercept = () => 'reset';
  api.dropConnections();
  await until(() => !gone('nobody'));
});
