import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ensureImage, importImage, normalizedName, PAUSE, type Recipe } from '../images/index.ts';
import { CriClient } from '../kubelet/cri.ts';
import { CONTAINER_RUNNING, type CriRequest, SANDBOX_READY } from '../kubelet/cri-schema.ts';
import {
  contentStore,
  criSocket,
  findService,
  identify,
  insideMachine,
  isAlive,
  type Machine,
  type MachineSpec,
  ProcessWatch,
  prepareContainerd,
  signal,
  startMachine,
  startService,
  stopMachine,
  waitForContainerd,
} from './index.ts';
import { run } from './programs.ts';
import { eventually, leftovers, mountNamespace, output, testPlace } from './testing.ts';

/** Needs no package: this machine's static busybox. */
const TINY: Recipe = {
  name: 'fly-test/tiny',
  layers: [
    {
      packages: [],
      hostFiles: { '/usr/bin/busybox': 'bin/busybox' },
      links: { 'bin/sh': 'busybox', 'bin/ping': 'busybox', 'bin/cat': 'busybox' },
    },
  ],
  defaults: {
    command: [
      '/bin/busybox',
      'sh',
      '-c',
      'trap "exit 0" TERM; echo started; while :; do busybox sleep 1; done',
    ],
  },
};
/** The names under which containerd has them. */
const TINY_NAME = normalizedName(TINY.name);
const PAUSE_NAME = normalizedName(PAUSE.name);

const place = testPlace('cri');
const images = join(place.folder, 'images');
const spec = place.spec('one');
let machine: Machine;
let cri: CriClient;

async function start(of: MachineSpec, subnet: string): Promise<Machine> {
  const started = await startMachine(of);
  await output(started, 'ip', 'link', 'set', 'lo', 'up');
  await output(started, 'ip', 'address', 'add', of.addresses[0]!, 'dev', 'lo');
  await startService(started, await prepareContainerd(started, { pauseImage: PAUSE_NAME }));
  await waitForContainerd(started);
  const ipam = { type: 'host-local', ranges: [[{ subnet }]], routes: [{ dst: '0.0.0.0/0' }] };
  const conflist = { cniVersion: '1.0.0', name: 'fly-test', plugins: [{ type: 'ptp', ipam }] };
  writeFileSync(insideMachine(started, '/etc/cni/net.d/10-test.conflist'), JSON.stringify(conflist));
  for (const recipe of [PAUSE, TINY]) {
    const options = { contentStore: contentStore(started) };
    await importImage(criSocket(started), await ensureImage(recipe, images), options);
  }
  return started;
}

function sandbox(name: string): CriRequest<'PodSandboxConfig'> {
  const metadata = { name, uid: `uid-${name}`, namespace: 'default', attempt: 0 };
  return {
    metadata,
    hostname: name,
    logDirectory: `/var/log/pods/${name}`,
    labels: { app: name },
    linux: { cgroupParent: `/kubepods/pod-${name}` },
  };
}

interface Pod {
  readonly sandbox: string;
  readonly container: string;
  readonly address: string;
}

async function runPod(name: string, linux: CriRequest<'LinuxContainerConfig'> = {}): Promise<Pod> {
  const config = sandbox(name);
  const id = await cri.runPodSandbox(config);
  const container = await cri.createContainer(
    id,
    { metadata: { name: 'main' }, image: { image: TINY_NAME }, logPath: 'main.log', linux },
    config,
  );
  await cri.startContainer(container);
  const { status } = await cri.podSandboxStatus(id);
  return { sandbox: id, container, address: status.network?.ip ?? '' };
}

async function ping(from: Pod, address: string): Promise<number> {
  return (await cri.execSync(from.container, ['/bin/ping', '-c', '1', '-W', '2', address])).exitCode;
}

async function networkReady(client: CriClient): Promise<void> {
  for (const deadline = Date.now() + 10_000; ; ) {
    const { status } = await client.status();
    if (status?.conditions.every((condition) => condition.status)) return;
    if (Date.now() > deadline) throw new Error(JSON.stringify(status));
  }
}

const hostCni = (): string[] =>
  existsSync('/var/lib/cni') ? readdirSync('/var/lib/cni', { recursive: true }).map(String) : [];
const cniBefore = hostCni();

beforeAll(async () => {
  machine = await start(spec, '10.200.0.0/24');
  cri = new CriClient(criSocket(machine));
  await networkReady(cri);
});
afterAll(async () => {
  cri?.close();
  await place.clear();
});

describe('containerd in a machine', () => {
  test('understands its configuration', async () => {
    const path = insideMachine(machine, '/etc/containerd/config.toml');
    const { code, stdout, stderr } = await run(
      ['/usr/bin/containerd', '--config', path, 'config', 'dump'],
      {},
    );
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain(PAUSE_NAME);
    const { info } = await cri.status(true);
    const config = JSON.parse(info.config ?? '{}') as Record<string, unknown>;
    expect(config).toMatchObject({
      sandboxImage: PAUSE_NAME,
      streamServerAddress: '192.0.2.10',
      netnsMountsUnderStateDir: true,
      stateDir: '/run/containerd/io.containerd.grpc.v1.cri',
    });
  });

  test('runs pods that reach each other, write logs and are found in its own cgroup', async () => {
    const a = await runPod('a');
    const b = await runPod('b');
    expect(a.address).toMatch(/^10\.200\.0\./);
    expect(await ping(a, b.address)).toBe(0);
    expect(await ping(a, '10.99.99.99')).toBe(1);
    const log = insideMachine(machine, '/var/log/pods/a/main.log');
    await eventually('the log', () => /stdout F started$/m.test(readFileSync(log, 'utf8')));

    const listed = await cri.listPodSandbox({ labelSelector: { app: 'a' } });
    expect(listed.map((each) => [each.id, each.metadata?.name, each.state])).toEqual([
      [a.sandbox, 'a', SANDBOX_READY],
    ]);
    expect((await cri.listContainers({ podSandboxId: b.sandbox })).map((each) => each.id)).toEqual([
      b.container,
    ]);
    const { info } = await cri.containerStatus(a.container, true);
    const { pid } = JSON.parse(info.info ?? '{}') as { pid: number };
    const { stdout } = await output(machine, 'cat', `/proc/${pid}/cgroup`);
    expect(stdout).toMatch(/:memory:\/kubepods\/pod-a\/|^0::\/kubepods\/pod-a\//m);
    expect(hostCni()).toEqual(cniBefore);
    for (const pod of [a, b]) {
      await cri.stopPodSandbox(pod.sandbox);
      await cri.stopPodSandbox(pod.sandbox);
      await cri.removePodSandbox(pod.sandbox);
      await cri.removePodSandbox(pod.sandbox);
    }
    expect(await cri.listPodSandbox()).toEqual([]);
  });

  test('starts a pod that asks for limits and a low oom_score_adj', async () => {
    const resources = { cpuShares: 512, memoryLimitInBytes: 64 * 1024 * 1024, oomScoreAdj: -997 };
    const pod = await runPod('limits', { resources });
    const { info } = await cri.containerStatus(pod.container, true);
    const { pid } = JSON.parse(info.info ?? '{}') as { pid: number };
    const cgroups = (await output(machine, 'cat', `/proc/${pid}/cgroup`)).stdout;
    const path = /:memory:(.*)$/m.exec(cgroups)?.[1];
    if (path !== undefined) {
      const limit = await output(machine, 'cat', `/sys/fs/cgroup/memory${path}/memory.limit_in_bytes`);
      expect(limit.stdout).toBe('67108864\n');
    }
    await cri.stopContainer(pod.container, 5);
    const { status } = await cri.containerStatus(pod.container);
    expect([status.exitCode, status.reason]).toEqual([0, 'Completed']);
    await cri.stopPodSandbox(pod.sandbox);
    await cri.removePodSandbox(pod.sandbox);
  });

  test('keeps its pods when it is killed and started again', async () => {
    const a = await runPod('keep-a');
    const b = await runPod('keep-b');
    const before = (await cri.containerStatus(a.container, true)).info.info;
    const service = findService(spec, 'containerd')!;
    const watch = new ProcessWatch(10);
    const gone = new Promise<void>((resolve) => watch.add(service.process, resolve));
    signal(service.process, 'SIGKILL');
    await gone;
    expect(findService(spec, 'containerd')).toBeUndefined();
    const again = await startService(machine, await prepareContainerd(machine, { pauseImage: PAUSE_NAME }));
    expect(again.process).not.toEqual(service.process);
    await waitForContainerd(machine);
    await networkReady(cri);
    const pidOf = (info: string | undefined): number => (JSON.parse(info ?? '{}') as { pid: number }).pid;
    const { status, info } = await cri.containerStatus(a.container, true);
    expect(status.state).toBe(CONTAINER_RUNNING);
    expect(pidOf(info.info)).toBe(pidOf(before));
    expect(await ping(a, b.address)).toBe(0);
    for (const pod of [a, b]) {
      await cri.stopPodSandbox(pod.sandbox);
      await cri.removePodSandbox(pod.sandbox);
    }
  });

  test('takes images linked or sent, again, and keeps them when others are collected', async () => {
    const tiny = await ensureImage(TINY, images);
    expect((await cri.imageStatus(TINY_NAME))?.repoTags).toEqual([TINY_NAME]);
    await cri.removeImage(TINY_NAME);
    expect(await cri.imageStatus(TINY_NAME)).toBeUndefined();
    await importImage(criSocket(machine), tiny);
    await importImage(criSocket(machine), tiny);
    const pod = await runPod('again');
    expect(pod.address).not.toBe('');
    await cri.stopPodSandbox(pod.sandbox);
    await cri.removePodSandbox(pod.sandbox);
    expect((await cri.listImages()).flatMap((image) => image.repoTags).sort()).toEqual(
      [TINY_NAME, PAUSE_NAME].sort(),
    );
  });

  test('says what the plugin said when a sandbox cannot have a network', async () => {
    const conflist = insideMachine(machine, '/etc/cni/net.d/10-test.conflist');
    const sound = readFileSync(conflist, 'utf8');
    writeFileSync(conflist, sound.replace('"host-local"', '"no-such-plugin"'));
    await expect
      .poll(() => cri.runPodSandbox(sandbox('broken')).then(() => 'ran', String), { timeout: 10_000 })
      .toMatch(/CriError: RunPodSandbox default\/broken: UNKNOWN: .*no-such-plugin/);
    writeFileSync(conflist, sound);
    await networkReady(cri);
    for (const each of await cri.listPodSandbox()) {
      await cri.stopPodSandbox(each.id);
      await cri.removePodSandbox(each.id);
    }
  });

  test('costs little and leaves nothing, pods included', async () => {
    const other = await start(place.spec('two'), '10.201.0.0/24');
    using second = new CriClient(criSocket(other));
    await networkReady(second);
    await runPod('last');
    expect(await second.listPodSandbox()).toEqual([]);
    expect((await cri.listPodSandbox()).length).toBe(1);

    const { process: containerd } = findService(spec, 'containerd')!;
    const pss = /^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${containerd.pid}/smaps_rollup`, 'utf8'))?.[1];
    expect(Number(pss)).toBeLessThan(70_000);

    const spaces = [machine, other].map((each) => mountNamespace(each.init.pid));
    await Promise.all([spec, other].map((each) => stopMachine(each, { removeDisk: true })));
    expect(isAlive(containerd)).toBe(false);
    expect(identify(machine.init.pid)).toBeUndefined();
    expect(leftovers(place, spaces)).toEqual([]);
    expect(readdirSync(place.folder)).toEqual(['images']);
  });
});
