import { mkdirSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { dirname, join } from 'node:path';
import type { Logger } from 'pino';
import { install } from '../../network/agent/install.ts';
import type { Cluster, Machine as MachineProperties } from '../azure/types.ts';
import { ensureImage, importImage, PAUSE } from '../images/index.ts';
import { CriClient } from '../kubelet/cri.ts';
import {
  contentStore,
  criSocket,
  findService,
  insideMachine,
  isAlive,
  type Machine,
  type MachineRef,
  prepareContainerd,
  type Service,
  type ServiceSpec,
  startMachine,
  startService,
  waitForContainerd,
} from '../machine/index.ts';
import { LAB_CACHE, LAB_RUN, LAB_STATE } from '../paths.ts';
import type { Programs } from './context.ts';

/** How long a node may take until its daemons answer, in milliseconds; two busy cores start four at once. */
const PATIENCE_MS = 60_000;

export interface NodeBuild {
  name: string;
  netns: string;
  machine: MachineProperties;
  cluster: Cluster;
  programs: Programs;
  log: Logger;
}

export interface RunningNode {
  machine: Machine;
  services: Service[];
}

/** Where a node of the lab keeps its disk and its record. */
export function machineRefOf(name: string): MachineRef {
  return { id: name, stateDir: join(LAB_STATE, 'nodes', name), runDir: join(LAB_RUN, 'nodes', name) };
}

/**
 * Starts what of a node does not run yet, and waits until it serves. A node is made exactly as an operator
 * would make one: configuration, agent, and the CNI configuration last, when the agent can answer for it.
 */
export async function startNode(build: NodeBuild): Promise<RunningNode> {
  const { address } = build.machine;
  const machine = await startMachine({
    ...machineRefOf(build.name),
    hostname: build.name,
    netns: build.netns,
    addresses: [address],
    detach: [LAB_RUN],
    // The whole checkout: beside dist it has the runtime and the native part of koffi.
    keep: [dirname(build.programs.dist)],
  });
  const inside = (path: string): string => insideMachine(machine, path);
  mkdirSync(inside('/etc/flyover'), { recursive: true });
  writeFileSync(inside('/etc/flyover/node.json'), `${JSON.stringify(nodeJson(build), null, 2)}\n`);

  const pause = await ensureImage(PAUSE, join(LAB_CACHE, 'images'));
  const containerdSpec = await prepareContainerd(machine, { pauseImage: pause.name });
  const agentSpec: ServiceSpec = {
    name: 'agent',
    argv: [build.programs.node, join(build.programs.dist, 'agent.js')],
  };
  const [containerd, agent] = await Promise.all([
    running(machine, containerdSpec),
    running(machine, agentSpec),
  ]);
  const alive = (): boolean => isAlive(containerd.process);
  await Promise.all([
    waitForContainerd(machine, { timeoutMs: PATIENCE_MS, alive }).then(() => provide(machine, pause)),
    waitForAgent(inside('/run/flyover/metrics.sock'), () => isAlive(agent.process)),
  ]);
  install({
    root: machine.root,
    front: join(build.programs.dist, 'cni', 'flyover'),
    command: agentSpec.argv,
  });
  return { machine, services: [containerd, agent] };
}

async function running(machine: Machine, spec: ServiceSpec): Promise<Service> {
  return findService(machine, spec.name) ?? (await startService(machine, spec));
}

/** Hands an image to the node's containerd unless it has it. */
async function provide(machine: Machine, image: Awaited<ReturnType<typeof ensureImage>>): Promise<void> {
  using cri = new CriClient(criSocket(machine));
  if (!(await cri.imageStatus(image.name)))
    await importImage(criSocket(machine), image, { contentStore: contentStore(machine) });
}

function nodeJson(build: NodeBuild): Record<string, unknown> {
  return {
    nodeName: build.name,
    nodeAddresses: [build.machine.address],
    nodeBlocks: [build.machine.nodeBlock],
    podCIDRs: [build.cluster.podCidr],
    routing: 'fabric',
    maxPods: build.cluster.maxPods,
    cri: '/run/containerd/containerd.sock',
  };
}

/** @param alive - false when the agent has died: whoever watches it starts it again */
async function waitForAgent(socketPath: string, alive: () => boolean): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  let last = 'no answer';
  while (Date.now() < deadline) {
    last = await new Promise<string>((resolve) => {
      const probe = request({ socketPath, path: '/readyz', timeout: 2000 }, (response) => {
        response.resume();
        resolve(response.statusCode === 200 ? 'ready' : `status ${response.statusCode}`);
      });
      probe.once('timeout', () => probe.destroy(new Error('no answer in 2 s')));
      probe.once('error', (error) => resolve(error.message));
      probe.end();
    });
    if (last === 'ready') return;
    if (!alive()) throw new Error(`the node's agent ended while it started (${last}); see its agent.log`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`the node's agent is not ready after ${PATIENCE_MS / 1000} s: ${last}`);
}
