import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Pod } from '../../kube/types.ts';
import { ensureImage, importImage, normalizedName, PAUSE, type Recipe } from '../images/index.ts';
import {
  contentStore,
  criSocket,
  findService,
  insideMachine,
  isAlive,
  type Machine,
  type MachineSpec,
  prepareContainerd,
  type Service,
  signal,
  startMachine,
  startService,
  waitForContainerd,
} from '../machine/index.ts';
import { output } from '../machine/testing.ts';
import { CriClient } from './cri.ts';

/** Needs no package: this machine's static busybox. It waits when it is told nothing. */
export const TINY: Recipe = {
  name: 'fly-test/tiny',
  layers: [
    {
      packages: [],
      hostFiles: { '/usr/bin/busybox': 'bin/busybox' },
      links: Object.fromEntries(
        [
          'sh',
          'cat',
          'ls',
          'sleep',
          'wget',
          'httpd',
          'nc',
          'true',
          'id',
          'env',
          'hostname',
          'stat',
          'mkdir',
          'test',
        ].map((name) => [`bin/${name}`, 'busybox']),
      ),
    },
  ],
  defaults: { command: ['/bin/sh', '-c', 'trap "exit 0" TERM; while :; do sleep 1; done'] },
};
export const TINY_NAME = normalizedName(TINY.name);

export interface TestNode {
  readonly machine: Machine;
  readonly cri: CriClient;
  /** The kubelet's own arguments. */
  readonly argv: readonly string[];
  service: Service;
}

const STATIC = '/var/lib/static-pods';

/** A machine with containerd, the reference ptp plugin and the images of the tests. */
export async function startRuntime(spec: MachineSpec, images: string, subnet: string): Promise<Machine> {
  const machine = await startMachine(spec);
  await output(machine, 'ip', 'link', 'set', 'lo', 'up');
  await output(machine, 'ip', 'address', 'add', spec.addresses[0]!, 'dev', 'lo');
  await startService(machine, await prepareContainerd(machine, { pauseImage: normalizedName(PAUSE.name) }));
  await waitForContainerd(machine);
  const ipam = { type: 'host-local', ranges: [[{ subnet }]], routes: [{ dst: '0.0.0.0/0' }] };
  const conflist = { cniVersion: '1.0.0', name: 'fly-test', plugins: [{ type: 'ptp', ipam }] };
  writeFileSync(insideMachine(machine, '/etc/cni/net.d/10-test.conflist'), JSON.stringify(conflist));
  for (const recipe of [PAUSE, TINY]) {
    await importImage(criSocket(machine), await ensureImage(recipe, images), {
      contentStore: contentStore(machine),
    });
  }
  return machine;
}

/** Starts the kubelet from the source on such a machine. @param more - further arguments */
export async function startKubeletOn(
  machine: Machine,
  more: readonly string[] = ['--static-pods', STATIC],
): Promise<TestNode> {
  const argv = [
    process.execPath,
    process.env.KUBELET_BUNDLE ?? join(import.meta.dirname, 'main.ts'),
    ...['--node-name', machine.hostname, '--node-ip', machine.addresses[0]!, '--max-pods', '300'],
    ...more,
  ];
  mkdirSync(insideMachine(machine, STATIC), { recursive: true });
  const service = await startService(machine, { name: 'kubelet', argv });
  const node = { machine, cri: new CriClient(criSocket(machine)), argv, service };
  await until('the kubelet', () => healthy(node));
  return node;
}

/** Kills the kubelet as a crash would, and starts it again. */
export async function restartKubelet(node: TestNode): Promise<void> {
  await killKubelet(node);
  await resumeKubelet(node);
}

export async function killKubelet(node: TestNode): Promise<void> {
  signal(node.service.process, 'SIGKILL');
  await until('its end', async () => !isAlive(node.service.process) || undefined);
}

export async function resumeKubelet(node: TestNode): Promise<void> {
  rmSync(insideMachine(node.machine, '/run/kubelet/kubelet.sock'), { force: true });
  node.service = await startService(node.machine, { name: 'kubelet', argv: node.argv });
  await until('the kubelet', () => healthy(node));
  if (!findService(node.machine, 'kubelet')) throw new Error('the kubelet ended');
}

async function healthy(node: TestNode): Promise<true | undefined> {
  return (await ask(node, '/healthz').catch(() => '')) === 'ok' ? true : undefined;
}

function ask(node: TestNode, path: string): Promise<string> {
  const socketPath = insideMachine(node.machine, '/run/kubelet/kubelet.sock');
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, path }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve(text));
    });
    sent.on('error', reject);
    sent.end();
  });
}

/** The node's pods as its kubelet sees them. */
export async function podsOf(node: TestNode): Promise<Pod[]> {
  return (JSON.parse(await ask(node, '/pods')) as { items: Pod[] }).items;
}

export async function podOf(node: TestNode, name: string): Promise<Pod | undefined> {
  const full = `${name}-${node.machine.hostname}`;
  return (await podsOf(node)).find((pod) => pod.metadata?.name === full);
}

/** Waits until a static pod is as it should be. */
export function podWhere(
  node: TestNode,
  name: string,
  test: (pod: Pod) => boolean,
  timeoutMs = 30_000,
): Promise<Pod> {
  let last: Pod | undefined;
  return until(
    `pod ${name}`,
    async () => {
      last = await podOf(node, name);
      return last && test(last) ? last : undefined;
    },
    timeoutMs,
    () => JSON.stringify(last?.status),
  );
}

export const isReady = (pod: Pod): boolean =>
  pod.status?.conditions?.some((each) => each.type === 'Ready' && each.status === 'True') ?? false;

export async function until<T>(
  what: string,
  look: () => Promise<T | undefined>,
  timeoutMs = 30_000,
  state: () => string | undefined = () => undefined,
): Promise<T> {
  for (const deadline = Date.now() + timeoutMs; ; await delay(50)) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what} ${state() ?? ''}`);
  }
}

/** A pod of one container of the tests' image. */
export function tinyPod(name: string, container: object = {}, spec: object = {}, metadata: object = {}): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', ...metadata },
    spec: {
      terminationGracePeriodSeconds: 2,
      ...spec,
      containers: [{ name: 'main', image: TINY_NAME, imagePullPolicy: 'Never', ...container }],
    },
  };
}

const file = (node: TestNode, name: string): string =>
  insideMachine(node.machine, join(STATIC, `${name}.json`));

/** Gives the node static pods. */
export function place(node: TestNode, ...pods: Pod[]): void {
  for (const pod of pods) {
    const path = file(node, pod.metadata!.name!);
    writeFileSync(`${path}.new`, JSON.stringify(pod));
    renameSync(`${path}.new`, path);
  }
}

export function unplace(node: TestNode, ...names: string[]): void {
  for (const name of names) rmSync(file(node, name), { force: true });
}

/** Runs a program in a pod's container. @returns its output, and its status when that is not 0 */
export async function execIn(node: TestNode, pod: Pod, ...argv: string[]): Promise<string> {
  const id = pod.status?.containerStatuses?.[0]?.containerID?.slice('containerd://'.length) ?? '';
  const { stdout, stderr, exitCode } = await node.cri.execSync(id, argv, 10);
  return `${stdout.toString()}${stderr.toString()}${exitCode === 0 ? '' : ` exit ${exitCode}`}`;
}
