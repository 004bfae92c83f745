/**
 * What of Kubernetes' objects a translation reads, as they stand in JSON. The API server checks them, and yet nothing
 * here relies on it: a part that is not as it should be is left out and named.
 */
type Maybe<T> = T | null | undefined;

export interface ObjectMetadata {
  readonly name?: Maybe<string>;
  readonly namespace?: Maybe<string>;
  readonly labels?: Maybe<Readonly<Record<string, string>>>;
  readonly annotations?: Maybe<Readonly<Record<string, string>>>;
}

export interface ServicePortSpec {
  readonly name?: Maybe<string>;
  readonly protocol?: Maybe<string>;
  readonly port?: Maybe<number>;
  readonly nodePort?: Maybe<number>;
}

/** A Service of core/v1. */
export interface ServiceObject {
  readonly metadata?: Maybe<ObjectMetadata>;
  readonly spec?: Maybe<{
    readonly type?: Maybe<string>;
    readonly clusterIP?: Maybe<string>;
    readonly clusterIPs?: Maybe<readonly string[]>;
    readonly ports?: Maybe<readonly ServicePortSpec[]>;
    readonly externalIPs?: Maybe<readonly string[]>;
    readonly sessionAffinity?: Maybe<string>;
    readonly sessionAffinityConfig?: Maybe<{
      readonly clientIP?: Maybe<{ readonly timeoutSeconds?: Maybe<number> }>;
    }>;
    readonly internalTrafficPolicy?: Maybe<string>;
    readonly externalTrafficPolicy?: Maybe<string>;
    readonly healthCheckNodePort?: Maybe<number>;
    readonly loadBalancerSourceRanges?: Maybe<readonly string[]>;
  }>;
  readonly status?: Maybe<{
    readonly loadBalancer?: Maybe<{
      readonly ingress?: Maybe<readonly { readonly ip?: Maybe<string>; readonly ipMode?: Maybe<string> }[]>;
    }>;
  }>;
}

export interface SliceEndpoint {
  readonly addresses?: Maybe<readonly string[]>;
  readonly conditions?: Maybe<{
    readonly ready?: Maybe<boolean>;
    readonly serving?: Maybe<boolean>;
    readonly terminating?: Maybe<boolean>;
  }>;
  readonly hints?: Maybe<{
    readonly forZones?: Maybe<readonly { readonly name?: Maybe<string> }[]>;
    readonly forNodes?: Maybe<readonly { readonly name?: Maybe<string> }[]>;
  }>;
  readonly nodeName?: Maybe<string>;
}

/** An EndpointSlice of discovery.k8s.io/v1. */
export interface SliceObject {
  readonly metadata?: Maybe<ObjectMetadata>;
  readonly addressType?: Maybe<string>;
  readonly endpoints?: Maybe<readonly SliceEndpoint[]>;
  readonly ports?: Maybe<
    readonly {
      readonly name?: Maybe<string>;
      readonly protocol?: Maybe<string>;
      readonly port?: Maybe<number>;
    }[]
  >;
}

/** The node that the translation is for. */
export interface NodeView {
  readonly name: string;
  /** Its label `topology.kubernetes.io/zone`. */
  readonly zone?: string;
}

/** Services and EndpointSlices with one of these labels are somebody else's. */
export const EXCLUDING_LABELS = [
  'service.kubernetes.io/service-proxy-name',
  'service.kubernetes.io/headless',
] as const;

/** The label of an EndpointSlice that names its Service. */
export const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';

/** `namespace/name`. */
export function keyOf({ metadata }: { readonly metadata?: Maybe<ObjectMetadata> }): string {
  return `${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`;
}

/** The Service that a slice belongs to; undefined when it names none. */
export function serviceOfSlice({ metadata }: SliceObject): string | undefined {
  const name = metadata?.labels?.[SERVICE_NAME_LABEL];
  return name ? `${metadata?.namespace ?? ''}/${name}` : undefined;
}

export function isExcluded({ metadata }: { readonly metadata?: Maybe<ObjectMetadata> }): boolean {
  return EXCLUDING_LABELS.some((label) => metadata?.labels?.[label] !== undefined);
}
