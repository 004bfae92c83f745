import type { ProvisioningState, Resource } from '../azure/store.ts';
import type {
  Cluster,
  Host,
  LoadBalancer,
  Machine,
  NatGateway,
  NetworkPlugin,
  PublicIpAddress,
  RouteTable,
  VirtualNetwork,
} from '../azure/types.ts';

import type { NodeSnat } from './snat.ts';

/** What the lab's doors show of its resources. */

/** `none`: the lab runs no such thing there, because the cluster has a network of its owner's. */
export type ServiceState = 'running' | 'down' | 'none';

export interface NodeView extends Machine {
  name: string;
  state: ProvisioningState;
  error?: string;
  /** Pid of the node's init on this machine; absent while it does not run. */
  init?: number;
  containerd: ServiceState;
  agent: ServiceState;
  kubelet: ServiceState;
}

export interface ControlPlaneView {
  apiServer: ServiceState;
  controllers: ServiceState;
  operator: ServiceState;
}

export interface ClusterView extends Cluster {
  name: string;
  state: ProvisioningState;
  error?: string;
  controlPlane: ControlPlaneView;
  nodes: NodeView[];
}

export type NetworkView = Resource<VirtualNetwork> & {
  /** Names of the virtual networks that it is peered with. */
  peers: string[];
};

export type HostView = Resource<Host> & {
  /** Path of the host's network namespace on this machine. */
  namespace: string;
};

export interface PublicIpView extends PublicIpAddress {
  name: string;
  id: string;
  resourceGroup: string;
  /** Who has it, in words. */
  users: string[];
}

export interface NatGatewayView extends NatGateway {
  name: string;
  id: string;
  /** Its public addresses, as addresses. */
  addresses: string[];
  /** `network/subnet`. */
  subnets: string[];
}

export interface RouteTableView extends RouteTable {
  name: string;
  id: string;
  /** `network/subnet`. */
  subnets: string[];
}

export interface LoadBalancerView extends LoadBalancer {
  name: string;
  id: string;
  /** Nodes that get connections, by rule. */
  healthy: Record<string, string[]>;
}

export interface LabStatus {
  supervisor: { pid: number; startedAt: string };
  /** `up`, or `down: ` and why. */
  uplink: string;
  networks: number;
  hosts: number;
  clusters: {
    name: string;
    state: string;
    nodes: number;
    /** Nodes with all that the lab gives them. With network plugin `none` Kubernetes calls them Ready later, or never. */
    ready: number;
    podCidr: string;
    networkPlugin: NetworkPlugin;
  }[];
  /** Namespaces that should be there and are not. */
  missing: string[];
  /** Source ports of nodes that go out through their cluster's load balancer. */
  snat: NodeSnat[];
  /** Packets that the fabric refused, by namespace and reason. */
  refused: Record<string, Record<string, number>>;
}
