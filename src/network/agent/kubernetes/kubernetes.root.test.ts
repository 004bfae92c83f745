import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { KubeClient } from '../../../kube/client.ts';
import { loadKubeConfig } from '../../../kube/kube-config.ts';
import { CONFIG_MAPS, EVENTS, NODES, PODS } from '../../../kube/resources.ts';
import type { Node, NodeCondition } from '../../../kube/types.ts';
import { startTestApiServer, type TestApiServer } from '../../../lab/kubernetes/server/testing.ts';
import { bundleAgent, memoryOf, NOTHING_LEFT, TestNode } from '../testing.ts';

/** The agent in a node of its own, on the embedded API server, through a relay into the node's namespace. */
let bundle: string;
let node: TestNode;
let api: TestApiServer;
let admin: KubeClient;
let relay: Server;
let source: string[];
let away = false;
const sockets = new Set<Socket>();

beforeAll(async () => {
  bundle = await bundleAgent();
  node = new TestNode(bundle);
  api = await startTestApiServer();
  admin = new KubeClient(loadKubeConfig({ kubeconfig: api.kubeconfig }));
  const { port } = new URL(api.url);
  relay = createServer((near) => {
    const far = connect(Number(port), '127.0.0.1');
    near.pipe(far).pipe(near);
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    if (away) near.destroy();
  });
  await new Promise<void>((resolve) => relay.listen(node.path('api.sock'), resolve));
  node.net.run('node', 'ip', 'link', 'set', 'lo', 'up');
  node.net.spawn('node', [
    'socat',
    `TCP-LISTEN:${port},bind=127.0.0.1,fork,reuseaddr`,
    `UNIX-CONNECT:${node.path('api.sock')}`,
  ]);
  const kubeconfig = await api.kubeconfigFor('flyover-agent', ['system:masters']);
  source = ['--kubeconfig', kubeconfig, '--node-name', 'n1', '--no-conflist', '--cri', '/nowhere.sock'];
  await admin.create(CONFIG_MAPS, {
    metadata: { namespace: 'kube-system', name: 'flyover-config' },
    data: { podCIDRs: '10.244.0.0/16', cooldownSeconds: '0' },
  });
});

afterAll(async () => {
  await node.close();
  admin.close();
  relay.close();
  await api.close();
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
  await admin.create(NODES, { metadata: { name: 'n1' } } as Node);
  const address = { status: { addresses: [{ type: 'InternalIP', address: '10.0.1.4' }] } };
  await admin.patch(NODES, { name: 'n1' }, address, { type: 'strategic', subresource: 'status' });
  await node.logged(/has no block for pods yet/);
  expect(existsSync(node.path('run/agent.sock'))).toBe(false);
  expect((await until(condition)).status).toBe('True');
  const block = { spec: { podCIDR: '10.244.5.0/24', podCIDRs: ['10.244.5.0/24'] } };
  await admin.patch(NODES, { name: 'n1' }, block, { type: 'merge' });
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
  const key = { namespace: 'kube-system', name: 'flyover-config' };
  await admin.patch(CONFIG_MAPS, key, { data: { routing: 'bgp' } }, { type: 'merge' });
  const event = await until(async () =>
    (await admin.list(EVENTS)).items.find((one) => one.reason === 'InvalidSettings'),
  );
  expect(event.message).toContain("routing 'bgp' is not one of the choices; use fabric, direct, vxlan, auto");
  expect(node.page('/readyz')).toBe('ok\n');
  await admin.patch(CONFIG_MAPS, key, { data: { routing: 'fabric', maxPods: '50' } }, { type: 'merge' });
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
  away = true;
  for (const socket of sockets) socket.destroy();
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
  await api.restart();
  away = false;
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
