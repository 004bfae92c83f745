import type { Pod } from '../../kube/types.ts';

export type {
  ConfigMap,
  Lease,
  Node,
  Pod,
  Secret,
  Service,
} from '../../kube/types.ts';
export type PodSpec = NonNullable<Pod['spec']>;
export type PodStatus = NonNullable<Pod['status']>;
export type PodCondition = NonNullable<PodStatus['conditions']>[number];
export type ContainerStatus = NonNullable<PodStatus['containerStatuses']>[number];
export type Container = PodSpec['containers'][number];
export type EnvVar = NonNullable<Container['env']>[number];
export type Probe = NonNullable<Container['livenessProbe']>;
export type Handler = NonNullable<NonNullable<Container['lifecycle']>['postStart']>;
export type Volume = NonNullable<PodSpec['volumes']>[number];
export type KeyToPath = NonNullable<NonNullable<Volume['configMap']>['items']>[number];

/** A pod with what every pod has once it was admitted, so that nobody has to ask again. */
export interface KubeletPod {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly spec: PodSpec;
  /** The whole object. */
  readonly object: Pod;
  /** Came from a file on the node: the API server knows nothing of it. */
  readonly isStatic: boolean;
}

/** @throws TypeError naming what the object lacks to be a pod */
export function toKubeletPod(object: Pod, isStatic = false): KubeletPod {
  const { uid, namespace, name } = object.metadata ?? {};
  if (!uid || !namespace || !name || !object.spec) {
    throw new TypeError(`pod ${namespace}/${name} has no ${object.spec ? 'uid, namespace or name' : 'spec'}`);
  }
  return { uid, namespace, name, spec: object.spec, object, isStatic };
}

/** As messages and logs name it. */
export function fullName(pod: Pick<KubeletPod, 'namespace' | 'name'>): string {
  return `${pod.namespace}/${pod.name}`;
}

/** An init container that goes on running beside the others. */
export function isSidecar(container: Container): boolean {
  return container.restartPolicy === 'Always';
}

export function initContainers(pod: KubeletPod): Container[] {
  return pod.spec.initContainers ?? [];
}

/** Init containers first. */
export function allContainers(pod: KubeletPod): Container[] {
  return [...initContainers(pod), ...pod.spec.containers];
}

export function restartPolicy(pod: KubeletPod): 'Always' | 'OnFailure' | 'Never' {
  const policy = pod.spec.restartPolicy;
  return policy === 'Never' || policy === 'OnFailure' ? policy : 'Always';
}

export function isDeleted(pod: KubeletPod): boolean {
  return pod.object.metadata?.deletionTimestamp !== undefined;
}

/** Seconds that the pod's containers have between the stop signal and SIGKILL. */
export function gracePeriod(pod: KubeletPod): number {
  return pod.object.metadata?.deletionGracePeriodSeconds ?? pod.spec.terminationGracePeriodSeconds ?? 30;
}

/** A time of the Kubernetes API: whole seconds in UTC. @param ms - since 1970 */
export function timestamp(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
