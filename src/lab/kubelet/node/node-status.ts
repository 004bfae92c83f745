import { Quantity } from '../../../kube/quantity.ts';
import type { CriReply } from '../cri-schema.ts';
import { type Node, timestamp } from '../model.ts';
import type { NodeResources } from '../resources.ts';
import type { Pressure } from './node-facts.ts';

type NodeStatus = NonNullable<Node['status']>;
type Condition = NonNullable<NodeStatus['conditions']>[number];
type Verdict = Pick<Condition, 'type' | 'status' | 'reason' | 'message'>;

/** Upstream's thresholds: memory below this is short; so is a disk with less than a tenth free. */
const LEAST_MEMORY = 100 * 1024 * 1024;
const LEAST_DISK = 0.1;
const LEAST_PIDS = 1000;
const MOST_IMAGES = 50;

export interface NodeStatusInputs {
  readonly hostname: string;
  readonly addresses: readonly string[];
  readonly resources: NodeResources;
  readonly maxPods: number;
  readonly info: Readonly<Record<string, string>>;
  /** `containerd://1.6.20`; empty while the runtime has not answered. */
  readonly runtimeVersion: string;
  /** The runtime's own conditions; undefined: it does not answer, because of `runtimeError`. */
  readonly runtime: readonly CriReply<'RuntimeCondition'>[] | undefined;
  readonly runtimeError: string | undefined;
  readonly pressure: Pressure;
  readonly images: readonly CriReply<'Image'>[];
  /** The port of the kubelet's own server. */
  readonly port: number;
  /** Milliseconds since 1970. */
  readonly now: number;
}

function readiness(inputs: NodeStatusInputs): Verdict {
  const faults: string[] = [];
  if (!inputs.runtime)
    faults.push(`container runtime is down: ${inputs.runtimeError ?? 'it has not answered yet'}`);
  for (const [type, what] of [
    ['RuntimeReady', 'container runtime not ready'],
    ['NetworkReady', 'container runtime network not ready'],
  ] as const) {
    const found = inputs.runtime?.find((each) => each.type === type);
    if (inputs.runtime && !found?.status)
      faults.push(`${what}: ${type}=false reason:${found?.reason ?? ''} message:${found?.message ?? ''}`);
  }
  if (faults.length === 0)
    return {
      type: 'Ready',
      status: 'True',
      reason: 'KubeletReady',
      message: 'kubelet is posting ready status',
    };
  return { type: 'Ready', status: 'False', reason: 'KubeletNotReady', message: `[${faults.join(', ')}]` };
}

function verdicts(inputs: NodeStatusInputs): Verdict[] {
  const { memoryAvailable, diskFree, pidsFree } = inputs.pressure;
  const one = (type: string, short: boolean, what: string, good: string, bad: string): Verdict => ({
    type,
    status: short ? 'True' : 'False',
    reason: short ? bad : good,
    message: `kubelet has ${short ? what.replace('no ', '') : what}`,
  });
  return [
    one(
      'MemoryPressure',
      memoryAvailable < LEAST_MEMORY,
      'sufficient memory available',
      'KubeletHasSufficientMemory',
      'KubeletHasInsufficientMemory',
    ),
    one(
      'DiskPressure',
      diskFree < LEAST_DISK,
      'no disk pressure',
      'KubeletHasNoDiskPressure',
      'KubeletHasDiskPressure',
    ),
    one(
      'PIDPressure',
      pidsFree < LEAST_PIDS,
      'sufficient PID available',
      'KubeletHasSufficientPID',
      'KubeletHasInsufficientPID',
    ),
    readiness(inputs),
  ].map((each) => ({
    ...each,
    message:
      each.status === 'True' && each.type !== 'Ready'
        ? each.message!.replace('sufficient', 'insufficient')
        : each.message!,
  }));
}

/** The node's conditions that a kubelet writes. @param before - the node's conditions as they were */
export function nodeConditions(inputs: NodeStatusInputs, before: readonly Condition[] = []): Condition[] {
  const now = timestamp(inputs.now);
  return verdicts(inputs).map((verdict) => {
    const old = before.find((each) => each.type === verdict.type);
    const since = old?.status === verdict.status ? old.lastTransitionTime : undefined;
    return { ...verdict, lastHeartbeatTime: now, lastTransitionTime: since ?? now };
  });
}

/** The node's status as its kubelet reports it. */
export function nodeStatus(inputs: NodeStatusInputs, before: NodeStatus = {}): NodeStatus {
  const { resources, maxPods, addresses, hostname, images, info, runtimeVersion, port } = inputs;
  const reserve = new Quantity(BigInt(LEAST_MEMORY) * 1_000_000_000n, 'BinarySI');
  const amounts = {
    cpu: resources.cpu.toString(),
    memory: resources.memory.toString(),
    'ephemeral-storage': resources.ephemeralStorage.toString(),
    'hugepages-1Gi': '0',
    'hugepages-2Mi': '0',
    pods: String(maxPods),
  };
  // As upstream: what pods may use of the disk is nine tenths of it.
  const disk = new Quantity((resources.ephemeralStorage.nanos / 10n) * 9n);
  return {
    capacity: amounts,
    allocatable: {
      ...amounts,
      memory: resources.memory.subtract(reserve).toString(),
      'ephemeral-storage': new Quantity((disk.nanos / 1_000_000_000n) * 1_000_000_000n).toString(),
    },
    conditions: nodeConditions(inputs, before.conditions),
    addresses: [
      ...addresses.map((address) => ({ type: 'InternalIP', address })),
      { type: 'Hostname', address: hostname },
    ],
    daemonEndpoints: { kubeletEndpoint: { Port: port } },
    nodeInfo: { ...info, containerRuntimeVersion: runtimeVersion } as NonNullable<NodeStatus['nodeInfo']>,
    images: [...images]
      .sort((a, b) => Number(b.size) - Number(a.size))
      .slice(0, MOST_IMAGES)
      .map((image) => ({ names: [...image.repoDigests, ...image.repoTags], sizeBytes: Number(image.size) })),
  };
}
