import { isAddress } from '../../../address/ip.ts';
import type { Ingress } from '../../../kube/types.ts';
import { checkLoadBalancerStatus } from './load-balancer-status.ts';
import { dns1035Label, dnsSubdomain, pathSegment, portName } from './names.ts';
import type { Report } from './report.ts';

type Spec = NonNullable<Ingress['spec']>;
type Backend = NonNullable<Spec['defaultBackend']>;
type Path = NonNullable<NonNullable<NonNullable<Spec['rules']>[number]['http']>['paths']>[number];

const PATH_TYPES = ['Exact', 'ImplementationSpecific', 'Prefix'];
const OLD_CLASS = 'kubernetes.io/ingress.class';
const WRONG_PARTS = ['//', '/./', '/../', '%2f', '%2F'];
const WRONG_ENDS = ['/..', '/.'];
const WILDCARD = /^\*\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const WILDCARD_RULE =
  "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used for validation is '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

function checkHost(report: Report, field: string, host: string): void {
  if (!host.includes('*')) report.all(field, host, dnsSubdomain(host));
  else if (!WILDCARD.test(host)) report.invalid(field, host, WILDCARD_RULE);
}

function checkBackend(report: Report, field: string, backend: Backend | undefined): void {
  const { service, resource } = backend ?? {};
  if (service && resource) report.invalid(field, '', 'cannot set both resource and service backends');
  else if (resource) {
    if (!resource.kind) report.required(`${field}.resource.kind`, 'kind is required');
    else report.all(`${field}.resource.kind`, resource.kind, pathSegment(resource.kind));
    if (!resource.name) report.required(`${field}.resource.name`, 'name is required');
    else report.all(`${field}.resource.name`, resource.name, pathSegment(resource.name));
  } else if (!service?.name) report.required(`${field}.service.name`);
  else {
    report.all(`${field}.service.name`, service.name, dns1035Label(service.name));
    const { name, number } = service.port ?? {};
    const at = `${field}.service.port`;
    if (name && number) report.invalid(at, '', 'cannot set both port name & port number');
    else if (name) report.all(`${at}.name`, name, portName(name));
    else if (number) report.port(`${at}.number`, number);
    else report.required(at, 'port name or number is required');
  }
}

function checkPath(report: Report, field: string, { path = '', pathType, backend }: Path): void {
  if (!pathType) {
    report.required(`${field}.pathType`, 'pathType must be specified');
    return;
  }
  report.oneOf(`${field}.pathType`, pathType, PATH_TYPES);
  const strict = pathType === 'Exact' || pathType === 'Prefix';
  if ((strict || path !== '') && !path.startsWith('/'))
    report.invalid(`${field}.path`, path, 'must be an absolute path');
  if (strict) {
    for (const part of WRONG_PARTS)
      if (path.includes(part)) report.invalid(`${field}.path`, path, `must not contain '${part}'`);
    for (const end of WRONG_ENDS)
      if (path.endsWith(end)) report.invalid(`${field}.path`, path, `cannot end with '${end}'`);
  }
  checkBackend(report, `${field}.backend`, backend);
}

function checkSpec(report: Report, spec: Spec | undefined): void {
  const { rules = [], defaultBackend, tls = [], ingressClassName } = spec ?? {};
  if (rules.length === 0 && !defaultBackend)
    report.invalid('spec', rules, 'either `defaultBackend` or `rules` must be specified');
  if (defaultBackend) checkBackend(report, 'spec.defaultBackend', defaultBackend);
  for (const [index, { host, http }] of rules.entries()) {
    const at = `spec.rules[${index}]`;
    if (host) {
      if (isAddress(host)) report.invalid(`${at}.host`, host, 'must be a DNS name, not an IP address');
      checkHost(report, `${at}.host`, host);
    }
    if (http && !http.paths?.length) report.required(`${at}.http.paths`);
    for (const [number, path] of (http?.paths ?? []).entries())
      checkPath(report, `${at}.http.paths[${number}]`, path);
  }
  for (const [index, { hosts }] of tls.entries())
    for (const [number, host] of (hosts ?? []).entries())
      checkHost(report, `spec.tls[${index}].hosts[${number}]`, host);
  if (ingressClassName) report.all('spec.ingressClassName', ingressClassName, dnsSubdomain(ingressClassName));
}

export function checkIngress(report: Report, { metadata, spec, status }: Ingress): void {
  checkSpec(report, spec);
  const old = metadata?.annotations?.[OLD_CLASS];
  if (old !== undefined && spec?.ingressClassName)
    report.invalid(
      `metadata.annotations[${OLD_CLASS}]`,
      old,
      'can not be set when the class field is also set',
    );
  checkLoadBalancerStatus(report, status?.loadBalancer?.ingress, false);
}
