import type { Packet } from './decision.ts';
import type { evaluate } from './evaluate.ts';
import { lookup } from './lookup.ts';
import { PolicyModel } from './model.ts';
import type { Cluster, ClusterPolicyKind, NodeObject, PodObject } from './objects.ts';
import type { PolicyTables } from './tables.ts';

export const NODES = ['n1', 'n2'] as const;
/** `n1` has 10.0.0.1 and fd00::1. */
export function node(name: string, labels: Record<string, string> = {}): NodeObject {
  const last = name.slice(1);
  return {
    metadata: { name, labels },
    status: {
      addresses: [
        { type: 'InternalIP', address: `10.0.0.${last}` },
        { type: 'InternalIP', address: `fd00::${last}` },
        { type: 'Hostname', address: name },
      ],
    },
  };
}

type PodOptions = {
  readonly labels?: Record<string, string>;
  readonly node?: string;
  /** `http=8080`, `dns=53/UDP`. */
  readonly ports?: readonly string[];
};

/** `pod('default/web', '10.244.0.2')`, on n1. */
export function pod(
  key: string,
  address: string,
  { labels = {}, node: nodeName = 'n1', ports = [] }: PodOptions = {},
): PodObject {
  const [namespace, name] = key.split('/');
  return {
    metadata: { namespace: namespace!, name: name!, labels },
    spec: {
      nodeName,
      containers: [
        {
          ports: ports.map((text) => {
            const [, portName, number, protocol] = /^([^=]+)=(\d+)(?:\/(\w+))?$/.exec(text)!;
            return { name: portName, containerPort: Number(number), protocol };
          }),
        },
      ],
    },
    status: { phase: 'Running', podIPs: [{ ip: address }] },
  };
}

export function emptyCluster(rest: Partial<Cluster> = {}): Cluster {
  return {
    pods: [],
    namespaces: [],
    nodes: NODES.map((name) => node(name)),
    networkPolicies: [],
    adminNetworkPolicies: [],
    baselineAdminNetworkPolicies: [],
    clusterNetworkPolicies: [],
    ...rest,
  };
}

export const CLUSTER_KINDS: readonly [ClusterPolicyKind, keyof Cluster][] = [
  ['AdminNetworkPolicy', 'adminNetworkPolicies'],
  ['BaselineAdminNetworkPolicy', 'baselineAdminNetworkPolicies'],
  ['ClusterNetworkPolicy', 'clusterNetworkPolicies'],
];

/** Gives a model all of a cluster. */
export function fill(model: PolicyModel, cluster: Cluster): PolicyModel {
  for (const policy of cluster.networkPolicies) model.setPolicy('NetworkPolicy', policy);
  for (const [kind, list] of CLUSTER_KINDS)
    for (const policy of cluster[list] as Cluster['clusterNetworkPolicies']) model.setPolicy(kind, policy);
  for (const one of cluster.namespaces) model.setNamespace(one);
  for (const one of cluster.nodes) model.setNode(one);
  for (const one of cluster.pods) model.setPod(one);
  return model;
}

/** One node's tables from nothing. */
export function compile(nodeName: string, cluster: Cluster): PolicyTables {
  const model = fill(new PolicyModel(nodeName), cluster);
  model.take();
  return model.tables;
}

/** Both ends as the nodes that have them decide; an end without a pod accepts. */
export function lookupBoth(tables: readonly PolicyTables[], packet: Packet): ReturnType<typeof evaluate> {
  const at = (direction: 'ingress' | 'egress') => {
    for (const one of tables) {
      const found = lookup(one, direction, packet);
      if (found) return found;
    }
    return { verdict: 'accept', decidedBy: 'no pod' } as const;
  };
  const egress = at('egress');
  const ingress = at('ingress');
  const verdict = egress.verdict === 'accept' && ingress.verdict === 'accept' ? 'accept' : 'deny';
  return { verdict, egress, ingress };
}
