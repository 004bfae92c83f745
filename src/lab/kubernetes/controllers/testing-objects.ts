// Objects for tests of pure decisions: complete, with the few fields that matter given.
import { live, type Node, type Pod, type PodSpec } from './common/objects.ts';

let serial = 0;

export function meta(name: string, more: object = {}): object {
  serial++;
  return {
    name,
    namespace: 'ns',
    uid: `uid-${serial}`,
    resourceVersion: String(serial),
    creationTimestamp: '2026-01-01T00:00:00Z',
    generation: 1,
    ...more,
  };
}

export interface PodShape {
  node?: string;
  cpu?: string;
  memory?: string;
  labels?: Record<string, string>;
  priority?: number;
  ready?: boolean;
  phase?: string;
  meta?: object;
  spec?: Partial<PodSpec>;
}

export function pod(name: string, shape: PodShape = {}): Pod {
  const { node, cpu, memory, labels, priority, ready, phase = node ? 'Running' : 'Pending' } = shape;
  const requests = { ...(cpu && { cpu }), ...(memory && { memory }) };
  return live<Pod>({
    metadata: meta(name, { ...(labels && { labels }), ...shape.meta }),
    spec: {
      containers: [{ name: 'c', image: 'i', resources: { requests } }],
      ...(node && { nodeName: node }),
      ...(priority !== undefined && { priority }),
      ...shape.spec,
    },
    status: {
      phase,
      ...(ready !== undefined && {
        conditions: [
          { type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: '2026-01-01T00:00:00Z' },
        ],
      }),
    },
  });
}

export interface NodeShape {
  cpu?: string;
  memory?: string;
  pods?: string;
  labels?: Record<string, string>;
  spec?: object;
}

export function node(name: string, shape: NodeShape = {}): Node {
  const { cpu = '4', memory = '8Gi', pods = '110', labels, spec = {} } = shape;
  return live<Node>({
    metadata: meta(name, { namespace: '', labels: { 'kubernetes.io/hostname': name, ...labels } }),
    spec,
    status: {
      allocatable: { cpu, memory, pods },
      conditions: [{ type: 'Ready', status: 'True' }],
    },
  });
}
