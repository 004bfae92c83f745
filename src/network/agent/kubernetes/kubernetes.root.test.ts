import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { KubeClient } from '../../../kube/client.ts';
import { EVENTS, NODES, PODS } from '../../../kube/resources.ts';
import type { NodeCondition } from '../../../kube/types.ts';
import { bundleAgent, memoryOf, NOTHING_LEFT, TestNode } from '../testing.ts';
import { NodeCluster } from '../testing-cluster.ts';

/** The agent in a node of its own, on the embedded API server. */
let bundle: string;
let node: TestNode;
let cluster: NodeCluster;
let admin: KubeClient;
let source: string[];

beforeAll(async () => {
  bundle = await bundleAgent();
  node = new TestNode(bundle);
  cluster = await NodeCluster.start(node);
  ({ admin, source } = cluster);
});

afterAll(async () => {
  await node.close();
  await cluster.close();
  rmSync(bundle);
});

async function until<T>(read: () => Promise<T | undefined | false>): Promise<T> {
  for (const end = performance.now() + 30_000; performance.now() < end; ) {
    const value = await read();
    if (value) return value;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`it did not come: ${node.log}`);
}

const condition = async (): Promise<NodeCondition | undefined> =>
  (await admin.get(NODES, { name: 'n1' })).status?.conditions?.find(
    ({ type }) => type === 'NetworkUnavailable',
  );

it('waits for its Node and its block, then serves and says so', async () => {
  await node.start({}, { source, ready: false });
  await node.logged(/is no Node of this cluster/);
  await cluster.addNode();
  await node.logged(/has no block for pods yet/);
  expect(existsSync(node.path('run/agent.sock'))).toBe(false);
  expect((await until(condition)).status).toBe('True');
  await cluster.giveBlock();
  await node.logged(/configuration applied/);
  await until(async () => (await condition())?.reason === 'FlyoverIsUp');
});

it('attaches pods, and knows whose addresses they have', async () => {
  const answer = await node.add('one', { uid: 'uid-1' });
  expect(answer?.json.ips[0].address).toBe('10.244.5.2/32');
  expect(node.net.pings('one', '10.0.1.1')).toBe(true);
  expect(node.records()).toMatchObject([{ podName: 'one', podNamespace: 'default', podUid: 'uid-1' }]);
  expect(
    node.metric('flyover_pod_info{namespace="default",pod="one",uid="uid-1",address="10.244.5.2"}'),
  ).toBe(1);
  expect(node.metric('flyover_kubernetes_connected')).toBe(1);
});

it('follows the settings; a bad one is an event, and changes nothing', async () => {
  await cluster.setting({ routing: 'bgp' });
  const event = await until(async () =>
    (await admin.list(EVENTS)).items.find((one) => one.reason === 'InvalidSettings'),
  );
  expect(event.message).toContain("routing 'bgp' is not one of the choices; use fabric, direct, vxlan, auto");
  expect(node.page('/readyz')).toBe('ok\n');
  await cluster.setting({ routing: 'fabric', maxPods: '50' });
  await node.logged(/configuration applied/);
});

it('costs little more than without a cluster', async () => {
  const alone = new TestNode(bundle);
  await alone.start();
  for (const one of [node, alone]) {
    for (let i = 0; i < 10; i++) await one.add(`memory-${i}`);
    for (let i = 0; i < 10; i++) await one.cni('DEL', `memory-${i}`);
  }
  const [inCluster, standalone] = [memoryOf(node.pid), memoryOf(alone.pid)];
  console.log('own memory of the agent, MB:', { inCluster: inCluster.own, standalone: standalone.own });
  expect(inCluster.own - standalone.own).toBeLessThan(18);
  await alone.close();
});

it('works on without an API server, also after a restart', async () => {
  cluster.away = true;
  expect((await node.add('two'))?.exit).toBe(0);
  await node.stop('SIGKILL');
  expect(node.net.pings('one', '10.0.1.1')).toBe(true);
  await node.start({}, { source });
  expect(node.metric('flyover_kubernetes_connected')).toBe(0);
  expect((await node.add('three'))?.json.ips[0].address).toMatch(/^10\.244\.5\./);
  expect((await node.cni('DEL', 'one'))?.exit).toBe(0);
  expect(JSON.parse(readFileSync(node.path('state/kubernetes.json'), 'utf8')).nodeBlocks).toEqual([
    '10.244.5.0/24',
  ]);
  await cluster.api.restart();
  cluster.away = false;
  await until(async () => node.metric('flyover_kubernetes_connected') === 1);
  for (const name of ['two', 'three']) expect((await node.cni('DEL', name))?.exit).toBe(0);
  expect(node.leftovers()).toEqual(NOTHING_LEFT);
  expect((await admin.list(PODS)).items).toEqual([]);
});

it('refuses what is no cluster', async () => {
  await node.stop();
  const wrong = node.path('wrong.kubeconfig');
  writeFileSync(wrong, 'contexts: []');
  await expect(node.start({}, { source: ['--kubeconfig', wrong, '--node-name', 'n1'] })).rejects.toThrow(
    'current-context is not set',
  );
  await expect(node.start({}, { source: ['--kubeconfig', wrong, '--node-name', 'N_1'] })).rejects.toThrow(
    "--node-name 'N_1' is not a node's name",
  );
});
