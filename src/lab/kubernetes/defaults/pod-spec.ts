import type { Container, ContainerPort, PodSpec, Probe, Volume } from '../../../kube/types.ts';

/** Upstream's deprecated `/dev/termination-log` and the rest of what the kubelet relies on. */
const TERMINATION_LOG = '/dev/termination-log';
/** 0644, in the decimal that JSON has. */
const FILE_MODE = 0o644;

type Action = NonNullable<Container['lifecycle']>['postStart'];
type EphemeralContainer = NonNullable<PodSpec['ephemeralContainers']>[number];

/** Always for `:latest` or no tag at all, unless a digest pins the image. */
export function pullPolicyOf(image: string): 'Always' | 'IfNotPresent' {
  const [name = '', digest] = image.split('@', 2);
  const tag = /:([^/:]+)$/.exec(name)?.[1];
  if (tag) return tag === 'latest' ? 'Always' : 'IfNotPresent';
  return digest ? 'IfNotPresent' : 'Always';
}

function httpDefaults(action: Action | Probe | undefined): void {
  const get = action?.httpGet;
  if (!get) return;
  get.path ||= '/';
  get.scheme ||= 'HTTP';
}

function probeDefaults(probe: Probe | undefined): void {
  if (!probe) return;
  probe.timeoutSeconds ||= 1;
  probe.periodSeconds ||= 10;
  probe.successThreshold ||= 1;
  probe.failureThreshold ||= 3;
  httpDefaults(probe);
  if (probe.grpc) probe.grpc.service ??= '';
}

/** Ports of a container, of any kind. */
function portDefaults(ports: ContainerPort[] | undefined): void {
  for (const port of ports ?? []) port.protocol ||= 'TCP';
}

function containerDefaults(container: Container | EphemeralContainer): void {
  container.imagePullPolicy ||= pullPolicyOf(container.image ?? '');
  container.terminationMessagePath ||= TERMINATION_LOG;
  container.terminationMessagePolicy ||= 'File';
  container.resources ??= {};
  portDefaults(container.ports);
  for (const { valueFrom } of container.env ?? []) {
    if (valueFrom?.fieldRef) valueFrom.fieldRef.apiVersion ||= 'v1';
    if (valueFrom?.resourceFieldRef) valueFrom.resourceFieldRef.divisor ||= '0';
  }
  probeDefaults(container.livenessProbe);
  probeDefaults(container.readinessProbe);
  probeDefaults(container.startupProbe);
  httpDefaults(container.lifecycle?.postStart);
  httpDefaults(container.lifecycle?.preStop);
}

function downwardDefaults(
  source:
    | NonNullable<Volume['downwardAPI']>
    | { items?: NonNullable<Volume['downwardAPI']>['items'] }
    | undefined,
): void {
  for (const { fieldRef, resourceFieldRef } of source?.items ?? []) {
    if (fieldRef) fieldRef.apiVersion ||= 'v1';
    if (resourceFieldRef) resourceFieldRef.divisor ||= '0';
  }
}

function volumeDefaults(volume: Volume): void {
  if (Object.keys(volume).every((key) => key === 'name')) volume.emptyDir = {};
  for (const source of [volume.secret, volume.configMap, volume.downwardAPI, volume.projected])
    if (source) source.defaultMode ??= FILE_MODE;
  downwardDefaults(volume.downwardAPI);
  for (const { serviceAccountToken, downwardAPI } of volume.projected?.sources ?? []) {
    if (serviceAccountToken) serviceAccountToken.expirationSeconds ??= 3600;
    downwardDefaults(downwardAPI);
  }
  if (volume.hostPath) volume.hostPath.type ??= '';
  const claim = volume.ephemeral?.volumeClaimTemplate?.spec;
  if (claim) claim.volumeMode ||= 'Filesystem';
}

/** The one before the two names of one field became one. */
function serviceAccountAlias(spec: PodSpec): void {
  spec.serviceAccountName ||= spec.serviceAccount ?? '';
  if (spec.serviceAccountName) spec.serviceAccount = spec.serviceAccountName;
  else {
    delete spec.serviceAccountName;
    delete spec.serviceAccount;
  }
}

/** What holds for pods and for the templates of workloads. */
export function podSpecDefaults(spec: PodSpec): void {
  spec.dnsPolicy ||= 'ClusterFirst';
  spec.restartPolicy ||= 'Always';
  spec.terminationGracePeriodSeconds ??= 30;
  spec.schedulerName ||= 'default-scheduler';
  spec.securityContext ??= {};
  serviceAccountAlias(spec);
  for (const container of spec.initContainers ?? []) containerDefaults(container);
  for (const container of spec.containers ?? []) containerDefaults(container);
  for (const container of spec.ephemeralContainers ?? []) containerDefaults(container);
  for (const volume of spec.volumes ?? []) volumeDefaults(volume);
}

/** What holds only for pods: limits stand for missing requests, host ports, service links. */
export function podOnlyDefaults(spec: PodSpec): void {
  spec.enableServiceLinks ??= true;
  for (const container of [...(spec.initContainers ?? []), ...(spec.containers ?? [])]) {
    const { resources } = container;
    for (const [name, limit] of Object.entries(resources?.limits ?? {})) {
      if (!resources) break;
      resources.requests ??= {};
      resources.requests[name] ??= limit;
    }
    if (spec.hostNetwork) for (const port of container.ports ?? []) port.hostPort ||= port.containerPort;
  }
}
