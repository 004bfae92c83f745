import { cidrContains, parseCidr } from '../../../address/cidr.ts';
import { isAddress, parseAddress } from '../../../address/ip.ts';
import type { Service } from '../../../kube/types.ts';
import { isExternallyAccessible, wantsHealthPort } from '../server/strategies/service-fields.ts';
import { checkPortReference, PROTOCOLS } from './containers.ts';
import { checkLoadBalancerStatus } from './load-balancer-status.ts';
import { checkLabels } from './metadata.ts';
import { dnsLabel, dnsSubdomain } from './names.ts';
import { ADDRESS, CIDR, cidr } from './network.ts';
import type { Report } from './report.ts';

const TYPES = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'];
const KUBELET_PORT = 10_250;
const SOURCE_RANGES = 'service.beta.kubernetes.io/load-balancer-source-ranges';
const FOR_BALANCERS = "may only be used when `type` is 'LoadBalancer'";

type ServiceSpec = NonNullable<Service['spec']>;

function checkPorts(report: Report, { ports = [], type, clusterIP }: ServiceSpec): void {
  if (ports.length === 0 && type !== 'ExternalName' && clusterIP !== 'None') report.required('spec.ports');
  const taken = new Set<string>();
  const nodePorts = new Set<string>();
  for (const [index, port] of ports.entries()) {
    const at = `spec.ports[${index}]`;
    if (!port.name && ports.length > 1) report.required(`${at}.name`);
    else if (port.name) report.all(`${at}.name`, port.name, dnsLabel(port.name));
    report.port(`${at}.port`, port.port);
    report.requiredOneOf(`${at}.protocol`, port.protocol, PROTOCOLS);
    checkPortReference(report, `${at}.targetPort`, port.targetPort);
    if (type === 'LoadBalancer' && port.port === KUBELET_PORT)
      report.invalid(
        at,
        port.port,
        `may not expose port ${KUBELET_PORT} externally since it is used by kubelet`,
      );
    if (port.nodePort && (type === 'ClusterIP' || type === 'ExternalName'))
      report.forbidden(`${at}.nodePort`, "may not be used when `type` is 'ClusterIP'");
    const key = `${port.protocol}/${port.port}`;
    if (taken.has(key)) report.duplicate(at, { protocol: port.protocol, port: port.port });
    taken.add(key);
    const nodeKey = `${port.protocol}/${port.nodePort}`;
    if (port.nodePort && nodePorts.has(nodeKey)) report.duplicate(`${at}.nodePort`, port.nodePort);
    nodePorts.add(nodeKey);
  }
  report.unique('spec.ports', ports, ({ name }) => name, '.name');
}

/** Fields that are about the addresses of the Service, and what its type allows. */
function checkAddresses(report: Report, spec: ServiceSpec): void {
  const { type, clusterIP = '', clusterIPs = [], externalName, ipFamilies = [], ipFamilyPolicy } = spec;
  if (type === 'ExternalName') {
    if (clusterIP) report.forbidden('spec.clusterIPs[0]', "may not be set when `type` is 'ExternalName'");
    if (ipFamilies.length > 0)
      report.forbidden('spec.ipFamilies', 'may not be set for ExternalName services');
    if (ipFamilyPolicy) report.forbidden('spec.ipFamilyPolicy', 'may not be set for ExternalName services');
    const name = externalName?.replace(/\.$/, '');
    if (name) report.all('spec.externalName', name, dnsSubdomain(name));
    else report.required('spec.externalName');
    return;
  }
  if ((type === 'LoadBalancer' || type === 'NodePort') && clusterIP === 'None')
    report.invalid('spec.clusterIPs[0]', 'None', `may not be set to 'None' for ${type} services`);
  if (clusterIP && clusterIP !== 'None' && !isAddress(clusterIP))
    report.invalid('spec.clusterIPs[0]', clusterIP, ADDRESS);
  if (clusterIPs.length > 0 && clusterIP === '')
    report.invalid('spec.clusterIPs', clusterIPs, 'must be empty when `clusterIP` is not specified');
  else if (clusterIPs.length > 0 && clusterIPs[0] !== clusterIP)
    report.invalid('spec.clusterIPs', clusterIPs, 'first value must match `clusterIP`');
  if (clusterIPs.length > 2) report.invalid('spec.clusterIPs', clusterIPs, 'may only hold up to 2 values');
  for (const [index, family] of ipFamilies.entries())
    report.oneOf(`spec.ipFamilies[${index}]`, family, ['IPv4', 'IPv6']);
  report.unique('spec.ipFamilies', ipFamilies, (family) => family);
  report.oneOf('spec.ipFamilyPolicy', ipFamilyPolicy, ['PreferDualStack', 'RequireDualStack', 'SingleStack']);
}

function checkAffinity(report: Report, spec: ServiceSpec): void {
  report.requiredOneOf('spec.sessionAffinity', spec.sessionAffinity, ['ClientIP', 'None']);
  const timeout = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds;
  if (timeout !== undefined && (timeout <= 0 || timeout > 86_400))
    report.invalid(
      'spec.sessionAffinityConfig.clientIP.timeoutSeconds',
      timeout,
      'must be greater than 0 and less than or equal to 86400',
    );
}

function checkPolicies(report: Report, spec: ServiceSpec): void {
  const { externalTrafficPolicy, healthCheckNodePort, trafficDistribution } = spec;
  if (isExternallyAccessible(spec))
    report.requiredOneOf('spec.externalTrafficPolicy', externalTrafficPolicy, ['Cluster', 'Local']);
  else if (externalTrafficPolicy)
    report.invalid(
      'spec.externalTrafficPolicy',
      externalTrafficPolicy,
      'may only be set for externally-accessible services',
    );
  if (healthCheckNodePort) {
    if (wantsHealthPort(spec)) report.port('spec.healthCheckNodePort', healthCheckNodePort);
    else
      report.invalid(
        'spec.healthCheckNodePort',
        healthCheckNodePort,
        "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
      );
  }
  report.oneOf('spec.internalTrafficPolicy', spec.internalTrafficPolicy, ['Cluster', 'Local']);
  report.oneOf('spec.trafficDistribution', trafficDistribution, [
    'PreferClose',
    'PreferSameNode',
    'PreferSameZone',
  ]);
}

function checkBalancer(report: Report, { metadata, spec }: Service): void {
  const isBalancer = spec?.type === 'LoadBalancer';
  const ranges = spec?.loadBalancerSourceRanges ?? [];
  const annotation = metadata?.annotations?.[SOURCE_RANGES];
  if (ranges.length > 0) {
    if (!isBalancer) report.forbidden('spec.LoadBalancerSourceRanges', FOR_BALANCERS);
    for (const [index, range] of ranges.entries())
      if (!cidr(range.trim())) report.invalid(`spec.LoadBalancerSourceRanges[${index}]`, range.trim(), CIDR);
  } else if (annotation !== undefined) {
    const field = `metadata.annotations[${SOURCE_RANGES}]`;
    if (!isBalancer) report.forbidden(field, FOR_BALANCERS);
    for (const range of annotation.trim() === '' ? [] : annotation.split(','))
      if (!cidr(range.trim())) report.invalid(field, range.trim(), CIDR);
  }
  if (isBalancer) return;
  if (spec?.allocateLoadBalancerNodePorts !== undefined)
    report.forbidden('spec.allocateLoadBalancerNodePorts', FOR_BALANCERS);
  if (spec?.loadBalancerClass) report.forbidden('spec.loadBalancerClass', FOR_BALANCERS);
}

export function checkService(report: Report, service: Service): void {
  const { spec, status } = service;
  if (!spec) {
    report.required('spec');
    return;
  }
  report.requiredOneOf('spec.type', spec.type, TYPES);
  checkPorts(report, spec);
  checkLabels(report, 'spec.selector', spec.selector);
  checkAffinity(report, spec);
  checkAddresses(report, spec);
  for (const [index, address] of (spec.externalIPs ?? []).entries())
    if (!isAddress(address)) report.invalid(`spec.externalIPs[${index}]`, address, ADDRESS);
    else checkNotSpecial(report, `spec.externalIPs[${index}]`, address);
  checkPolicies(report, spec);
  checkBalancer(report, service);
  const places = status?.loadBalancer?.ingress;
  if (places?.length && spec.type !== 'LoadBalancer')
    report.forbidden('status.loadBalancer.ingress', "may only be used when `spec.type` is 'LoadBalancer'");
  checkLoadBalancerStatus(report, places, true);
}

/** An address once given stays, but for services that had or will have none; so does what a balancer's makers go by. */
export function checkServiceUpdate(report: Report, { spec: now }: Service, { spec: old }: Service): void {
  if (!now || !old) return;
  if (wantsHealthPort(now) && wantsHealthPort(old) && now.healthCheckNodePort !== old.healthCheckNodePort)
    report.forbidden('spec.healthCheckNodePort', 'field is immutable');
  if (
    now.type === 'LoadBalancer' &&
    old.type === 'LoadBalancer' &&
    now.loadBalancerClass !== old.loadBalancerClass
  )
    report.invalid('spec.loadBalancerClass', now.loadBalancerClass ?? null, 'may not change once set');
  if (now.type === 'ExternalName' || old.type === 'ExternalName') return;
  const before = old.clusterIPs?.[0] ?? old.clusterIP;
  if (before) {
    const wanted = now.clusterIPs?.length ? now.clusterIPs : [now.clusterIP ?? ''];
    if (wanted[0] !== before || now.clusterIP !== before)
      report.invalid('spec.clusterIPs[0]', wanted, 'may not change once set');
  }
  if (old.ipFamilies?.[0] && now.ipFamilies?.[0] && now.ipFamilies[0] !== old.ipFamilies[0])
    report.invalid('spec.ipFamilies[0]', now.ipFamilies, 'may not change once set');
}

/**
 * Addresses that mean something else on every machine. Endpoints may have them here, other than upstream: an API server on the
 * loopback is behind Service `kubernetes`.
 */
const SPECIAL: [CIDR: string, what: string][] = [
  ['0.0.0.0/32', 'unspecified'],
  ['::/128', 'unspecified'],
  ['127.0.0.0/8', 'in the loopback range (127.0.0.0/8, ::1/128)'],
  ['::1/128', 'in the loopback range (127.0.0.0/8, ::1/128)'],
  ['169.254.0.0/16', 'in the link-local range (169.254.0.0/16, fe80::/10)'],
  ['fe80::/10', 'in the link-local range (169.254.0.0/16, fe80::/10)'],
  ['224.0.0.0/24', 'in the link-local multicast range (224.0.0.0/24, ff02::/10)'],
  ['ff02::/16', 'in the link-local multicast range (224.0.0.0/24, ff02::/10)'],
];
const SPECIAL_RANGES = SPECIAL.map(([text, what]) => ({ range: parseCidr(text), what }));

function checkNotSpecial(report: Report, field: string, text: string): void {
  const address = parseAddress(text);
  const found = SPECIAL_RANGES.find(({ range }) => cidrContains(range, address));
  if (!found) return;
  const { what } = found;
  report.invalid(field, text, `may not be ${what === 'unspecified' ? `unspecified (${text})` : what}`);
}
