import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findService } from '../../../src/lab/machine/index.ts';
import { controlPlaneRef, machineRefOf } from '../../../src/lab/supervisor/machine-files.ts';
import { runningSupervisor } from '../../../src/lab/supervisor/run-folder.ts';
import type { ClusterView } from '../../../src/lab/supervisor/views.ts';
import { putLabAside } from './aside.ts';
import { flyover, flyoverJson } from './cli.ts';
import { findKubectl, Kubectl } from './kubectl.ts';
import { machineState } from './machine-state.ts';

/** Needs root, and a kubectl. A cluster of the lab, used as people use a cluster: by kubectl as it is. */
const program = findKubectl();
const folder = mkdtempSync(join(tmpdir(), 'fly-test-kubectl-'));
const kubeconfig = join(folder, 'config');
const kubectl = new Kubectl(program ?? '', kubeconfig);
let before: Record<string, string>;
let bringBack: (() => Promise<void>) | undefined;
let cluster: ClusterView;

beforeAll(async () => {
  bringBack = await putLabAside();
  before = machineState();
  expect((await flyover('up')).code).toBe(0);
  cluster = await flyoverJson<ClusterView>('cluster', 'create', 'k8s', '--nodes', '2', '--max-pods', '30');
  writeFileSync(kubeconfig, (await flyover('kubeconfig', 'k8s')).stdout, { mode: 0o600 });
}, 240_000);
afterAll(async () => {
  await bringBack?.();
  rmSync(folder, { recursive: true, force: true });
}, 240_000);

const SHELL = `apiVersion: v1
kind: Pod
metadata: { name: shell, labels: { app: shell } }
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: shell
    image: busybox
    command: [sh, -c, 'echo started; while :; do sleep 1; done']
`;

describe.runIf(program !== undefined)('a cluster of the lab, by kubectl', () => {
  test('nodes are Ready, with their addresses, their pod ranges and room for max pods', async () => {
    const wide = await kubectl.ok('get', 'nodes', '-o', 'wide', '--no-headers');
    expect(wide.trim().split('\n')).toHaveLength(2);
    for (const node of cluster.nodes) {
      expect(wide).toMatch(new RegExp(`${node.name}\\s+Ready\\s+.*\\s${node.address}\\s`));
      const described = await kubectl.ok('describe', 'node', node.name);
      expect(described).toContain(`PodCIDR:                      ${node.nodeBlock}`);
      expect(described).toMatch(/Allocatable:\n(.*\n)*?\s+pods:\s+30\n/);
      expect(described).toMatch(/NetworkUnavailable\s+False\s.*FlyoverIsUp/);
    }
  });

  test('the operator gave the blocks, and says so', async () => {
    const node = JSON.parse(
      await kubectl.ok('get', 'node', cluster.nodes[0]!.name, '-o', 'json', '--show-managed-fields'),
    );
    const owner = node.metadata.managedFields.find(
      (entry: { fieldsV1: Record<string, object> }) => 'f:podCIDR' in (entry.fieldsV1['f:spec'] ?? {}),
    );
    expect(owner.manager).toBe('flyover');
  });

  test('a pod runs: logs, exec with stdin and exit code, files in and out', async () => {
    await kubectl.feed(SHELL, 'apply', '-f', '-');
    await kubectl.ok('wait', '--for=condition=Ready', 'pod/shell', '--timeout=60s');
    expect(await kubectl.ok('logs', 'shell')).toBe('started\n');
    expect(await kubectl.ok('exec', 'shell', '--', 'echo', 'over there')).toBe('over there\n');
    expect(await kubectl.feed('through a pipe', 'exec', '-i', 'shell', '--', 'cat')).toBe('through a pipe');
    expect((await kubectl.run(['exec', 'shell', '--', 'sh', '-c', 'exit 7'])).code).toBe(7);
    writeFileSync(join(folder, 'in'), 'some bytes');
    await kubectl.ok('cp', join(folder, 'in'), 'shell:/tmp/in');
    await kubectl.ok('cp', 'shell:/tmp/in', join(folder, 'out'));
    expect(readFileSync(join(folder, 'out'), 'utf8')).toBe('some bytes');
    const pod = JSON.parse(await kubectl.ok('get', 'pod', 'shell', '-o', 'json'));
    const node = cluster.nodes.find(({ name }) => name === pod.spec.nodeName)!;
    expect(pod.status.podIP.split('.').slice(0, 3)).toEqual(node.nodeBlock.split('.').slice(0, 3));
    expect(pod.status.hostIP).toBe(node.address);
  });

  test('run --rm leaves nothing behind', async () => {
    const { code, stdout } = await kubectl.run(
      ['run', 'once', '--rm', '-i', '--restart=Never', '--image=busybox', '--', 'cat'],
      { stdin: 'typed\n' },
    );
    expect([code, stdout]).toEqual([0, expect.stringContaining('typed\n')]);
    expect(await kubectl.ok('get', 'pods', '--ignore-not-found', 'once')).toBe('');
  });

  test('port-forward reaches a server in a pod', async () => {
    await kubectl.ok('run', 'web', '--image=nginx', '--port=80');
    await kubectl.ok('wait', '--for=condition=Ready', 'pod/web', '--timeout=90s');
    const forward = kubectl.start(['port-forward', 'pod/web', ':80']);
    const [line] = (await once(forward.stdout!, 'data')) as [Buffer];
    const port = /127\.0\.0\.1:(\d+) -> 80/.exec(line.toString())![1];
    for (let i = 0; i < 3; i++) {
      const page = await fetch(`http://127.0.0.1:${port}/`);
      expect([page.status, await page.text()]).toEqual([200, expect.stringContaining('<html')]);
    }
    forward.kill();
    await kubectl.ok('delete', 'pod', 'web', '--now');
  });

  test('a Deployment rolls out, rolls back, and moves off a drained node', { timeout: 180_000 }, async () => {
    // Not `sleep` alone: as a container's first process it is deaf to SIGTERM, and each deletion takes its 30 s.
    const program = ['sh', '-c', 'trap exit TERM; sleep 1d & wait'];
    await kubectl.ok('create', 'deployment', 'app', '--image=busybox', '--replicas=4', '--', ...program);
    await kubectl.ok('rollout', 'status', 'deployment/app', '--timeout=90s');
    await kubectl.ok('set', 'image', 'deployment/app', 'busybox=localhost/no/such:image');
    const stuck = await kubectl.run(['rollout', 'status', 'deployment/app', '--timeout=2s']);
    expect(stuck.code).not.toBe(0);
    await kubectl.ok('rollout', 'undo', 'deployment/app');
    await kubectl.ok('rollout', 'status', 'deployment/app', '--timeout=90s');
    const [node] = cluster.nodes;
    await kubectl.ok(
      ...['drain', node!.name, '--ignore-daemonsets', '--force', '--delete-emptydir-data', '--timeout=90s'],
    );
    await kubectl.ok('rollout', 'status', 'deployment/app', '--timeout=90s');
    const hosts = await kubectl.ok(
      ...['get', 'pods', '-l', 'app=app', '-o', 'jsonpath={range .items[*]}{.spec.nodeName}{"\\n"}{end}'],
    );
    expect(new Set(hosts.trim().split('\n'))).toEqual(new Set([cluster.nodes[1]!.name]));
    await kubectl.ok('uncordon', node!.name);
    await kubectl.ok('delete', 'deployment', 'app', '--cascade=foreground', '--timeout=60s');
    expect(await kubectl.ok('get', 'pods', '-l', 'app=app', '-o', 'name')).toBe('');
  });

  test('bad manifests are refused by their fields', async () => {
    const { code, stderr } = await kubectl.run(['apply', '-f', '-'], {
      stdin: SHELL.replace('image: busybox', 'imagee: busybox').replace('name: shell,', 'name: shell2,'),
    });
    expect([code, stderr]).toEqual([1, expect.stringContaining('unknown field "spec.containers[0].imagee"')]);
  });

  test('whatever daemon is killed, containers run on and what was acknowledged is there', {
    timeout: 180_000,
  }, async () => {
    await kubectl.feed(SHELL.replace('name: shell,', 'name: survivor,'), 'apply', '-f', '-');
    await kubectl.ok('wait', '--for=condition=Ready', 'pod/survivor', '--timeout=60s');
    const idOf = async (): Promise<string> =>
      await kubectl.ok('get', 'pod', 'survivor', '-o', 'jsonpath={.status.containerStatuses[0].containerID}');
    const container = await idOf();
    const services = [
      ...['apiserver', 'controllers', 'operator'].map((name) => [controlPlaneRef('k8s'), name] as const),
      ...cluster.nodes.flatMap((node) =>
        ['kubelet', 'agent'].map((name) => [machineRefOf(node.name), name] as const),
      ),
    ];
    await kubectl.ok('create', 'configmap', 'before');
    for (const [ref, name] of services) process.kill(findService(ref, name)!.process.pid, 'SIGKILL');
    await expect
      .poll(async () => (await kubectl.run(['get', 'configmap', 'before', '-o', 'name'])).stdout, {
        timeout: 30_000,
      })
      .toBe('configmap/before\n');
    await kubectl.ok('wait', '--for=condition=Ready', 'nodes', '--all', '--timeout=60s');
    await kubectl.ok('delete', 'pod', 'shell', '--ignore-not-found', '--timeout=60s');
    await kubectl.ok('run', 'after', '--image=busybox', '--', 'sleep', '1d');
    await kubectl.ok('wait', '--for=condition=Ready', 'pod/after', '--timeout=60s');
    expect(await idOf()).toBe(container);
  });

  test('a pod that is deleted while its node has no agent is cleaned up when there is one again', async () => {
    await kubectl.feed(SHELL.replace('name: shell,', 'name: orphan,'), 'apply', '-f', '-');
    await kubectl.ok('wait', '--for=condition=Ready', 'pod/orphan', '--timeout=60s');
    const host = await kubectl.ok('get', 'pod', 'orphan', '-o', 'jsonpath={.spec.nodeName}');
    /** Releases that wait for an agent. The link has gone with the pod's namespace. */
    const folder = join(machineRefOf(host).stateDir, 'var/lib/flyover/pending-del');
    const queued = (): string[] => (existsSync(folder) ? readdirSync(folder) : []);
    expect(queued()).toEqual([]);
    // Nobody starts it again while there is no supervisor.
    const supervisor = runningSupervisor()!;
    process.kill(supervisor.pid, 'SIGKILL');
    const agent = findService(machineRefOf(host), 'agent')!.process;
    process.kill(agent.pid, 'SIGKILL');
    await kubectl.ok('delete', 'pod', 'orphan', '--timeout=60s');
    expect(queued()).not.toEqual([]);
    expect((await flyover('up')).code).toBe(0);
    await expect.poll(queued, { timeout: 30_000 }).toEqual([]);
  });

  test('flyover env gives kubectl its cluster', async () => {
    const { stdout } = await flyover('env', 'k8s');
    const path = /^export KUBECONFIG=(\S+)\n$/.exec(stdout)![1]!;
    expect(await new Kubectl(program!, path).ok('config', 'current-context')).toContain('k8s');
  });

  test('down leaves the machine as it was', async () => {
    expect((await flyover('down')).code).toBe(0);
    expect(machineState()).toEqual(before);
  });
});
