import type { Container, EnvVar, PodSpec, Probe } from '../../../kube/types.ts';
import { configKey, dnsLabel, environmentName, portName } from './names.ts';
import type { Report } from './report.ts';
import { checkResources } from './resources.ts';

const PULL_POLICIES = ['Always', 'IfNotPresent', 'Never'];
export const PROTOCOLS = ['SCTP', 'TCP', 'UDP'];
const FIELD_PATHS =
  /^(metadata\.(name|namespace|uid|labels|annotations)(\['[^']+'\])?|spec\.(nodeName|serviceAccountName)|status\.(hostIP|hostIPs|podIP|podIPs))$/;
const ENV_PATHS = [
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
];

type Handler = NonNullable<NonNullable<Container['lifecycle']>['postStart']>;

function checkValueFrom(report: Report, at: string, { value, valueFrom }: EnvVar): void {
  if (!valueFrom) return;
  const sources = ['fieldRef', 'resourceFieldRef', 'configMapKeyRef', 'secretKeyRef'] as const;
  const given = sources.filter((source) => valueFrom[source]);
  if (given.length === 0)
    report.invalid(at, '', `must specify one of: ${sources.map((one) => `\`${one}\``).join(', ')}`);
  else if (value) report.invalid(at, '', 'may not be specified when `value` is not empty');
  else if (given.length > 1) report.invalid(at, '', 'may not have more than one field specified at a time');
  const path = valueFrom.fieldRef?.fieldPath;
  if (valueFrom.fieldRef && !path) report.required(`${at}.fieldRef.fieldPath`);
  else if (path && !FIELD_PATHS.test(path)) report.oneOf(`${at}.fieldRef.fieldPath`, path, ENV_PATHS);
  if (valueFrom.resourceFieldRef && !valueFrom.resourceFieldRef.resource)
    report.required(`${at}.resourceFieldRef.resource`);
  for (const source of ['configMapKeyRef', 'secretKeyRef'] as const) {
    const reference = valueFrom[source];
    if (!reference) continue;
    if (!reference.name) report.required(`${at}.${source}.name`);
    if (reference.key) report.all(`${at}.${source}.key`, reference.key, configKey(reference.key));
    else report.required(`${at}.${source}.key`);
  }
}

function checkEnvironment(report: Report, at: string, { env, envFrom }: Container): void {
  for (const [index, variable] of (env ?? []).entries()) {
    const field = `${at}.env[${index}]`;
    if (!variable.name) report.required(`${field}.name`);
    else report.all(`${field}.name`, variable.name, environmentName(variable.name));
    checkValueFrom(report, `${field}.valueFrom`, variable);
  }
  for (const [index, source] of (envFrom ?? []).entries()) {
    const field = `${at}.envFrom[${index}]`;
    if (!source.configMapRef && !source.secretRef)
      report.invalid(field, '', 'must specify one of: `configMapRef` or `secretRef`');
    if (source.configMapRef && !source.configMapRef.name) report.required(`${field}.configMapRef.name`);
    if (source.secretRef && !source.secretRef.name) report.required(`${field}.secretRef.name`);
  }
}

/** A number, or the name of a port. */
export function checkPortReference(report: Report, field: string, port: unknown): void {
  if (typeof port === 'number') report.port(field, port);
  else if (typeof port === 'string') report.all(field, port, portName(port));
  else report.required(field);
}

function checkHandler(
  report: Report,
  at: string,
  handler: Handler | Probe | undefined,
  required: boolean,
): void {
  if (!handler) return;
  const { exec, httpGet, tcpSocket, grpc, sleep } = handler as Handler & Probe;
  const given = Object.entries({ exec, httpGet, tcpSocket, grpc, sleep }).filter(([, one]) => one);
  if (given.length === 0 && required) report.required(at, 'must specify a handler type');
  for (const [name] of given.slice(1))
    report.forbidden(`${at}.${name}`, 'may not specify more than 1 handler type');
  if (exec && !exec.command?.length) report.required(`${at}.exec.command`);
  if (httpGet) {
    if (!httpGet.path) report.required(`${at}.httpGet.path`);
    checkPortReference(report, `${at}.httpGet.port`, httpGet.port);
    report.oneOf(`${at}.httpGet.scheme`, httpGet.scheme, ['HTTP', 'HTTPS']);
  }
  if (tcpSocket) checkPortReference(report, `${at}.tcpSocket.port`, tcpSocket.port);
  if (grpc) report.port(`${at}.grpc.port`, grpc.port);
}

function checkProbe(report: Report, at: string, probe: Probe | undefined, readiness: boolean): void {
  if (!probe) return;
  checkHandler(report, at, probe, true);
  for (const name of [
    'initialDelaySeconds',
    'timeoutSeconds',
    'periodSeconds',
    'successThreshold',
    'failureThreshold',
  ] as const)
    report.notNegative(`${at}.${name}`, probe[name]);
  if (!readiness && probe.successThreshold !== undefined && probe.successThreshold !== 1)
    report.invalid(`${at}.successThreshold`, probe.successThreshold, 'must be 1');
}

function checkPorts(report: Report, at: string, { ports }: Container): void {
  const field = `${at}.ports`;
  for (const [index, port] of (ports ?? []).entries()) {
    const here = `${field}[${index}]`;
    if (port.name) report.all(`${here}.name`, port.name, portName(port.name));
    if (!port.containerPort) report.required(`${here}.containerPort`);
    else report.port(`${here}.containerPort`, port.containerPort);
    if (port.hostPort) report.port(`${here}.hostPort`, port.hostPort);
    report.requiredOneOf(`${here}.protocol`, port.protocol, PROTOCOLS);
  }
  report.unique(field, ports, ({ name }) => name, '.name');
}

function checkMounts(report: Report, at: string, container: Container, volumes: ReadonlySet<string>): void {
  const field = `${at}.volumeMounts`;
  const paths = new Set<string>();
  for (const [index, mount] of (container.volumeMounts ?? []).entries()) {
    const here = `${field}[${index}]`;
    if (!mount.name) report.required(`${here}.name`);
    else if (!volumes.has(mount.name)) report.notFound(`${here}.name`, mount.name);
    if (!mount.mountPath) report.required(`${here}.mountPath`);
    else if (paths.has(mount.mountPath))
      report.invalid(`${here}.mountPath`, mount.mountPath, 'must be unique');
    paths.add(mount.mountPath);
    const sub = mount.subPath ?? '';
    if (sub.startsWith('/')) report.invalid(`${here}.subPath`, sub, 'must be a relative path');
    if (sub.split('/').includes('..')) report.invalid(`${here}.subPath`, sub, "must not contain '..'");
  }
}

/** What holds for every kind of container. */
export function checkContainer(
  report: Report,
  at: string,
  container: Container,
  volumes: ReadonlySet<string>,
): void {
  const { name, image } = container;
  if (!name) report.required(`${at}.name`);
  else report.all(`${at}.name`, name, dnsLabel(name));
  if (!image) report.required(`${at}.image`);
  else if (image.trim() !== image)
    report.invalid(`${at}.image`, image, 'must not have leading or trailing whitespace');
  report.oneOf(`${at}.terminationMessagePolicy`, container.terminationMessagePolicy, [
    'FallbackToLogsOnError',
    'File',
  ]);
  report.oneOf(`${at}.imagePullPolicy`, container.imagePullPolicy, PULL_POLICIES);
  checkPorts(report, at, container);
  checkEnvironment(report, at, container);
  checkMounts(report, at, container, volumes);
  checkResources(report, `${at}.resources`, container.resources);
  const { securityContext } = container;
  if (securityContext?.privileged && securityContext.allowPrivilegeEscalation === false)
    report.invalid(
      `${at}.securityContext`,
      securityContext,
      'cannot set `allowPrivilegeEscalation` to false and `privileged` to true',
    );
  for (const user of ['runAsUser', 'runAsGroup'] as const)
    report.between(`${at}.securityContext.${user}`, securityContext?.[user], 0, 2 ** 31 - 1);
}

const PROBES = ['livenessProbe', 'readinessProbe', 'startupProbe'] as const;

function checkLifecycle(report: Report, at: string, container: Container): void {
  for (const probe of PROBES)
    checkProbe(report, `${at}.${probe}`, container[probe], probe === 'readinessProbe');
  checkHandler(report, `${at}.lifecycle.postStart`, container.lifecycle?.postStart, true);
  checkHandler(report, `${at}.lifecycle.preStop`, container.lifecycle?.preStop, true);
}

/** All containers of a pod. */
export function checkContainers(
  report: Report,
  field: string,
  spec: PodSpec,
  volumes: ReadonlySet<string>,
): void {
  const { containers = [], initContainers = [] } = spec;
  if (containers.length === 0) report.required(`${field}.containers`);
  const names = new Set<string>();
  const named = (at: string, name: string | undefined) => {
    if (name && names.has(name)) report.duplicate(`${at}.name`, name);
    if (name) names.add(name);
  };
  for (const [index, container] of containers.entries()) {
    const at = `${field}.containers[${index}]`;
    checkContainer(report, at, container, volumes);
    checkLifecycle(report, at, container);
    named(at, container.name);
    if (container.restartPolicy)
      report.forbidden(`${at}.restartPolicy`, 'may not be set for non-init containers');
  }
  for (const [index, container] of initContainers.entries()) {
    const at = `${field}.initContainers[${index}]`;
    checkContainer(report, at, container, volumes);
    named(at, container.name);
    report.oneOf(`${at}.restartPolicy`, container.restartPolicy, ['Always']);
    if (container.restartPolicy === 'Always') checkLifecycle(report, at, container);
    else
      for (const part of ['lifecycle', ...PROBES] as const)
        if (container[part])
          report.forbidden(
            `${at}.${part}`,
            'may not be set for init containers without restartPolicy=Always',
          );
  }
  for (const [index, container] of (spec.ephemeralContainers ?? []).entries())
    named(`${field}.ephemeralContainers[${index}]`, container.name);
  checkHostPorts(report, field, containers);
}

/** Two containers of a pod cannot have the same port of the node. */
function checkHostPorts(report: Report, field: string, containers: readonly Container[]): void {
  const taken = new Set<string>();
  for (const [index, { ports }] of containers.entries())
    for (const [number, { hostPort, hostIP, protocol }] of (ports ?? []).entries()) {
      if (!hostPort) continue;
      const key = `${protocol}/${hostIP ?? ''}/${hostPort}`;
      if (taken.has(key)) report.duplicate(`${field}.containers[${index}].ports[${number}].hostPort`, key);
      taken.add(key);
    }
}
