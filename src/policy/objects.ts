/**
 * What of Kubernetes' objects a verdict depends on, as they stand in JSON. The API server checks them, and yet nothing
 * here relies on it: an older server, or a definition of another version, lets through what this one would refuse.
 */
export type Maybe<T> = T | null | undefined;
type List<T> = Maybe<readonly T[]>;

export type Labels = Readonly<Record<string, string>>;

export interface ObjectMetadata {
  readonly name?: Maybe<string>;
  readonly namespace?: Maybe<string>;
  readonly labels?: Maybe<Labels>;
  readonly creationTimestamp?: Maybe<string>;
}

export interface LabelSelector {
  readonly matchLabels?: Maybe<Labels>;
  readonly matchExpressions?: List<{
    readonly key?: Maybe<string>;
    readonly operator?: Maybe<string>;
    readonly values?: List<string>;
  }>;
}

/** `networking.k8s.io/v1`. Without `port` every port of the protocol; without `protocol` TCP. */
export interface NetworkPolicyPort {
  readonly protocol?: Maybe<string>;
  /** A number 1..65535, or the name of a container's port. */
  readonly port?: Maybe<number | string>;
  /** The last of a range that begins with a numeric `port`. */
  readonly endPort?: Maybe<number>;
}

export interface NetworkPolicyPeer {
  readonly podSelector?: Maybe<LabelSelector>;
  readonly namespaceSelector?: Maybe<LabelSelector>;
  readonly ipBlock?: Maybe<{ readonly cidr?: Maybe<string>; readonly except?: List<string> }>;
}

/** NetworkPolicy of networking.k8s.io/v1. */
export interface NetworkPolicy {
  readonly metadata?: Maybe<ObjectMetadata>;
  readonly spec?: Maybe<{
    readonly podSelector?: Maybe<LabelSelector>;
    readonly policyTypes?: List<string>;
    readonly ingress?: List<{
      readonly from?: List<NetworkPolicyPeer>;
      readonly ports?: List<NetworkPolicyPort>;
    }>;
    readonly egress?: List<{
      readonly to?: List<NetworkPolicyPeer>;
      readonly ports?: List<NetworkPolicyPort>;
    }>;
  }>;
}

/** Who a cluster-wide policy is about, and the peers of its rules: exactly one field. */
export interface ClusterSubject {
  readonly namespaces?: Maybe<LabelSelector>;
  readonly pods?: Maybe<{
    readonly namespaceSelector?: Maybe<LabelSelector>;
    readonly podSelector?: Maybe<LabelSelector>;
  }>;
}

/** `nodes`, `networks` and `domainNames` are for egress only. */
export interface ClusterPeer extends ClusterSubject {
  readonly nodes?: Maybe<LabelSelector>;
  readonly networks?: List<string>;
  readonly domainNames?: List<string>;
}

export interface ClusterRule {
  readonly name?: Maybe<string>;
  /** `Allow` (v1alpha1) or `Accept` (v1alpha2), `Deny`, `Pass`. */
  readonly action?: Maybe<string>;
  readonly from?: List<ClusterPeer>;
  readonly to?: List<ClusterPeer>;
  /** Of v1alpha1. */
  readonly ports?: List<AdminPort>;
  /** Of v1alpha2. */
  readonly protocols?: List<ClusterProtocol>;
}

/** Of v1alpha1: exactly one field. */
export interface AdminPort {
  readonly portNumber?: Maybe<{ readonly protocol?: Maybe<string>; readonly port?: Maybe<number> }>;
  readonly namedPort?: Maybe<string>;
  readonly portRange?: Maybe<{
    readonly protocol?: Maybe<string>;
    readonly start?: Maybe<number>;
    readonly end?: Maybe<number>;
  }>;
}

interface DestinationPort {
  readonly destinationPort?: Maybe<{
    readonly number?: Maybe<number>;
    readonly range?: Maybe<{ readonly start?: Maybe<number>; readonly end?: Maybe<number> }>;
  }>;
}

/** Of v1alpha2: exactly one field. */
export interface ClusterProtocol {
  readonly tcp?: Maybe<DestinationPort>;
  readonly udp?: Maybe<DestinationPort>;
  readonly sctp?: Maybe<DestinationPort>;
  readonly destinationNamedPort?: Maybe<string>;
}

/**
 * AdminNetworkPolicy and BaselineAdminNetworkPolicy (policy.networking.k8s.io/v1alpha1), ClusterNetworkPolicy
 * (v1alpha2): which of them decides about `tier` and `priority`.
 */
export interface ClusterPolicy {
  readonly metadata?: Maybe<ObjectMetadata>;
  readonly spec?: Maybe<{
    /** ClusterNetworkPolicy: `Admin` or `Baseline`. */
    readonly tier?: Maybe<string>;
    /** 0..1000, the lower first. Baseline of v1alpha1 has none. */
    readonly priority?: Maybe<number>;
    readonly subject?: Maybe<ClusterSubject>;
    readonly ingress?: List<ClusterRule>;
    readonly egress?: List<ClusterRule>;
  }>;
}

export type ClusterPolicyKind = 'AdminNetworkPolicy' | 'BaselineAdminNetworkPolicy' | 'ClusterNetworkPolicy';
export type PolicyKind = 'NetworkPolicy' | ClusterPolicyKind;

export interface ContainerObject {
  readonly restartPolicy?: Maybe<string>;
  readonly ports?: List<{
    readonly name?: Maybe<string>;
    readonly containerPort?: Maybe<number>;
    readonly protocol?: Maybe<string>;
  }>;
}

export interface PodObject {
  readonly metadata?: Maybe<ObjectMetadata>;
  readonly spec?: Maybe<{
    readonly nodeName?: Maybe<string>;
    readonly hostNetwork?: Maybe<boolean>;
    readonly containers?: List<ContainerObject>;
    readonly initContainers?: List<ContainerObject>;
  }>;
  readonly status?: Maybe<{
    readonly phase?: Maybe<string>;
    readonly podIP?: Maybe<string>;
    readonly podIPs?: List<{ readonly ip?: Maybe<string> }>;
  }>;
}

export interface NamespaceObject {
  readonly metadata?: Maybe<ObjectMetadata>;
}

export interface NodeObject {
  readonly metadata?: Maybe<ObjectMetadata>;
  readonly status?: Maybe<{
    readonly addresses?: List<{ readonly type?: Maybe<string>; readonly address?: Maybe<string> }>;
  }>;
}

/** Everything that a verdict depends on. */
export interface Cluster {
  readonly pods: readonly PodObject[];
  readonly namespaces: readonly NamespaceObject[];
  readonly nodes: readonly NodeObject[];
  readonly networkPolicies: readonly NetworkPolicy[];
  readonly adminNetworkPolicies: readonly ClusterPolicy[];
  readonly baselineAdminNetworkPolicies: readonly ClusterPolicy[];
  readonly clusterNetworkPolicies: readonly ClusterPolicy[];
}

/** `namespace/name`. */
export function keyOf({ metadata }: { readonly metadata?: Maybe<ObjectMetadata> }): string {
  return `${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`;
}

/** `NetworkPolicy default/web`, `ClusterNetworkPolicy web`. */
export function policyKey(
  kind: PolicyKind,
  { metadata }: { readonly metadata?: Maybe<ObjectMetadata> },
): string {
  const name = metadata?.name ?? '';
  return kind === 'NetworkPolicy' ? `${kind} ${metadata?.namespace ?? ''}/${name}` : `${kind} ${name}`;
}

/** The label that the API server gives to every namespace: its name. */
export const NAMESPACE_NAME_LABEL = 'kubernetes.io/metadata.name';
