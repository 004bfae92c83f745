/**
 * Services as a node's tables need them. Pure: Kubernetes objects in, translations out; nothing here knows the API
 * or the kernel. The rules are those of kube-proxy (Kubernetes 1.36), named by their fields.
 */

export type Protocol = 'TCP' | 'UDP' | 'SCTP';

/** Where a connection may end. */
export interface Backend {
  /** A pod's address, or any that an EndpointSlice names. */
  readonly address: string;
  /** 1..65535. */
  readonly port: number;
  /** On this node. */
  readonly local: boolean;
}

/**
 * One way to address a Service: packets to `address`:`port` become packets to one of `backends`. What a way is for
 * decides which backends it has: a Service with `externalTrafficPolicy: Local` has others outside than inside.
 */
export interface Frontend {
  /**
   * * `cluster-ip`: from pods and from the node itself;
   * * `external-ip`, `load-balancer`: an address that the network routes to nodes, also used from inside;
   * * `node-port`: `port` at every address of the node itself.
   */
  readonly kind: 'cluster-ip' | 'external-ip' | 'load-balancer' | 'node-port';
  /** Absent for `node-port`. */
  readonly address?: string;
  readonly protocol: Protocol;
  /** 1..65535. */
  readonly port: number;
  /** In a fixed order (address, then port), each once. */
  readonly backends: readonly Backend[];
  /**
   * For packets that come from inside the cluster (pods, and this node), where these differ from `backends`: with
   * `externalTrafficPolicy: Local` inside traffic still reaches every endpoint. Only for kinds that come from outside.
   */
  readonly insideBackends?: readonly Backend[];
  /** `sessionAffinity: ClientIP`: seconds (1..86400) that a client stays with its backend after its last connection. */
  readonly affinitySeconds?: number;
  /** `loadBalancerSourceRanges`: who may use it; CIDRs. Absent: everybody. Others are dropped silently, as upstream. */
  readonly sourceRanges?: readonly string[];
  /**
   * Connections from outside wear the node's address (`externalTrafficPolicy: Cluster`), so that the answer comes
   * back this way. Never for traffic from inside, except a pod that is answered by itself (hairpin), which the
   * tables handle.
   */
  readonly masquerade: boolean;
  /**
   * What a packet gets when there are no `backends`: `reject` (TCP reset, ICMP port unreachable) when the Service has
   * none at all, `drop` when it has some but none that the traffic policy allows here.
   */
  readonly empty: 'reject' | 'drop';
}

/** All ways to one port of one Service. */
export interface PortTranslation {
  /** `namespace/name:port`, the port by its name or, without one, its number and protocol. Unique and stable. */
  readonly id: string;
  readonly frontends: readonly Frontend[];
}

/** What one Service becomes on one node. */
export interface ServiceTranslation {
  /** `namespace/name`. */
  readonly key: string;
  readonly ports: readonly PortTranslation[];
  /** `healthCheckNodePort`: answers 200 while this node has ready endpoints of the Service, else 503. */
  readonly healthCheck?: { readonly port: number; readonly localEndpoints: number };
}
