import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { findService } from '../../../src/lab/machine/index.ts';
import { controlPlaneRef, machineRefOf } from '../../../src/lab/supervisor/machine-files.ts';
import type { ClusterView, HostView, LabStatus } from '../../../src/lab/supervisor/views.ts';
import { chartObjects, chartValues } from '../../chart-objects.ts';
import { putLabAside } from '../lab/aside.ts';
import { flyover, flyoverJson } from '../lab/cli.ts';
import { findKubectl, Kubectl } from '../lab/kubectl.ts';
import { machineState } from '../lab/machine-state.ts';

/**
 * Needs root, and a kubectl. The chart of `deploy/` on a cluster that came without a network, as a stranger brings it
 * there: the image from the repository's script, the objects by `kubectl apply`. What waits waits patiently: up to 2 minutes.
 */
const program = findKubectl();
const root = join(import.meta.dirname, '../../..');
const folder = mkdtempSync(join(tmpdir(), 'fly-test-chart-'));
const kubectl = new Kubectl(program ?? '', join(folder, 'config'));
const IMAGE = 'flyover-test/chart';
const PATIENCE = { timeout: 120_000 };
const WAIT = '--timeout=110s';
const SYSTEM = ['-n', 'kube-system'];
const AGENTS = [...SYSTEM, 'get', 'pods', '-l', 'app.kubernetes.io/component=agent', '-o'];

let before: Record<string, string>;
let bringBack: (() => Promise<void>) | undefined;
let cluster: ClusterView;
const onClose: (() => void)[] = [];

/** The chart, as one text for kubectl. */
function chart(changes: Record<string, unknown> = {}): string {
  const values = chartValues({
    image: { repository: IMAGE, tag: 'test' },
    settings: { podCIDRs: cluster.podCidr, routing: 'fabric' },
    apiServer: { host: cluster.apiServerAddress, port: '443' },
    ...changes,
  });
  return chartObjects(values)
    .map((object) => stringify(object))
    .join('---\n');
}

/** A pod on one of the nodes, running. Returns its address. */
async function runPod(name: string, node: number, image: string, script?: string): Promise<string> {
  const command = script === undefined ? {} : { command: ['sh', '-c', script] };
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: {
      nodeSelector: { 'kubernetes.io/hostname': cluster.nodes[node]!.name },
      terminationGracePeriodSeconds: 1,
      containers: [{ name: 'c', image, ...command }],
    },
  };
  await kubectl.feed(stringify(pod), 'apply', '-f', '-');
  await kubectl.ok('wait', '--for=condition=Ready', `pod/${name}`, WAIT);
  return await kubectl.ok('get', 'pod', name, '-o', 'jsonpath={.status.podIP}');
}

/** How many lines a pod has got through its one long connection. */
async function linesAt(pod: string): Promise<number> {
  const [last = ''] = (await kubectl.ok('logs', pod, '--tail=1')).split('\n');
  return Number(/^line (\d+)$/.exec(last)?.[1] ?? Number.NaN);
}

/** What a node has of this network, by the kernel and its disk. */
async function tracesOn(node: number): Promise<string> {
  const look =
    'ls /etc/cni/net.d; ls /opt/cni/bin | grep flyover; nft list tables | grep flyover; ip route show proto 70; ip -o link | grep -v -e ": lo:" -e ": eth0@"';
  const { stdout } = await flyover('node', 'exec', 'byo', String(node), '--', 'sh', '-c', look);
  return stdout;
}

beforeAll(async () => {
  bringBack = await putLabAside();
  before = machineState();
  expect((await flyover('up')).code).toBe(0);
  const archive = join(folder, 'image.tar');
  const build = [join(root, 'scripts/build-image.ts'), archive, '--name', `${IMAGE}:test`];
  const [made] = await Promise.all([
    flyoverJson<ClusterView>('cluster', 'create', 'byo', '--nodes', '2', '--network-plugin', 'none'),
    promisify(execFile)(process.execPath, build),
  ]);
  cluster = made;
  await flyoverJson('image', 'load', archive);
  writeFileSync(join(folder, 'config'), (await flyover('kubeconfig', 'byo')).stdout, { mode: 0o600 });
}, 240_000);
afterAll(async () => {
  for (const close of onClose) close();
  await flyover('image', 'remove', `${IMAGE}:test`);
  await bringBack?.();
  rmSync(folder, { recursive: true, force: true });
}, 240_000);

describe.runIf(program !== undefined)('the chart, on a cluster without a network', () => {
  test('before it nodes are there and NotReady, and nothing of ours runs on them', PATIENCE, async () => {
    expect(cluster).toMatchObject({
      state: 'Succeeded',
      networkPlugin: 'none',
      controlPlane: { apiServer: 'running', operator: 'none' },
      nodes: [{ agent: 'none', kubelet: 'running' }, { agent: 'none' }],
    });
    const status = await flyoverJson<LabStatus>('status');
    expect(status.clusters[0]).toMatchObject({ networkPlugin: 'none', nodes: 2 });
    expect(findService(controlPlaneRef('byo'), 'operator')).toBeUndefined();
    for (const [i, node] of cluster.nodes.entries()) {
      expect(findService(machineRefOf(node.name), 'agent')).toBeUndefined();
      expect(await tracesOn(i)).toBe('');
      const described = await kubectl.ok('describe', 'node', node.name);
      expect(described).toMatch(/Ready\s+False\s.*NetworkReady=false/);
      expect(described).toContain(`flyover.dev/requested-pod-cidrs: ${node.nodeBlock}`);
      expect(described).not.toContain('PodCIDR');
    }
  });

  test('it is taken as it is, runs on NotReady nodes, and makes them Ready', PATIENCE, async () => {
    await kubectl.feed(chart(), 'apply', '-f', '-');
    await kubectl.ok(...SYSTEM, 'rollout', 'status', 'daemonset/flyover-agent', WAIT);
    await kubectl.ok(...SYSTEM, 'rollout', 'status', 'deployment/flyover-operator', WAIT);
    await kubectl.ok('wait', '--for=condition=Ready', 'nodes', '--all', WAIT);
    // The blocks are those that the lab routes.
    for (const { name, nodeBlock } of cluster.nodes)
      expect(await kubectl.ok('get', 'node', name, '-o', 'jsonpath={.spec.podCIDR}')).toBe(nodeBlock);
  });

  test('pods reach each other across nodes, and the outside under their node', PATIENCE, async () => {
    const [web, client] = await Promise.all([
      runPod('web', 0, 'nginx'),
      runPod('client', 1, 'busybox', 'sleep 1d'),
    ]);
    const blockOf = (node: number): string => cluster.nodes[node]!.nodeBlock.replace(/0\/24$/, '');
    expect([web.startsWith(blockOf(0)), client.startsWith(blockOf(1))]).toEqual([true, true]);
    await kubectl.ok('exec', 'client', '--', 'wget', '-qO-', '-T', '20', `http://${web}/`);
    await expect.poll(() => kubectl.ok('logs', 'web'), PATIENCE).toContain(client);

    const host = await flyoverJson<HostView>('host', 'add', 'outside', '--vnet', cluster.virtualNetwork);
    const answer = `require('http').createServer((q, a) => a.end(q.socket.remoteAddress)).listen(8080, '0.0.0.0', () => console.log('listens'))`;
    const server = spawn('nsenter', [`--net=${host.namespace}`, process.execPath, '-e', answer]);
    onClose.push(() => server.kill('SIGKILL'));
    await once(server.stdout, 'data');
    const url = `http://${host.properties.address}:8080/`;
    const seen = await kubectl.ok('exec', 'client', '--', 'wget', '-qO-', '-T', '20', url);
    expect(seen).toBe(cluster.nodes[1]!.address);
  });

  test('new agents on all nodes keep pods, addresses and connections', PATIENCE, async () => {
    const address = await runPod('sink', 0, 'busybox', 'sleep 1d | nc -l -p 7000; echo ended');
    const send = `(i=0; while :; do echo line $i; i=$((i+1)); sleep 0.1; done) | nc ${address} 7000; echo ended`;
    const source = await runPod('source', 1, 'busybox', send);
    await expect.poll(() => linesAt('sink'), PATIENCE).toBeGreaterThan(0);
    const former = await kubectl.ok(...AGENTS, 'name');
    await kubectl.ok(...SYSTEM, 'rollout', 'restart', 'daemonset/flyover-agent');
    await kubectl.ok(...SYSTEM, 'rollout', 'status', 'daemonset/flyover-agent', WAIT);
    const now = await kubectl.ok(...AGENTS, 'name');
    for (const name of former.trim().split('\n')) expect(now).not.toContain(name);
    const reached = await linesAt('sink');
    await expect.poll(() => linesAt('sink'), PATIENCE).toBeGreaterThan(reached);
    expect(await kubectl.ok('logs', 'source')).toBe('');
    expect(await kubectl.ok('get', 'nodes', '--no-headers')).not.toContain('NotReady');
    const address2 = await runPod('later', 1, 'busybox', 'sleep 1d');
    const pods = await kubectl.ok('get', 'pods', '-o', 'jsonpath={.items[*].status.podIP}');
    expect(pods.split(' ')).toEqual(expect.arrayContaining([address, source, address2]));
    expect(new Set(pods.split(' ')).size).toBe(5);
  });

  test('it takes itself away, when a node has no pods of it any more', PATIENCE, async () => {
    await kubectl.feed(chart({ uninstall: true }), 'apply', '-f', '-');
    const log = async (): Promise<string> => {
      const [name] = (
        await kubectl.ok(...AGENTS, 'jsonpath={.items[?(@.status.phase=="Pending")].metadata.name}')
      ).split(' ');
      return name ? (await kubectl.run([...SYSTEM, 'logs', name, '-c', 'uninstall'])).stdout : '';
    };
    await expect.poll(log, PATIENCE).toMatch(/waiting for \d pod interfaces to go: drain the node/);
    // Nothing was taken from the pods that are there.
    const reached = await linesAt('sink');
    await expect.poll(() => linesAt('sink'), PATIENCE).toBeGreaterThan(reached);
    // As its README says; the budget of the cluster's DNS would keep the last one.
    const names = cluster.nodes.map(({ name }) => name);
    const away = ['--ignore-daemonsets', '--force', '--disable-eviction', '--delete-emptydir-data'];
    await kubectl.ok('drain', ...names, ...away, WAIT);
    await kubectl.ok(...SYSTEM, 'rollout', 'status', 'daemonset/flyover-agent', WAIT);
    for (const i of cluster.nodes.keys()) expect(await tracesOn(i)).toBe('');
    await kubectl.ok('wait', '--for=condition=Ready=False', 'nodes', '--all', WAIT);
    await kubectl.feed(chart(), 'delete', '--timeout=110s', '-f', '-');
    expect(await kubectl.ok(...AGENTS, 'name')).toBe('');
  });

  test('down leaves the machine as it was', PATIENCE, async () => {
    for (const close of onClose.splice(0)) close();
    expect((await flyover('down')).code).toBe(0);
    expect(machineState()).toEqual(before);
  });
});
