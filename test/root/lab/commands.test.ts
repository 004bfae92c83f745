import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { deleteNamespace } from '../../../src/kernel/netns.ts';
import { namespaceOf } from '../../../src/lab/fabric/names.ts';
import { LAB_RUN, namespacePath } from '../../../src/lab/paths.ts';
import { runningSupervisor } from '../../../src/lab/supervisor/run-folder.ts';
import type { ClusterView, LabStatus } from '../../../src/lab/supervisor/views.ts';
import { BUNDLE, flyover, flyoverJson } from './cli.ts';
import { machineState } from './machine-state.ts';

/** Needs root, and that no lab runs: what commands say and do beside each other, in a small lab of their own. */
let before: Record<string, string>;

beforeAll(async () => {
  if (runningSupervisor())
    throw new Error('a lab is running on this machine; end it first: sudo ./flyover down');
  before = machineState();
  // Two at once: one starts the supervisor, both find it.
  const both = await Promise.all([flyover('up'), flyover('up')]);
  expect(both.map(({ code }) => code)).toEqual([0, 0]);
});
afterAll(async () => {
  await flyover('down');
});

const pids = async (name: string): Promise<(number | undefined)[]> =>
  (await flyoverJson<ClusterView>('cluster', 'show', name)).nodes.map((node) => node.init);

describe('commands', () => {
  test.each([
    ['cluster', 'no clusters'],
    ['node', 'no nodes'],
    ['vnet', 'no virtual networks'],
    ['host', 'no hosts'],
    ['site', 'no on-premises sites'],
  ])('%s list of nothing says so beside the data', async (what, sentence) => {
    const table = await flyover(what, 'list');
    expect(table).toEqual({ code: 0, stdout: '', stderr: expect.stringContaining(sentence) });
    expect(await flyover(what, 'list', '-o', 'json')).toEqual({ code: 0, stdout: '[]\n', stderr: '' });
    expect(await flyover(what, 'list', '-o', 'yaml')).toEqual({ code: 0, stdout: '[]\n', stderr: '' });
  });

  test('two clusters at once in one new network; a third of the same name is refused', async () => {
    const made = await Promise.all(
      ['one', 'two', 'one'].map((name) => flyover('cluster', 'create', name, '--nodes', '1')),
    );
    const [refused] = made.filter(({ code }) => code !== 0);
    expect(made.map(({ code }) => code).sort()).toEqual([0, 0, 2]);
    expect(refused?.stderr).toContain(
      "NAME 'one' is the name of a cluster that exists; choose another name, or delete that cluster",
    );
    const clusters = await flyoverJson<ClusterView[]>('cluster', 'list');
    expect(new Set(clusters.map(({ subnet }) => subnet))).toEqual(
      new Set(['nodes', expect.stringMatching(/^nodes-/)]),
    );
    expect(clusters.map(({ state }) => state)).toEqual(['Succeeded', 'Succeeded']);
  });

  test('one address for two hosts at once goes to one', async () => {
    const add = (name: string) => flyover('host', 'add', name, '--internet', '--address', '203.0.113.9');
    const both = await Promise.all([add('left'), add('right')]);
    expect(both.map(({ code }) => code).sort()).toEqual([0, 2]);
    expect(both.find(({ code }) => code === 2)!.stderr).toContain("--address '203.0.113.9' has an owner");
  });

  test('deleting a cluster that is being created ends both', async () => {
    const creating = flyover('cluster', 'create', 'brief', '--nodes', '3');
    await expect
      .poll(async () => (await flyover('cluster', 'show', 'brief')).code, { timeout: 10_000 })
      .toBe(0);
    const deleted = await flyover('cluster', 'delete', 'brief', '-o', 'json');
    expect([deleted.code, JSON.parse(deleted.stdout)]).toEqual([0, { name: 'brief', state: 'Deleted' }]);
    const { code, stderr } = await creating;
    // Unless its nodes were there already.
    if (code !== 0)
      expect([code, stderr]).toEqual([2, expect.stringContaining('was deleted while it was made')]);
    expect((await flyover('cluster', 'show', 'brief')).code).toBe(2);
  });

  test('Ctrl-C ends the waiting; the lab goes on', async () => {
    const child = spawn(process.execPath, [BUNDLE, 'cluster', 'create', 'later', '--nodes', '1'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const said = text(child.stderr);
    await once(child.stderr, 'readable');
    child.kill('SIGINT');
    const [code] = (await once(child, 'exit')) as [number];
    expect([code, await said]).toEqual([130, expect.stringContaining('flyover cluster show later')]);
    await expect
      .poll(async () => (await flyoverJson<ClusterView>('cluster', 'show', 'later')).state, {
        timeout: 30_000,
      })
      .toBe('Succeeded');
  });

  test('a namespace that is gone shows in the status, and up makes it again; nothing restarts', async () => {
    const was = await pids('one');
    const domain = namespaceOf.domain('one');
    deleteNamespace(namespacePath(domain));
    expect(await flyoverJson<LabStatus>('status')).toMatchObject({ missing: [domain] });
    expect((await flyover('status')).stdout).toContain(`${domain}: flyover up makes them again`);
    expect((await flyover('up')).stdout).toContain('was running already');
    expect(await flyoverJson<LabStatus>('status')).toMatchObject({ missing: [] });
    expect(
      (await flyover('node', 'exec', 'one', '0', '--', 'ping', '-c', '1', '-W', '2', '203.0.113.9')).code,
    ).toBe(0);
    expect(await pids('one')).toEqual(was);
  });

  test('an uplink that dies is started again', async () => {
    const pid = (): number =>
      (JSON.parse(readFileSync(`${LAB_RUN}/uplink.json`, 'utf8')) as { pid: number }).pid;
    const former = pid();
    process.kill(former, 'SIGKILL');
    await expect.poll(pid, { timeout: 10_000 }).not.toBe(former);
    await expect.poll(async () => (await flyoverJson<LabStatus>('status')).uplink).toMatch(/^up/);
  });

  test('a node that cannot start is a failure, not a refusal; it names the node and where to look', async () => {
    const { nodes } = await flyoverJson<ClusterView>('cluster', 'show', 'two');
    const next = nodes[0]!.name.replace(/0$/, '1');
    const folder = `/var/lib/flyover-lab/nodes/${next}`;
    writeFileSync(folder, 'in the way');
    const { code, stderr, stdout } = await flyover('node', 'add', 'two');
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(new RegExp(`flyover: node ${next} did not start: .*flyover node list two`));
    rmSync(folder);
    await expect
      .poll(async () => (await flyoverJson<ClusterView>('cluster', 'show', 'two')).nodes[1]?.state, {
        timeout: 30_000,
      })
      .toBe('Succeeded');
  });

  test('down leaves the machine as it was', async () => {
    expect(JSON.parse((await flyover('down', '-o', 'json')).stdout)).toEqual({ state: 'down', kept: false });
    expect(machineState()).toEqual(before);
  });
});
