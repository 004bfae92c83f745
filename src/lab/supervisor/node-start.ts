import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Logger } from 'pino';
import { installFront } from '../../network/agent/install.ts';
import { hasOwnNetwork } from '../azure/door/network-plugin.ts';
import { replaceFile } from '../files.ts';
import { ensureImage, importImage, PAUSE } from '../images/index.ts';
import { CriClient } from '../kubelet/cri.ts';
import { issueServer } from '../kubernetes/auth/pki.ts';
import {
  contentStore,
  criSocket,
  insideMachine,
  isAlive,
  type Machine,
  type ProcessIdentity,
  prepareContainerd,
  type Service,
  type ServiceSpec,
  startMachine,
  startService,
  waitForContainerd,
} from '../machine/index.ts';
import { LAB_CACHE, LAB_RUN } from '../paths.ts';
import type { NodeOrder } from './context.ts';
import { adminClient, ensureKubeconfig, waitFor, whyNotReady, whyNotRegistered } from './kube-access.ts';
import { machineRefOf, type Programs, pkiOf } from './machine-files.ts';
import { REGISTRY_URL } from './registry.ts';

/** How long a node may take until its daemons answer, in milliseconds; two busy cores start four at once. */
const PATIENCE_MS = 60_000;

/** Inside a node. */
const AGENT_CONFIG = '/etc/flyover/agent.kubeconfig';
const KUBELET_CONFIG = '/etc/flyover/kubelet.kubeconfig';
const KUBELET_PKI = '/var/lib/kubelet/pki';

interface NodeBuild extends NodeOrder {
  netns: string;
  programs: Programs;
  log: Logger;
}

/**
 * Starts what of a node does not run yet, and waits until its cluster has it as Ready. A node is made exactly as an
 * operator would make one: containerd, kubelet and agent, which know of each other through the cluster's API alone.
 * With network plugin `none` it gets no agent, and need not be Ready: its network comes later, and not from the lab.
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
  await writeCredentials(build, machine);
  const ownNetwork = hasOwnNetwork(build.cluster);
  if (!ownNetwork) installFront({ root: machine.root, front: join(build.programs.dist, 'cni', 'flyover') });
  const pause = await ensureImage(PAUSE, join(LAB_CACHE, 'images'));
  const containerdSpec = await prepareContainerd(machine, {
    pauseImage: pause.name,
    registryMirror: REGISTRY_URL,
  });
  const [containerd, agent] = await Promise.all([
    startService(machine, containerdSpec),
    ownNetwork ? undefined : startService(machine, agentSpec(build)),
  ]);
  const alive = (...services: Service[]): string | undefined => {
    if (!build.wanted()) return 'nobody wants it any more';
    const dead = services.find((service) => !isAlive(service.process));
    return dead && `its ${dead.name} ended; see ${dead.log}`;
  };
  await waitForContainerd(machine, {
    timeoutMs: PATIENCE_MS,
    alive: () => alive(containerd) === undefined,
  });
  await provide(machine, pause);
  const kubelet = await startService(machine, kubeletSpec(build));
  using client = adminClient(build.cluster.name);
  const whyNot = ownNetwork ? whyNotRegistered : whyNotReady;
  await waitFor('it is not Ready', () => whyNot(client, build.name), {
    patienceMs: PATIENCE_MS,
    everyMs: 50,
    works: () => alive(containerd, ...(agent ? [agent] : []), kubelet),
  });
  return {
    init: machine.init,
    containerd: containerd.process,
    ...(agent ? { agent: agent.process } : {}),
    kubelet: kubelet.process,
  };
}

/** What the node's daemons prove themselves with, to the API and to whoever calls the kubelet. */
async function writeCredentials(
  { cluster, name, machine: { address } }: NodeBuild,
  machine: Machine,
): Promise<void> {
  const inside = (path: string): string => insideMachine(machine, path);
  const pki = pkiOf(cluster.name);
  if (!hasOwnNetwork(cluster))
    await ensureKubeconfig(inside(AGENT_CONFIG), cluster, { user: 'flyover-agent' });
  await ensureKubeconfig(inside(KUBELET_CONFIG), cluster, {
    user: `system:node:${name}`,
    groups: ['system:nodes'],
  });
  const folder = inside(KUBELET_PKI);
  if (existsSync(join(folder, 'kubelet.crt'))) return;
  const { cert, key, ca } = await issueServer(pki, { names: [name], addresses: [address] });
  replaceFile(join(folder, 'ca.crt'), ca, 0o644);
  replaceFile(join(folder, 'kubelet.key'), key, 0o600);
  replaceFile(join(folder, 'kubelet.crt'), cert, 0o644);
}

function agentSpec({ programs, name }: NodeBuild): ServiceSpec {
  return {
    name: 'agent',
    argv: [
      programs.node,
      join(programs.dist, 'agent.js'),
      ...['--kubeconfig', AGENT_CONFIG, '--node-name', name],
    ],
  };
}

function kubeletSpec({ programs, name, machine, cluster }: NodeBuild): ServiceSpec {
  return {
    name: 'kubelet',
    argv: [
      programs.node,
      join(programs.dist, 'kubelet.js'),
      ...['--kubeconfig', KUBELET_CONFIG, '--pki', KUBELET_PKI, '--root', '/var/lib/kubelet'],
      ...['--node-name', name, '--node-ip', machine.address, '--max-pods', String(cluster.maxPods)],
      ...['--cri', '/run/containerd/containerd.sock'],
      ...['--cluster-dns', cluster.dnsServiceIp, '--cluster-domain', 'cluster.local'],
      ...['--requested-pod-cidrs', machine.nodeBlock],
      ...['--node-labels', labelsOf(cluster.name)],
    ],
  };
}

/** The labels that AKS gives its nodes, as far as the lab has what they speak of. */
function labelsOf(cluster: string): string {
  const labels = {
    agentpool: 'nodepool1',
    'kubernetes.azure.com/agentpool': 'nodepool1',
    'kubernetes.azure.com/cluster': `MC_lab_${cluster}_local`,
    'kubernetes.azure.com/mode': 'system',
    'kubernetes.azure.com/role': 'agent',
    'node.kubernetes.io/instance-type': 'Flyover_Lab',
    'topology.kubernetes.io/region': 'local',
    'topology.kubernetes.io/zone': '0',
  };
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
}

/** Hands an image to the node's containerd unless it has it. */
async function provide(machine: Machine, image: Awaited<ReturnType<typeof ensureImage>>): Promise<void> {
  using cri = new CriClient(criSocket(machine));
  if (!(await cri.imageStatus(image.name)))
    await importImage(criSocket(machine), image, { contentStore: contentStore(machine) });
}
