import { createNamespace } from '../../src/kernel/netns.ts';
import { applyPlan, type FabricLocation, removeFabric } from '../../src/lab/fabric/apply.ts';
import type { FabricModel } from '../../src/lab/fabric/model.ts';
import { namespaceOf } from '../../src/lab/fabric/names.ts';
import { planFabric } from '../../src/lab/fabric/planner.ts';
import { BenchAgent, type Sandbox } from './agent.ts';
import { runCalls } from './calls.ts';
import type { Scratch } from './scratch.ts';

/** A namespace and the address that it is reached by. */
export interface Place {
  readonly netns: string;
  readonly address: string;
}

export type Routing = 'fabric' | 'vxlan';

/** Two nodes of a cluster on the lab's own fabric, with pods made by the plugin and its agent. */
export interface Cluster {
  readonly nodes: readonly [Place, Place];
  /** One on the first node, and one on each node that it may talk to. */
  readonly pod: Place;
  readonly neighbour: Place;
  readonly remote: Place;
}

const CLUSTERS: Record<Routing, readonly [string, string]> = {
  fabric: ['10.0.1.4', '10.0.1.5'],
  vxlan: ['10.0.1.6', '10.0.1.7'],
};
const BLOCKS = ['10.244.0.0/24', '10.244.1.0/24'] as const;
/** Stands in for the machine's own namespace, which no bench touches. */
const MACHINE = 'machine';

/**
 * Builds a virtual network with one cluster for each way of routing. The agents have done their work and are gone: what
 * they made stays, and they do not take processor time from what is measured.
 */
export async function buildStage(
  scratch: Scratch,
  change: Readonly<Record<string, unknown>> = {},
): Promise<Record<Routing, Cluster>> {
  const at: FabricLocation = {
    folder: scratch.path('fabric'),
    pathOf: (name) => scratch.path('fabric', name === '' ? MACHINE : name),
  };
  scratch.onRemove(() => removeFabric(at));
  createNamespace(at.pathOf(''));
  applyPlan(planFabric(model()), at);
  return {
    fabric: await buildCluster(scratch, at, 'fabric', change),
    vxlan: await buildCluster(scratch, at, 'vxlan', change),
  };
}

function model(): FabricModel {
  const clusters = Object.keys(CLUSTERS) as Routing[];
  return {
    virtualNetworks: [
      {
        name: 'bench',
        addressPrefixes: ['10.0.0.0/16'],
        subnets: [{ name: 'nodes', addressPrefix: '10.0.1.0/24' }],
        publicAddress: '198.51.100.4',
      },
    ],
    peerings: [],
    sites: [],
    hosts: [],
    clusters: clusters.map((name, i) => ({
      name,
      virtualNetwork: 'bench',
      subnet: 'nodes',
      podCidr: '10.244.0.0/16',
      maxPods: 30,
      serviceCidr: '10.96.0.0/16',
      dnsServiceIp: '10.96.0.10',
      apiServerAddress: `198.51.100.${11 + i}`,
    })),
    machines: clusters.flatMap((cluster) =>
      CLUSTERS[cluster].map((address, index) => ({
        name: `${cluster}-${index}`,
        cluster,
        index,
        address,
        nodeBlock: BLOCKS[index]!,
      })),
    ),
  };
}

async function buildCluster(
  scratch: Scratch,
  at: FabricLocation,
  routing: Routing,
  change: Readonly<Record<string, unknown>>,
): Promise<Cluster> {
  const nodes = CLUSTERS[routing].map((address, index) => ({
    netns: at.pathOf(namespaceOf.node(`${routing}-${index}`)),
    address,
  })) as [Place, Place];
  const pods: Place[] = [];
  for (const [index, node] of nodes.entries()) {
    const other = 1 - index;
    const peer = { name: `node-${other}`, addresses: [CLUSTERS[routing][other]], blocks: [BLOCKS[other]] };
    const agent = new BenchAgent(scratch, node.netns, {
      nodeName: `${routing}-${index}`,
      nodeAddresses: [node.address],
      nodeBlocks: [BLOCKS[index]!],
      podCIDRs: ['10.244.0.0/16'],
      routing,
      ...(routing === 'fabric' ? {} : { peers: [peer] }),
      ...change,
    });
    await agent.start();
    for (const name of index === 0 ? ['pod', 'neighbour'] : ['remote']) {
      pods.push(addPod(agent, { containerId: name, netns: scratch.namespace(`${routing}-${name}`) }));
    }
    await agent.stop();
  }
  const [pod, neighbour, remote] = pods as [Place, Place, Place];
  return { nodes, pod, neighbour, remote };
}

function addPod(agent: BenchAgent, sandbox: Sandbox): Place {
  const [outcome] = runCalls([agent.call('ADD', sandbox)], 1);
  if (outcome?.exit !== 0) throw new Error(`ADD failed: ${outcome?.stdout.slice(0, 500)}`);
  const { ips } = JSON.parse(outcome.stdout) as { ips: { address: string }[] };
  return { netns: sandbox.netns, address: ips[0]!.address.split('/')[0]! };
}
