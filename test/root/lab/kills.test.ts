import { readdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { controlPlaneName } from '../../../src/lab/azure/door/machine.ts';
import { namespaceOf } from '../../../src/lab/fabric/names.ts';
import { LAB_DISKS, LAB_RUN } from '../../../src/lab/paths.ts';
import { runningSupervisor } from '../../../src/lab/supervisor/run-folder.ts';
import type { ClusterView, HostView, LabStatus } from '../../../src/lab/supervisor/views.ts';
import { flyover, flyoverJson, type Outcome } from './cli.ts';
import { machineState } from './machine-state.ts';

/**
 * Needs root, and that no lab runs. Three people use one lab at the same time and without a plan, while its supervisor
 * is killed again and again. What they are told may differ from run to run; what must hold is the same every time.
 */
const SECONDS = 20;
const CLUSTERS = ['a', 'b', 'c'];
const COMMANDS: ((cluster: string) => string[])[] = [
  (cluster) => ['cluster', 'create', cluster, '--nodes', '2'],
  (cluster) => ['cluster', 'delete', cluster],
  (cluster) => ['node', 'add', cluster],
  (cluster) => ['node', 'remove', cluster, pick(['0', '1', '2'])],
  (cluster) => ['host', 'add', `web-${cluster}`, '--internet'],
  (cluster) => ['host', 'add', `vm-${cluster}`, '--vnet', 'vnet'],
  (cluster) => ['host', 'remove', pick([`web-${cluster}`, `vm-${cluster}`])],
  () => ['status'],
];

function pick<T>(all: T[]): T {
  return all[Math.floor(Math.random() * all.length)]!;
}

let before: Record<string, string>;
beforeAll(async () => {
  if (runningSupervisor())
    throw new Error('a lab is running on this machine; end it first: sudo ./flyover down');
  before = machineState();
  expect((await flyover('up')).code).toBe(0);
});
afterAll(async () => {
  await flyover('down');
});

test('whatever is asked for at once and whenever the supervisor is killed, the lab comes to rest and is whole', {
  timeout: 180_000,
}, async () => {
  const end = Date.now() + SECONDS * 1000;
  const failed: string[] = [];
  let commands = 0;
  let kills = 0;
  const person = async (): Promise<void> => {
    while (Date.now() < end) {
      const argv = pick(COMMANDS)(pick(CLUSTERS));
      const { code, stderr } = await flyover(...argv);
      commands++;
      // The supervisor may be away, or go away in the middle; nothing else may go wrong.
      if (code === 1 && !/went away/.test(stderr)) failed.push(`${argv.join(' ')}: ${stderr}`);
    }
  };
  const killer = async (): Promise<void> => {
    while (Date.now() < end) {
      await delay(300 + Math.random() * 2000);
      const supervisor = runningSupervisor();
      if (supervisor) process.kill(supervisor.pid, 'SIGKILL');
      kills++;
      const { code, stderr } = await flyover('up');
      if (code !== 0) failed.push(`up: ${stderr}`);
    }
  };
  await Promise.all([person(), person(), person(), killer()]);
  expect(failed).toEqual([]);
  expect([commands > 20, kills > 3]).toEqual([true, true]);

  const unready = (all: ClusterView[]): string[] =>
    all.flatMap(({ name, state, nodes }) => [
      ...(state === 'Succeeded' ? [] : [`${name}: ${state}`]),
      ...nodes
        .filter((n) => n.state !== 'Succeeded' || n.agent !== 'running')
        .map((n) => `${n.name}: ${n.state}`),
    ]);
  await expect
    .poll(async () => unready(await flyoverJson<ClusterView[]>('cluster', 'list')), { timeout: 60_000 })
    .toEqual([]);

  const clusters = await flyoverJson<ClusterView[]>('cluster', 'list');
  const hosts = await flyoverJson<HostView[]>('host', 'list');
  const nodes = clusters.flatMap((cluster) => cluster.nodes);
  const addresses = [...nodes, ...hosts.map((host) => host.properties)].map(({ address }) => address);
  expect(new Set(addresses).size).toBe(addresses.length);
  for (const cluster of clusters) {
    const blocks = cluster.nodes.map((node) => node.nodeBlock);
    expect(new Set(blocks).size).toBe(blocks.length);
  }
  expect((await flyoverJson<LabStatus>('status')).missing).toEqual([]);
  const names = nodes.map((node) => node.name).sort();
  const pinned = readdirSync(`${LAB_RUN}/netns`).filter((name) => name.startsWith('node-'));
  expect(pinned.sort()).toEqual(names.map((name) => namespaceOf.node(name)));
  const machines = [...names, ...clusters.map((cluster) => controlPlaneName(cluster.name))].sort();
  for (const folder of [LAB_DISKS, `${LAB_RUN}/nodes`]) {
    // Without a machine ever there is none.
    expect(machines.length === 0 ? [] : readdirSync(folder).sort()).toEqual(machines);
  }
  for (const { name, nodes: own } of clusters) {
    for (const node of own) {
      const argv = [
        'node',
        'exec',
        name,
        node.name,
        '--',
        'ping',
        '-n',
        '-c',
        '1',
        '-W',
        '2',
        own[0]!.address,
      ];
      const { code, stdout }: Outcome = await flyover(...argv);
      expect([node.name, code, stdout]).toEqual([node.name, 0, expect.any(String)]);
    }
  }
});

test('down leaves the machine as it was', { timeout: 60_000 }, async () => {
  expect((await flyover('down')).code).toBe(0);
  expect(machineState()).toEqual(before);
});
