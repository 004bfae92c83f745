import type { KubeObject } from '../../schema/types.ts';
import { generatedName } from '../metadata.ts';
import { forbidden } from '../status.ts';
import type { AdmissionStep } from '../types.ts';

interface Toleration {
  key?: string;
  operator?: string;
  value?: string;
  effect?: string;
  tolerationSeconds?: number;
}

interface Mount {
  name: string;
  mountPath: string;
  readOnly?: boolean;
}

interface Container {
  volumeMounts?: Mount[];
}

interface PodSpec {
  serviceAccountName?: string;
  serviceAccount?: string;
  automountServiceAccountToken?: boolean;
  imagePullSecrets?: { name: string }[];
  containers?: Container[];
  initContainers?: Container[];
  volumes?: { name: string; [source: string]: unknown }[];
  tolerations?: Toleration[];
  priority?: number;
  priorityClassName?: string;
  preemptionPolicy?: string;
}

const PODS = { group: '', plural: 'pods' };
const ACCOUNTS = { group: '', plural: 'serviceaccounts' };
const CLASSES = { group: 'scheduling.k8s.io', plural: 'priorityclasses' };
const MIRROR = 'kubernetes.io/config.mirror';
export const TOKEN_PATH = '/var/run/secrets/kubernetes.io/serviceaccount';
/** A token of an hour, and seven seconds, by which the official code knows that it was not asked for. Seconds. */
const TOKEN_SECONDS = 3607;

/** A step for pods that are created; `spec` is theirs. */
function onPods(
  step: (pod: KubeObject, spec: PodSpec, ...rest: Parameters<AdmissionStep>) => void,
): AdmissionStep {
  return (request, access) => {
    const { kind, operation, object, subresource } = request;
    if (kind.plural !== 'pods' || kind.group !== '' || operation !== 'CREATE' || subresource || !object)
      return;
    object.spec ??= {};
    step(object, object.spec as PodSpec, request, access);
  };
}

function tokenVolume(name: string) {
  return {
    name,
    projected: {
      defaultMode: 0o644,
      sources: [
        { serviceAccountToken: { expirationSeconds: TOKEN_SECONDS, path: 'token' } },
        { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        {
          downwardAPI: {
            items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }],
          },
        },
      ],
    },
  };
}

/** Gives every container the account's token, but for those that mount something else there. */
function mountToken(spec: PodSpec): void {
  const containers = [...(spec.initContainers ?? []), ...(spec.containers ?? [])];
  const without = containers.filter(
    ({ volumeMounts }) => !volumeMounts?.some((mount) => mount.mountPath === TOKEN_PATH),
  );
  if (without.length === 0) return;
  const name =
    spec.volumes?.find((volume) => volume.name.startsWith('kube-api-access-'))?.name ??
    generatedName('kube-api-access-');
  for (const container of without)
    container.volumeMounts = [
      ...(container.volumeMounts ?? []),
      { name, readOnly: true, mountPath: TOKEN_PATH },
    ];
  if (!spec.volumes?.some((volume) => volume.name === name))
    spec.volumes = [...(spec.volumes ?? []), tokenVolume(name)];
}

/** Upstream's ServiceAccount plugin: every pod has an account, and its token where its API is. */
export const serviceAccount: AdmissionStep = onPods((pod, spec, { namespace, name }, access) => {
  // A kubelet's image of its static pods has no account.
  if (pod.metadata?.annotations?.[MIRROR] !== undefined) return;
  spec.serviceAccountName ||= 'default';
  spec.serviceAccount = spec.serviceAccountName;
  const account = access.get(ACCOUNTS, namespace, spec.serviceAccountName) as
    | (KubeObject & { automountServiceAccountToken?: boolean; imagePullSecrets?: { name: string }[] })
    | undefined;
  if (!account)
    throw forbidden(
      PODS,
      name,
      `error looking up service account ${namespace}/${spec.serviceAccountName}: serviceaccount "${spec.serviceAccountName}" not found`,
    );
  if (spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true) mountToken(spec);
  if (!spec.imagePullSecrets?.length && account.imagePullSecrets?.length)
    spec.imagePullSecrets = account.imagePullSecrets;
});

const SYSTEM_CLASSES: Record<string, number> = {
  'system-node-critical': 2_000_001_000,
  'system-cluster-critical': 2_000_000_000,
};

/** Upstream's Priority plugin: the class's number goes into the pod. */
export const priority: AdmissionStep = onPods((_, spec, { name }, access) => {
  interface Class extends KubeObject {
    value?: number;
    globalDefault?: boolean;
    preemptionPolicy?: string;
  }
  let found: Class | undefined;
  if (!spec.priorityClassName) {
    found = (access.list(CLASSES) as Class[])
      .filter((one) => one.globalDefault)
      .sort((a, b) => (a.value ?? 0) - (b.value ?? 0))[0];
    if (found?.metadata?.name) spec.priorityClassName = found.metadata.name;
  } else {
    found = access.get(CLASSES, undefined, spec.priorityClassName) as Class | undefined;
    const value = SYSTEM_CLASSES[spec.priorityClassName];
    if (!found && value !== undefined) found = { value };
    if (!found) throw forbidden(PODS, name, `no PriorityClass with name ${spec.priorityClassName} was found`);
  }
  const value = found?.value ?? 0;
  if (spec.priority !== undefined && spec.priority !== value)
    throw forbidden(
      PODS,
      name,
      `the integer value of priority (${spec.priority}) must not be provided in pod spec; priority admission controller computed ${value} from the given PriorityClass name`,
    );
  spec.priority = value;
  spec.preemptionPolicy ??= found?.preemptionPolicy ?? 'PreemptLowerPriority';
});

/** A node may be away that long before its pods move. Seconds, upstream's. */
const AWAY = 300;

/** Upstream's DefaultTolerationSeconds plugin. */
export const defaultTolerations: AdmissionStep = onPods((_, spec) => {
  for (const key of ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable']) {
    const tolerated = spec.tolerations?.some(
      (one) =>
        (one.key === key || (!one.key && one.operator === 'Exists')) &&
        (!one.effect || one.effect === 'NoExecute'),
    );
    if (tolerated) continue;
    spec.tolerations = [
      ...(spec.tolerations ?? []),
      { key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: AWAY },
    ];
  }
});
