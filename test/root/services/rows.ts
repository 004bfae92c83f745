import { EXTERNAL_IP, NODE_PORTS } from './fixtures.ts';
import type { Place, ServiceLab } from './lab.ts';

/** Who the backend sees: the client itself, or a node on its behalf. */
type Seen = 'client' | 'node';

export interface Row {
  what: string;
  from: Place;
  to: (lab: ServiceLab) => [address: string, port: number];
  udp?: true;
  /** The pods that answer, every one of them; `refused` comes at once, `silence` does not end. */
  expect: { pods: string[]; seen: Seen } | 'refused' | 'silence';
}

const BOTH = ['echo-1', 'echo-2'];
const both = (seen: Seen) => ({ pods: BOTH, seen });
const solo = (seen: Seen) => ({ pods: ['solo'], seen });

const clusterIp =
  (name: string, port = 80) =>
  (lab: ServiceLab): [string, number] => [lab.clusterIp(name), port];
const frontend =
  (name: string, port = 80) =>
  (lab: ServiceLab): [string, number] => [lab.frontend(name), port];
const nodePort =
  (node: 'node-1' | 'node-2', port: number) =>
  (lab: ServiceLab): [string, number] => [lab.addressOf(node), port];
const at = (address: string) => (): [string, number] => [address, 80];

/** The same row from several places. */
function each(places: Place[], row: Omit<Row, 'from'>): Row[] {
  return places.map((from) => ({ ...row, from }));
}

const PODS: Place[] = ['pod-1', 'pod-2'];
const NODES: Place[] = ['node-1', 'node-2'];

export const ROWS: Row[] = [
  ...each(PODS, { what: 'ClusterIP', to: clusterIp('cluster-ip'), expect: both('client') }),
  ...each(NODES, { what: 'ClusterIP', to: clusterIp('cluster-ip'), expect: both('client') }),
  ...each(PODS, {
    what: 'a port named otherwise by each pod',
    to: clusterIp('cluster-ip', 81),
    expect: both('client'),
  }),
  ...each(PODS, {
    what: 'ClusterIP, UDP',
    to: clusterIp('cluster-ip', 53),
    udp: true,
    expect: both('client'),
  }),
  {
    what: 'ClusterIP, UDP',
    from: 'node-1',
    to: clusterIp('cluster-ip', 53),
    udp: true,
    expect: both('client'),
  },
  {
    what: 'a port that the Service does not have',
    from: 'pod-1',
    to: clusterIp('cluster-ip', 82),
    expect: 'refused',
  },
  { what: 'hairpin', from: 'solo', to: clusterIp('hairpin'), expect: solo('node') },
  { what: 'hairpin, UDP', from: 'solo', to: clusterIp('hairpin', 53), udp: true, expect: solo('node') },
  { what: 'the pod beside', from: 'pod-1', to: clusterIp('hairpin'), expect: solo('client') },

  ...each([...PODS, 'node-1'], { what: 'no endpoint', to: clusterIp('empty'), expect: 'refused' }),
  ...each(PODS, { what: 'no endpoint, UDP', to: clusterIp('empty', 53), udp: true, expect: 'refused' }),
  ...each(['inside', 'pod-1'], {
    what: 'no endpoint, node port',
    to: nodePort('node-2', NODE_PORTS.empty),
    expect: 'refused',
  }),
  ...each(PODS, { what: 'no ready endpoint', to: clusterIp('unready'), expect: 'refused' }),
  ...each(PODS, {
    what: 'publishNotReadyAddresses',
    to: clusterIp('published'),
    expect: { pods: ['late'], seen: 'client' },
  }),

  ...each(['node-1', 'pod-1'], {
    what: 'internalTrafficPolicy Local',
    to: clusterIp('inside-local'),
    expect: solo('client'),
  }),
  ...each(['node-2', 'pod-2'], {
    what: 'internalTrafficPolicy Local, no endpoint here',
    to: clusterIp('inside-local'),
    expect: 'silence',
  }),
  {
    what: 'PreferSameNode',
    from: 'pod-1',
    to: clusterIp('near'),
    expect: { pods: ['echo-1'], seen: 'client' },
  },
  {
    what: 'PreferSameNode',
    from: 'pod-2',
    to: clusterIp('near'),
    expect: { pods: ['echo-2'], seen: 'client' },
  },

  ...each([...PODS, 'node-1'], { what: 'externalIPs', to: at(EXTERNAL_IP), expect: both('client') }),

  { what: 'NodePort', from: 'inside', to: nodePort('node-1', NODE_PORTS.tcp), expect: both('node') },
  { what: 'NodePort', from: 'inside', to: nodePort('node-2', NODE_PORTS.tcp), expect: both('node') },
  {
    what: 'NodePort, UDP',
    from: 'inside',
    to: nodePort('node-2', NODE_PORTS.udp),
    udp: true,
    expect: both('node'),
  },
  {
    what: 'NodePort of the own node',
    from: 'pod-1',
    to: nodePort('node-1', NODE_PORTS.tcp),
    expect: both('client'),
  },
  {
    what: 'NodePort of the own node',
    from: 'node-1',
    to: nodePort('node-1', NODE_PORTS.tcp),
    expect: both('client'),
  },
  {
    what: 'NodePort of the other node',
    from: 'node-1',
    to: nodePort('node-2', NODE_PORTS.tcp),
    expect: both('node'),
  },
  {
    what: 'NodePort, Local, at its node',
    from: 'inside',
    to: nodePort('node-1', NODE_PORTS.local),
    expect: solo('client'),
  },
  {
    what: 'NodePort, Local, elsewhere',
    from: 'inside',
    to: nodePort('node-2', NODE_PORTS.local),
    expect: 'silence',
  },
  {
    what: 'NodePort, Local, elsewhere, from a pod there: inside is not outside',
    from: 'pod-2',
    to: nodePort('node-2', NODE_PORTS.local),
    expect: solo('client'),
  },

  ...each(['outside', 'stranger', 'machine', 'inside'], {
    what: 'LoadBalancer',
    to: frontend('lb'),
    expect: both('node'),
  }),
  { what: 'LoadBalancer, UDP', from: 'outside', to: frontend('lb', 53), udp: true, expect: both('node') },
  ...each([...PODS, 'node-1'], {
    what: 'LoadBalancer, from inside',
    to: frontend('lb'),
    expect: both('client'),
  }),
  { what: 'LoadBalancer, Local', from: 'outside', to: frontend('lb-local'), expect: solo('client') },
  {
    what: 'LoadBalancer, Local, from a pod elsewhere',
    from: 'pod-2',
    to: frontend('lb-local'),
    expect: solo('client'),
  },
  { what: 'loadBalancerSourceRanges', from: 'outside', to: frontend('lb-ranges'), expect: both('node') },
  ...each(['stranger', 'machine'], {
    what: 'loadBalancerSourceRanges, not in them',
    to: frontend('lb-ranges'),
    expect: 'silence',
  }),
  { what: 'internal LoadBalancer', from: 'inside', to: frontend('lb-internal'), expect: both('node') },
  { what: 'internal LoadBalancer', from: 'pod-1', to: frontend('lb-internal'), expect: both('client') },
  {
    what: 'internal LoadBalancer, from the internet',
    from: 'outside',
    to: frontend('lb-internal'),
    expect: 'silence',
  },
];
