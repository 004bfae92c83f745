import {
  type CriRequest,
  NAMESPACE_CONTAINER,
  NAMESPACE_NODE,
  NAMESPACE_POD,
  NAMESPACE_TARGET,
} from './cri-schema.ts';
import { ConfigError } from './environment.ts';
import { allContainers, type Container, type KubeletPod, type PodSpec } from './model.ts';

/** What containers must not see or change of the kernel, as container runtimes have it by default. */
const MASKED = [
  '/proc/asound',
  '/proc/acpi',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
  '/sys/devices/virtual/powercap',
];
const READ_ONLY = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

const RUNTIME_DEFAULT = 0;
const UNCONFINED = 1;
const LOCALHOST = 2;
/** Where profiles of type Localhost lie on a node. */
const SECCOMP_ROOT = '/var/lib/kubelet/seccomp';

type SeccompProfile = NonNullable<NonNullable<PodSpec['securityContext']>['seccompProfile']>;

function seccomp(profile: SeccompProfile | undefined): CriRequest<'SecurityProfile'> {
  if (profile?.type === 'RuntimeDefault') return { profileType: RUNTIME_DEFAULT };
  if (profile?.type !== 'Localhost') return { profileType: UNCONFINED };
  const name = profile.localhostProfile ?? '';
  if (name === '' || name.startsWith('/') || name.split('/').includes('..')) {
    throw new ConfigError(
      `seccompProfile.localhostProfile "${name}" must be a path below ${SECCOMP_ROOT} without ".."`,
    );
  }
  return { profileType: LOCALHOST, localhostRef: `${SECCOMP_ROOT}/${name}` };
}

/** Which of the pod's, the container's own or the node's namespaces are used. @param target - a container's id */
export function namespaceOptions(pod: KubeletPod, target?: string): CriRequest<'NamespaceOption'> {
  const { hostNetwork, hostPID, hostIPC, shareProcessNamespace } = pod.spec;
  const pid = hostPID ? NAMESPACE_NODE : shareProcessNamespace ? NAMESPACE_POD : NAMESPACE_CONTAINER;
  return {
    network: hostNetwork ? NAMESPACE_NODE : NAMESPACE_POD,
    ipc: hostIPC ? NAMESPACE_NODE : NAMESPACE_POD,
    pid: target ? NAMESPACE_TARGET : pid,
    ...(target ? { targetId: target } : {}),
  };
}

function supplementalGroups(pod: KubeletPod): number[] {
  const { fsGroup, supplementalGroups: groups = [] } = pod.spec.securityContext ?? {};
  return fsGroup === undefined ? groups : [fsGroup, ...groups];
}

export function sandboxSecurity(pod: KubeletPod): CriRequest<'LinuxSandboxSecurityContext'> {
  const { runAsUser, runAsGroup, seccompProfile } = pod.spec.securityContext ?? {};
  return {
    namespaceOptions: namespaceOptions(pod),
    supplementalGroups: supplementalGroups(pod),
    // Also of those that only initialise: the runtime refuses a privileged one in a sandbox that is not.
    privileged: allContainers(pod).some((each) => each.securityContext?.privileged ?? false),
    // The pause process needs no more than the runtime's own profile, whatever the pod says.
    seccomp: seccomp(seccompProfile ?? { type: 'RuntimeDefault' }),
    ...(runAsUser === undefined ? {} : { runAsUser: { value: runAsUser } }),
    ...(runAsUser === undefined || runAsGroup === undefined ? {} : { runAsGroup: { value: runAsGroup } }),
  };
}

/** Capabilities with the prefix that runtimes know them by. */
const capabilities = (names: readonly string[] = []): string[] =>
  names.map((name) => name.toUpperCase().replace(/^CAP_/, ''));

/**
 * @param image - whom the image runs as: a number, or a name
 * @throws ConfigError when it would run as root and must not
 */
export function containerSecurity(
  pod: KubeletPod,
  container: Container,
  image: { readonly uid?: number; readonly username?: string } = {},
): CriRequest<'LinuxContainerSecurityContext'> {
  const common = pod.spec.securityContext ?? {};
  const own = container.securityContext ?? {};
  const user = own.runAsUser ?? common.runAsUser;
  const group = own.runAsGroup ?? common.runAsGroup;
  if (own.runAsNonRoot ?? common.runAsNonRoot) refuseRoot(pod, container, user, image);
  const privileged = own.privileged ?? false;
  const masked = !privileged && own.procMount !== 'Unmasked';
  const imageUser = image.username
    ? { runAsUsername: image.username }
    : { runAsUser: { value: image.uid ?? 0 } };
  return {
    namespaceOptions: namespaceOptions(pod),
    privileged,
    readonlyRootfs: own.readOnlyRootFilesystem ?? false,
    noNewPrivs: own.allowPrivilegeEscalation === false && !privileged,
    supplementalGroups: supplementalGroups(pod),
    capabilities: {
      addCapabilities: capabilities(own.capabilities?.add),
      dropCapabilities: capabilities(own.capabilities?.drop),
    },
    maskedPaths: masked ? MASKED : [],
    readonlyPaths: masked ? READ_ONLY : [],
    seccomp: seccomp(privileged ? undefined : (own.seccompProfile ?? common.seccompProfile)),
    ...(user === undefined ? imageUser : { runAsUser: { value: user } }),
    ...(group === undefined ? {} : { runAsGroup: { value: group } }),
  };
}

function refuseRoot(
  pod: KubeletPod,
  container: Container,
  user: number | undefined,
  image: { readonly uid?: number; readonly username?: string },
): void {
  const where = `(pod: "${pod.name}_${pod.namespace}(${pod.uid})", container: ${container.name})`;
  if (user === 0) throw new ConfigError(`container's runAsUser breaks non-root policy ${where}`);
  if (user !== undefined) return;
  if (image.username) {
    throw new ConfigError(
      `container has runAsNonRoot and image has non-numeric user (${image.username}), cannot verify user is non-root ${where}`,
    );
  }
  if ((image.uid ?? 0) === 0)
    throw new ConfigError(`container has runAsNonRoot and image will run as root ${where}`);
}
