import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DemoReport } from '../../../src/cli/demo/command.ts';

import { namespaceOf } from '../../../src/lab/fabric/names.ts';
import { execInMachine, findMachine, findService, isAlive } from '../../../src/lab/machine/index.ts';
import { namespacePath } from '../../../src/lab/paths.ts';
import { machineRefOf } from '../../../src/lab/supervisor/machine-files.ts';
import { runningSupervisor } from '../../../src/lab/supervisor/run-folder.ts';
import type { ClusterView, LabStatus, NodeView } from '../../../src/lab/supervisor/views.ts';
import { putLabAside } from './aside.ts';
import { flyover, flyoverJson } from './cli.ts';
import { machineState } from './machine-state.ts';
import { Runtimes } from './runtimes.ts';

/** Needs root. Builds the lab that a user builds, and takes it down again; a lab that is there waits meanwhile. */
let before: Record<string, string>;
let bringBack: (() => Promise<void>) | undefined;

beforeAll(async () => {
  bringBack = await putLabAside();
  before = machineState();
});
afterAll(async () => {
  await bringBack?.();
});

async function nodes(cluster: string): Promise<NodeView[]> {
  return await flyoverJson<NodeView[]>('node', 'list', cluster);
}

/** Waits for something that another process does; the last look is the one that is reported. */
async function until<T>(look: () => T | undefined | Promise<T | undefined>, what: string): Promise<T> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    if (Date.now() > deadline) throw new Error(`not within 30 s: ${what}`);
    await sleep(50);
  }
}

async function supervisorAnswers(): Promise<true | undefined> {
  return (await flyover('status')).code === 0 ? true : undefined;
}

/** Starts a supervisor as `up` does, after the former one was killed. */
async function restartSupervisor(): Promise<void> {
  const former = runningSupervisor();
  if (former) process.kill(former.pid, 'SIGKILL');
  await until(() => (former && isAlive(former) ? undefined : true), 'the supervisor is dead');
  expect((await flyover('up')).code).toBe(0);
}

/** Ends a daemon of a node and waits until the supervisor has started it again. */
async function killService(node: NodeView, name: string, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  const pidOf = (): number | undefined => findService(machineRefOf(node.name), name)?.process.pid;
  const former = await until(pidOf, `${name} of ${node.name} runs`);
  process.kill(former, signal);
  await until(() => (pidOf() === former ? undefined : pidOf()), `${name} of ${node.name} is back`);
}

describe('the lab, as its user meets it', () => {
  test('commands before `up` say that the lab is not running, and how to start it', async () => {
    const { code, stderr } = await flyover('cluster', 'list');
    expect(code).toBe(3);
    expect(stderr).toContain('flyover up');
  });

  test('help goes as deep as the commands', async () => {
    const { code, stdout } = await flyover('help', 'cluster', 'create');
    expect([code, stdout]).toEqual([0, expect.stringContaining('--pod-cidr')]);
    expect((await flyover('help', 'nothing')).code).toBe(2);
  });

  test('the demo proves every line, and prints nothing but its report', { timeout: 240_000 }, async () => {
    const { code, stdout, stderr } = await flyover('demo', '-o', 'json');
    const report = JSON.parse(stdout) as DemoReport;
    expect(
      report.lines.filter((line) => !line.ok),
      stderr,
    ).toEqual([]);
    expect(report.lines.length).toBeGreaterThanOrEqual(10);
    expect(report.seconds).toBeGreaterThan(0);
    expect(code).toBe(0);
  });

  test('what the lab is made of can be listed as data', async () => {
    const clusters = await flyoverJson<ClusterView[]>('cluster', 'list');
    expect(clusters.map((cluster) => [cluster.name, cluster.state, cluster.nodes.length])).toEqual([
      ['demo', 'Succeeded', 4],
      ['demo-twin', 'Succeeded', 2],
    ]);
    const status = await flyoverJson<LabStatus>('status');
    expect(status.refused['vnet-demo-vnet']?.outside_to_pod).toBeGreaterThan(0);
    const { stdout } = await flyover('node', 'list', 'demo', '-o', 'yaml');
    expect(stdout).toContain('nodeBlock: 10.244.0.0/24');
  });

  const refused: [string, string[], RegExp][] = [
    [
      'a malformed pod CIDR',
      ['cluster', 'create', 'bad', '--pod-cidr', '10.300.0.0/16'],
      /--pod-cidr '10\.300\.0\.0/,
    ],
    [
      'overlapping CIDRs',
      ['cluster', 'create', 'bad', '--vnet', 'demo-vnet', '--pod-cidr', '10.0.0.0/16'],
      /overlaps/,
    ],
    ['a pod CIDR with no /24', ['cluster', 'create', 'bad', '--pod-cidr', '10.99.0.0/25'], /no \/24/],
    [
      '9 pods on a node',
      ['cluster', 'create', 'bad', '--max-pods', '9'],
      /--max-pods '9' is not a whole number from 10 to 250/,
    ],
    ['251 pods on a node', ['cluster', 'create', 'bad', '--max-pods', '251'], /--max-pods/],
    ['pods that are no number', ['cluster', 'create', 'bad', '--max-pods', 'many'], /--max-pods/],
    [
      'an unknown cluster',
      ['cluster', 'show', 'nothing'],
      /cluster 'nothing' does not exist; there are: demo/,
    ],
    ['an unknown node', ['node', 'exec', 'demo', '9', '--', 'true'], /'9' does not exist/],
    ['an unknown host', ['host', 'exec', 'nobody', '--', 'true'], /host 'nobody' does not exist/],
    ['a node to an unknown cluster', ['node', 'add', 'nothing'], /does not exist/],
    ['an unknown option', ['cluster', 'create', 'bad', '--pods', '3'], /unknown option/],
    ['a network in use', ['vnet', 'delete', 'demo-vnet'], /is in use by cluster demo/],
  ];
  test('bad input is refused with a clear error and changes nothing', async () => {
    const dump = async () =>
      JSON.stringify([await flyoverJson('cluster', 'list'), await flyoverJson('vnet', 'list')]);
    const was = await dump();
    for (const [what, argv, message] of refused) {
      const { code, stderr, stdout } = await flyover(...argv);
      expect([what, code, stdout]).toEqual([what, 2, '']);
      expect(stderr).toMatch(message);
    }
    expect(await dump()).toBe(was);
  });

  test('a pod that sends from an address of another pod is dropped and counted by its node', async () => {
    const [node] = await nodes('demo');
    const machine = findMachine(machineRefOf(node!.name))!;
    const pod = await somePod(node!);
    const counter = (): number => {
      const out = execFileSync('nsenter', [
        `--net=${namespacePath(namespaceOf.node(node!.name))}`,
        ...['nft', '-j', 'list', 'counters'],
      ]);
      const { nftables } = JSON.parse(out.toString()) as {
        nftables: { counter?: { name: string; packets: number } }[];
      };
      return nftables.find((entry) => entry.counter?.name === 'spoofed')?.counter?.packets ?? -1;
    };
    const was = counter();
    const inPod = (...argv: string[]) => ['nsenter', `--net=${pod.netns}`, '--', ...argv];
    const run = async (argv: string[]): Promise<number | null> => {
      const child = execInMachine(machine, argv);
      return await new Promise((resolve) => child.once('close', resolve));
    };
    expect(await run(inPod('ip', 'addr', 'add', '10.244.0.200/32', 'dev', 'lo'))).toBe(0);
    expect(await run(inPod('ping', '-n', '-c', '1', '-W', '1', '-I', '10.244.0.200', '10.244.1.1'))).not.toBe(
      0,
    );
    expect(await run(inPod('ip', 'addr', 'del', '10.244.0.200/32', 'dev', 'lo'))).toBe(0);
    expect(counter()).toBeGreaterThan(was);
  });

  test('restarting agents and supervisor under a stream and a ping flood loses nothing', {
    timeout: 120_000,
  }, async () => {
    const [one, two] = (await nodes('demo')) as [NodeView, NodeView];
    const runtimes = new Runtimes();
    const from = await runningContainer(runtimes, one, 'a');
    const to = await runningContainer(runtimes, two, 'c');
    const sink = runtimes.of(two).execSync(to.container, ['sh', '-c', 'nc -l 9000 | wc -c'], 60);
    const address = to.address;
    const bytes = 400 * 1024 * 1024;
    const send = `sleep 0.3; head -c ${bytes} /dev/zero | nc -N ${address} 9000`;
    const stream = runtimes.of(one).execSync(from.container, ['sh', '-c', send], 60);
    const flood = runtimes
      .of(one)
      .execSync(from.container, ['ping', '-q', '-i', '0.002', '-c', '4000', address], 60);

    for (const node of [one, two]) {
      await killService(node, 'agent');
    }
    await restartSupervisor();
    for (const node of [one, two]) await killService(node, 'agent', 'SIGTERM');

    const [received, sent, pinged] = await Promise.all([sink, stream, flood]);
    expect(Buffer.from(sent.stderr).toString()).toBe('');
    expect(Buffer.from(received.stdout).toString().trim()).toBe(String(bytes));
    expect(Buffer.from(pinged.stdout).toString()).toMatch(
      /4000 packets transmitted, 4000 received, 0% packet loss/,
    );
    runtimes.close();
  });

  test('a supervisor killed in the middle of creating a cluster: the next one finishes it', {
    timeout: 120_000,
  }, async () => {
    const creating = flyover('cluster', 'create', 'phoenix', '--nodes', '2', '--vnet', 'demo-vnet');
    await until(
      async () => (await flyover('cluster', 'show', 'phoenix')).code === 0 || undefined,
      'accepted',
    );
    await restartSupervisor();
    const { code, stderr } = await creating;
    expect(code).toBe(1);
    expect(stderr).toContain('it goes on with it when it is back');
    await until(
      async () =>
        (await flyoverJson<ClusterView>('cluster', 'show', 'phoenix')).state === 'Succeeded' || undefined,
      'the cluster is there',
    );
    const made = await nodes('phoenix');
    expect(made.map((node) => [node.nodeBlock, node.agent])).toEqual([
      ['10.244.0.0/24', 'running'],
      ['10.244.1.0/24', 'running'],
    ]);
    expect((await flyover('cluster', 'delete', 'phoenix')).code).toBe(0);
  });

  test('a containerd or a whole node that dies is started again; its block stays', {
    timeout: 120_000,
  }, async () => {
    const node = (await nodes('demo'))[2]!;
    const ref = machineRefOf(node.name);
    await killService(node, 'containerd');
    process.kill(findMachine(ref)!.init.pid, 'SIGKILL');
    await until(async () => {
      const now = (await nodes('demo')).find((candidate) => candidate.name === node.name)!;
      return (
        (now.init !== undefined &&
          now.init !== node.init &&
          now.agent === 'running' &&
          now.state === 'Succeeded') ||
        undefined
      );
    }, 'the node is back');
    expect((await nodes('demo'))[2]).toMatchObject({ address: node.address, nodeBlock: node.nodeBlock });
    expect(await supervisorAnswers()).toBe(true);
  });

  test('down with the state kept, then up: everything is back', { timeout: 240_000 }, async () => {
    const was = (await nodes('demo-twin')).map(({ address, nodeBlock }) => [address, nodeBlock]);
    expect((await flyover('down', '--keep-state')).code).toBe(0);
    expect((await flyover('up')).code).toBe(0);
    await until(
      async () =>
        (await nodes('demo-twin')).every(
          (node) => node.agent === 'running' && node.containerd === 'running',
        ) || undefined,
      'nodes are back',
    );
    expect((await nodes('demo-twin')).map(({ address, nodeBlock }) => [address, nodeBlock])).toEqual(was);
  });

  test('down leaves the machine as it was', { timeout: 120_000 }, async () => {
    const { code, stderr } = await flyover('down');
    expect([code, stderr]).toEqual([0, expect.any(String)]);
    expect(machineState()).toEqual(before);
    expect((await flyover('down')).code).toBe(0);
  });

  test('down in the middle of mending what was killed', { timeout: 120_000 }, async () => {
    for (let round = 0; round < 4; round++) {
      expect((await flyover('up')).code).toBe(0);
      const made = flyover('cluster', 'create', 'brief', '--nodes', '2');
      await until(
        async () => (await flyover('cluster', 'show', 'brief')).code === 0 || undefined,
        'accepted',
      );
      // At another moment of the work each time.
      await sleep(round * 150);
      if (round % 2 === 1) await restartSupervisor();
      expect((await flyover('down')).code).toBe(0);
      await made;
      expect(machineState()).toEqual(before);
    }
  });
});

async function runningContainer(
  runtimes: Runtimes,
  node: NodeView,
  pod: string,
): Promise<{ container: string; address: string }> {
  const cri = runtimes.of(node);
  const sandbox = (await cri.listPodSandbox()).find((candidate) => candidate.metadata?.name === pod)!;
  const [container] = await cri.listContainers({ podSandboxId: sandbox.id });
  const { status } = await cri.podSandboxStatus(sandbox.id);
  return { container: container!.id, address: status.network!.ip };
}

/** A pod of a node and the path of its network namespace, as the node sees it. */
async function somePod(node: NodeView): Promise<{ netns: string }> {
  const runtimes = new Runtimes();
  try {
    const cri = runtimes.of(node);
    const [sandbox] = await cri.listPodSandbox();
    const { info } = await cri.podSandboxStatus(sandbox!.id, true);
    const { runtimeSpec } = JSON.parse(info.info!) as {
      runtimeSpec: { linux: { namespaces: { type: string; path?: string }[] } };
    };
    return { netns: runtimeSpec.linux.namespaces.find((namespace) => namespace.type === 'network')!.path! };
  } finally {
    runtimes.close();
  }
}
