import { isAddress } from '../../../address/ip.ts';
import type { Pod, PodSpec, PodTemplateSpec } from '../../../kube/types.ts';
import { checkContainers } from './containers.ts';
import { checkLabels, checkTemplateMetadata } from './metadata.ts';
import { dnsLabel, dnsSubdomain } from './names.ts';
import { type Report, same } from './report.ts';
import { checkScheduling } from './scheduling.ts';
import { checkVolumes } from './volumes.ts';

const MAX_INT32 = 2 ** 31 - 1;

function checkDns(report: Report, field: string, { dnsPolicy, dnsConfig }: PodSpec): void {
  report.requiredOneOf(`${field}.dnsPolicy`, dnsPolicy, [
    'ClusterFirst',
    'ClusterFirstWithHostNet',
    'Default',
    'None',
  ]);
  const servers = dnsConfig?.nameservers ?? [];
  if (dnsPolicy === 'None' && servers.length === 0)
    report.required(
      `${field}.dnsConfig.nameservers`,
      'must provide at least one DNS nameserver when `dnsPolicy` is None',
    );
  if (servers.length > 3)
    report.invalid(`${field}.dnsConfig.nameservers`, servers, 'must not have more than 3 nameservers');
  for (const [index, server] of servers.entries())
    if (!isAddress(server))
      report.invalid(
        `${field}.dnsConfig.nameservers[${index}]`,
        server,
        'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
      );
}

function checkNames(report: Report, field: string, spec: PodSpec): void {
  for (const name of ['nodeName', 'serviceAccountName', 'priorityClassName'] as const) {
    const value = spec[name];
    if (value) report.all(`${field}.${name}`, value, dnsSubdomain(value));
  }
  for (const name of ['hostname', 'subdomain'] as const) {
    const value = spec[name];
    if (value) report.all(`${field}.${name}`, value, dnsLabel(value));
  }
  for (const [index, { name }] of (spec.imagePullSecrets ?? []).entries())
    if (!name) report.required(`${field}.imagePullSecrets[${index}].name`);
  for (const [index, { ip, hostnames }] of (spec.hostAliases ?? []).entries()) {
    const at = `${field}.hostAliases[${index}]`;
    if (!isAddress(ip))
      report.invalid(`${at}.ip`, ip, 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)');
    for (const [number, name] of (hostnames ?? []).entries())
      report.all(`${at}.hostnames[${number}]`, name, dnsSubdomain(name));
  }
}

const SYSCTL = /^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$/;

/** The specification of a pod, or of a template's pods. `field` is its path. */
export function checkPodSpec(report: Report, field: string, spec: PodSpec | undefined): void {
  if (!spec) {
    report.required(`${field}.containers`);
    return;
  }
  const volumes = checkVolumes(report, `${field}.volumes`, spec.volumes);
  checkContainers(report, field, spec, volumes);
  report.requiredOneOf(`${field}.restartPolicy`, spec.restartPolicy, ['Always', 'OnFailure', 'Never']);
  checkDns(report, field, spec);
  checkLabels(report, `${field}.nodeSelector`, spec.nodeSelector);
  checkNames(report, field, spec);
  checkScheduling(report, field, spec);
  const grace = spec.terminationGracePeriodSeconds;
  report.notNegative(`${field}.terminationGracePeriodSeconds`, grace);
  report.between(`${field}.activeDeadlineSeconds`, spec.activeDeadlineSeconds, 1, MAX_INT32);
  if (spec.hostNetwork)
    for (const [index, { ports }] of (spec.containers ?? []).entries())
      for (const [number, port] of (ports ?? []).entries())
        if (port.hostPort && port.hostPort !== port.containerPort)
          report.invalid(
            `${field}.containers[${index}].ports[${number}].containerPort`,
            port.containerPort,
            'must match `hostPort` when `hostNetwork` is true',
          );
  const context = spec.securityContext;
  for (const id of ['runAsUser', 'runAsGroup', 'fsGroup'] as const)
    report.between(`${field}.securityContext.${id}`, context?.[id], 0, MAX_INT32);
  for (const [index, { name }] of (context?.sysctls ?? []).entries())
    if (name.length > 253 || !SYSCTL.test(name))
      report.invalid(
        `${field}.securityContext.sysctls[${index}].name`,
        name,
        `must have at most 253 characters and match regex ${SYSCTL.source}`,
      );
  report.unique(`${field}.securityContext.sysctls`, context?.sysctls, ({ name }) => name, '.name');
}

export function checkTemplate(report: Report, field: string, template: PodTemplateSpec | undefined): void {
  checkTemplateMetadata(report, `${field}.metadata`, template?.metadata as never);
  checkPodSpec(report, `${field}.spec`, template?.spec);
  if (template?.spec?.ephemeralContainers?.length)
    report.forbidden(`${field}.spec.ephemeralContainers`, 'ephemeral containers not allowed in pod template');
}

export function checkPodTemplate(report: Report, { template }: { template?: PodTemplateSpec }): void {
  checkTemplate(report, 'template', template);
}

export function checkPod(report: Report, pod: Pod): void {
  checkPodSpec(report, 'spec', pod.spec);
}

export const POD_UPDATES =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';

/** Binding, evicting and debugging are updates too, each by a subresource; what they set is let through. */
export function checkPodUpdate(report: Report, pod: Pod, old: Pod): void {
  const [now, before] = [pod.spec, old.spec];
  if (!now || !before) return;
  for (const part of ['containers', 'initContainers'] as const) {
    const [list, previous] = [now[part] ?? [], before[part] ?? []];
    if (list.length !== previous.length) {
      report.forbidden(`spec.${part}`, 'pod updates may not add or remove containers');
      return;
    }
    for (const [index, { image }] of list.entries())
      if (!image) report.required(`spec.${part}[${index}].image`);
  }
  const deadline = now.activeDeadlineSeconds;
  if (deadline !== undefined) {
    if (deadline < 1 || deadline > MAX_INT32)
      report.between('spec.activeDeadlineSeconds', deadline, 1, MAX_INT32);
    else if (before.activeDeadlineSeconds !== undefined && deadline > before.activeDeadlineSeconds)
      report.invalid('spec.activeDeadlineSeconds', deadline, 'must be less than or equal to previous value');
  } else if (before.activeDeadlineSeconds !== undefined)
    report.invalid(
      'spec.activeDeadlineSeconds',
      deadline,
      'must not update from a positive integer to nil value',
    );
  checkTolerationUpdate(report, now, before);
  if (before.schedulingGates?.length || now.schedulingGates?.length) checkGates(report, now, before);
  const changed = changedFields(now, before);
  if (changed.length) report.forbidden('spec', `${POD_UPDATES}\nchanged: ${changed.join(', ')}`);
}

function checkTolerationUpdate(report: Report, now: PodSpec, before: PodSpec): void {
  for (const toleration of before.tolerations ?? []) {
    const { tolerationSeconds: _, ...rest } = toleration;
    const kept = now.tolerations?.some(({ tolerationSeconds: __, ...other }) => same(other, rest));
    if (!kept)
      report.forbidden(
        'spec.tolerations',
        'existing toleration can not be modified except its tolerationSeconds',
      );
  }
}

function checkGates(report: Report, now: PodSpec, before: PodSpec): void {
  const known = new Set((before.schedulingGates ?? []).map(({ name }) => name));
  for (const { name } of now.schedulingGates ?? [])
    if (!known.has(name))
      report.forbidden(
        'spec.schedulingGates',
        `only deletion is allowed, but found new scheduling gate '${name}'`,
      );
}

/** Paths of what may not change and did. */
function changedFields(now: PodSpec, before: PodSpec): string[] {
  const free = new Set([
    'activeDeadlineSeconds',
    'tolerations',
    'schedulingGates',
    'ephemeralContainers',
    'containers',
    'initContainers',
  ]);
  if (!before.nodeName) free.add('nodeName');
  if ((before.terminationGracePeriodSeconds ?? 0) < 0 && now.terminationGracePeriodSeconds === 1)
    free.add('terminationGracePeriodSeconds');
  // A pod that waits behind a gate may still be told where it may run
  if (before.schedulingGates?.length) free.add('nodeSelector').add('affinity');
  const changed = [...new Set([...Object.keys(now), ...Object.keys(before)])]
    .filter((key) => !free.has(key) && !same(now[key as keyof PodSpec], before[key as keyof PodSpec]))
    .map((key) => `spec.${key}`);
  for (const part of ['containers', 'initContainers'] as const)
    for (const [index, container] of (now[part] ?? []).entries()) {
      const previous = before[part]?.[index];
      for (const key of new Set([...Object.keys(container), ...Object.keys(previous ?? {})])) {
        if (key === 'image') continue;
        if (!same(container[key as 'name'], previous?.[key as 'name']))
          changed.push(`spec.${part}[${index}].${key}`);
      }
    }
  return changed;
}
