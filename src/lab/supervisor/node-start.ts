import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { dirname, join } from 'node:path';
import type { Logger } from 'pino';
import { install } from '../../network/agent/install.ts';
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
  type ProcessIdentity,
  prepareContainerd,
  type Service,
  type ServiceSpec,
  startMachine,
  startService,
  waitForContainerd,
} from '../machine/index.ts';
import { LAB_CACHE, LAB_DISKS, LAB_RUN } from '../paths.ts';
import type { NodeOrder } from './context.ts';

/** How long a node may take until its daemons answer, in milliseconds; two busy cores start four at once. */
const PATIENCE_MS = 60_000;

/** Where the lab's own programs lie on this machine. */
export interface Programs {
  /** The Node runtime. */
  node: string;
  /** The folder with agent.js, cni/flyover and the other built files. */
  dist: string;
}

interface NodeBuild extends NodeOrder {
  netns: string;
  programs: Programs;
  log: Logger;
}

/** Where a node of the lab keeps its disk and its record. */
export function machineRefOf(name: string): MachineRef {
  return { id: name, stateDir: join(LAB_DISKS, name), runDir: join(LAB_RUN, 'nodes', name) };
}

/**
 * Starts what of a node does not run yet, and waits until it serves. A node is made exactly as an operator
 * would make one: configuration, agent, and the CNI configuration last, when the agent can answer for it.
 *
 * @returns the processes that it is made of, by name
 * @throws Error with what did not start, and its log; or as soon as nobody wants the node any more
 */
export async function startNode(build: NodeBuild): Promise<Record<string, ProcessIdentity>> {
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
  writeConfig(inside('/etc/flyover/node.json'), `${JSON.stringify(nodeJson(build), null, 2)}\n`);

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
  const works =
    (service: Service): (() => boolean) =>
    () =>
      build.wanted() && isAlive(service.process);
  await Promise.all([
    waitForContainerd(machine, { timeoutMs: PATIENCE_MS, alive: works(containerd) }).then(() =>
      provide(machine, pause),
    ),
    waitForAgent(inside('/run/flyover/metrics.sock'), works(agent), agent.log),
  ]);
  install({
    root: machine.root,
    front: join(build.programs.dist, 'cni', 'flyover'),
    command: agentSpec.argv,
  });
  return { init: machine.init, containerd: containerd.process, agent: agent.process };
}

/** In one step: an agent that runs already may be reading it. */
function writeConfig(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
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

/**
 * @param works - false when waiting has become pointless
 * @param log - where the agent says what is the matter with it
 */
async function waitForAgent(socketPath: string, works: () => boolean, log: string): Promise<void> {
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
    if (!works()) throw new Error(`its agent ended before it was ready (${last}); see ${log}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`its agent is not ready after ${PATIENCE_MS / 1000} s (${last}); see ${log}`);
}
