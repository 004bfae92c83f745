import { cidrContains, parseCidr } from '../../../address/cidr.ts';
import { isAddress, parseAddress } from '../../../address/ip.ts';
import type { EndpointSlice, Endpoints, Ingress, NetworkPolicy, Service } from '../../../kube/types.ts';
import { checkPortReference, PROTOCOLS } from './containers.ts';
import { checkLabels } from './metadata.ts';
import { dnsLabel, dnsSubdomain } from './names.ts';
import type { Report } from './report.ts';
import { checkSelector } from './selector.ts';

const ADDRESS = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)';
const CIDR = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)';
const TYPES = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'];

type ServiceSpec = NonNullable<Service['spec']>;

function checkServicePorts(report: Report, { ports = [], type, clusterIP }: ServiceSpec): void {
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

export function checkService(report: Report, { spec }: Service): void {
  if (!spec) {
    report.required('spec');
    return;
  }
  report.requiredOneOf('spec.type', spec.type, TYPES);
  checkServicePorts(report, spec);
  checkLabels(report, 'spec.selector', spec.selector);
  report.requiredOneOf('spec.sessionAffinity', spec.sessionAffinity, ['ClientIP', 'None']);
  const timeout = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds;
  if (timeout !== undefined && (timeout <= 0 || timeout > 86_400))
    report.invalid(
      'spec.sessionAffinityConfig.clientIP.timeoutSeconds',
      timeout,
      'must be greater than 0 and less than or equal to 86400',
    );
  if (spec.type === 'ExternalName') {
    const name = spec.externalName?.replace(/\.$/, '');
    if (name) report.all('spec.externalName', name, dnsSubdomain(name));
    else report.required('spec.externalName');
    if (spec.clusterIP)
      report.forbidden('spec.clusterIPs[0]', "may not be set when `type` is 'ExternalName'");
  }
  if (spec.type === 'LoadBalancer' && spec.clusterIP === 'None')
    report.invalid('spec.clusterIPs[0]', 'None', "may not be set to 'None' for LoadBalancer services");
  if (spec.clusterIP && spec.clusterIP !== 'None' && !isAddress(spec.clusterIP))
    report.invalid('spec.clusterIPs[0]', spec.clusterIP, ADDRESS);
  for (const [index, address] of (spec.externalIPs ?? []).entries())
    if (!isAddress(address)) report.invalid(`spec.externalIPs[${index}]`, address, ADDRESS);
    else checkNotSpecial(report, `spec.externalIPs[${index}]`, address);
  for (const [index, range] of (spec.loadBalancerSourceRanges ?? []).entries())
    if (!cidr(range)) report.invalid(`spec.loadBalancerSourceRanges[${index}]`, range, CIDR);
  report.oneOf('spec.externalTrafficPolicy', spec.externalTrafficPolicy, ['Cluster', 'Local']);
  report.oneOf('spec.internalTrafficPolicy', spec.internalTrafficPolicy, ['Cluster', 'Local']);
}

/** An address once given stays, but for services that had or will have none. */
export function checkServiceUpdate(report: Report, { spec: now }: Service, { spec: old }: Service): void {
  if (now?.type === 'ExternalName' || old?.type === 'ExternalName') return;
  const before = old?.clusterIPs?.[0] ?? old?.clusterIP;
  if (!before) return;
  const wanted = now?.clusterIPs?.length ? now.clusterIPs : [now?.clusterIP ?? ''];
  if (wanted[0] !== before || now?.clusterIP !== before)
    report.invalid('spec.clusterIPs[0]', wanted, 'may not change once set');
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

function cidr(text: string) {
  try {
    return parseCidr(text);
  } catch {
    return undefined;
  }
}

type Rule = NonNullable<NonNullable<NetworkPolicy['spec']>['ingress']>[number];
type Peer = NonNullable<Rule['from']>[number];

function checkPolicyPorts(report: Report, field: string, ports: Rule['ports']): void {
  for (const [index, { protocol, port, endPort }] of (ports ?? []).entries()) {
    const at = `${field}.ports[${index}]`;
    report.oneOf(`${at}.protocol`, protocol, ['TCP', 'UDP', 'SCTP']);
    if (port !== undefined) checkPortReference(report, `${at}.port`, port);
    if (endPort === undefined) continue;
    if (port === undefined || typeof port === 'string')
      report.required(`${at}.port`, 'may not be specified when `port` is non-numeric or missing');
    else if (endPort < port)
      report.invalid(`${at}.endPort`, endPort, 'must be greater than or equal to `port`');
    report.port(`${at}.endPort`, endPort);
  }
}

function checkPeers(report: Report, field: string, peers: Peer[] | undefined): void {
  for (const [index, { podSelector, namespaceSelector, ipBlock }] of (peers ?? []).entries()) {
    const at = `${field}[${index}]`;
    if (!podSelector && !namespaceSelector && !ipBlock) report.required(at, 'must specify a peer');
    if (ipBlock && (podSelector || namespaceSelector))
      report.forbidden(at, 'may not specify both ipBlock and another peer');
    checkSelector(report, `${at}.podSelector`, podSelector);
    checkSelector(report, `${at}.namespaceSelector`, namespaceSelector);
    if (!ipBlock) continue;
    const block = ipBlock.cidr ? cidr(ipBlock.cidr) : undefined;
    if (!ipBlock.cidr) report.required(`${at}.ipBlock.cidr`);
    else if (!block) report.invalid(`${at}.ipBlock.cidr`, ipBlock.cidr, CIDR);
    for (const [number, text] of (ipBlock.except ?? []).entries()) {
      const except = cidr(text);
      if (!except) report.invalid(`${at}.ipBlock.except[${number}]`, text, CIDR);
      else if (block && (!cidrContains(block, except) || block.prefixLength >= except.prefixLength))
        report.invalid(`${at}.ipBlock.except[${number}]`, text, 'must be a strict subset of `cidr`');
    }
  }
}

export function checkNetworkPolicy(report: Report, { spec }: NetworkPolicy): void {
  checkSelector(report, 'spec.podSelector', spec?.podSelector);
  for (const [index, rule] of (spec?.ingress ?? []).entries()) {
    checkPolicyPorts(report, `spec.ingress[${index}]`, rule.ports);
    checkPeers(report, `spec.ingress[${index}].from`, rule.from);
  }
  for (const [index, rule] of (spec?.egress ?? []).entries()) {
    checkPolicyPorts(report, `spec.egress[${index}]`, rule.ports);
    checkPeers(report, `spec.egress[${index}].to`, rule.to);
  }
  const types = spec?.policyTypes ?? [];
  if (types.length > 2)
    report.invalid('spec.policyTypes', types, 'may not specify more than two policyTypes');
  else
    for (const [index, type] of types.entries())
      report.oneOf(`spec.policyTypes[${index}]`, type, ['Egress', 'Ingress']);
}

export function checkIngress(report: Report, { spec }: Ingress): void {
  if (!spec?.rules?.length && !spec?.defaultBackend)
    report.invalid('spec', spec?.rules ?? [], 'either `defaultBackend` or `rules` must be specified');
  for (const [index, { host, http }] of (spec?.rules ?? []).entries()) {
    const at = `spec.rules[${index}]`;
    if (host) {
      if (isAddress(host)) report.invalid(`${at}.host`, host, 'must be a DNS name, not an IP address');
      else report.all(`${at}.host`, host, dnsSubdomain(host.replace(/^\*\./, '')));
    }
    if (http && !http.paths?.length) report.required(`${at}.http.paths`);
    for (const [number, { path, pathType, backend }] of (http?.paths ?? []).entries()) {
      const field = `${at}.http.paths[${number}]`;
      if (!pathType) report.required(`${field}.pathType`, 'pathType must be specified');
      else report.oneOf(`${field}.pathType`, pathType, ['Exact', 'ImplementationSpecific', 'Prefix']);
      if (pathType !== 'ImplementationSpecific' && !path?.startsWith('/'))
        report.invalid(`${field}.path`, path ?? '', 'must be an absolute path');
      if (!backend?.service && !backend?.resource)
        report.required(`${field}.backend`, 'resource or service backend is required');
      else if (backend.service && !backend.service.port?.name && !backend.service.port?.number)
        report.required(`${field}.backend.service.port`, 'port name or number is required');
    }
  }
}

const FAMILIES: Record<string, (address: string) => boolean> = {
  IPv4: (address) => isAddress(address) && !address.includes(':'),
  IPv6: (address) => isAddress(address) && address.includes(':'),
  FQDN: (address) => dnsSubdomain(address).length === 0,
};

export function checkEndpointSlice(report: Report, { addressType, endpoints, ports }: EndpointSlice): void {
  report.requiredOneOf('addressType', addressType, Object.keys(FAMILIES).sort());
  if ((endpoints?.length ?? 0) > 1000) report.tooMany('endpoints', endpoints?.length ?? 0, 1000);
  for (const [index, { addresses }] of (endpoints ?? []).entries()) {
    if (!addresses?.length)
      report.required(`endpoints[${index}].addresses`, 'must contain at least 1 address');
    for (const [number, address] of (addresses ?? []).entries())
      if (FAMILIES[addressType]?.(address) === false)
        report.invalid(
          `endpoints[${index}].addresses[${number}]`,
          address,
          `must be a valid ${addressType} address`,
        );
  }
  for (const [index, { port, protocol }] of (ports ?? []).entries()) {
    report.port(`ports[${index}].port`, port);
    report.oneOf(`ports[${index}].protocol`, protocol, PROTOCOLS);
  }
  report.unique('ports', ports, ({ name }) => name, '.name');
}

export function checkEndpointSliceUpdate(report: Report, now: EndpointSlice, old: EndpointSlice): void {
  report.immutable('addressType', now.addressType, old.addressType);
}

export function checkEndpoints(report: Report, { subsets }: Endpoints): void {
  for (const [index, { addresses = [], notReadyAddresses = [], ports }] of (subsets ?? []).entries()) {
    const at = `subsets[${index}]`;
    if (addresses.length + notReadyAddresses.length === 0)
      report.required(at, 'must specify `addresses` or `notReadyAddresses`');
    for (const [number, { ip }] of addresses.entries())
      if (!isAddress(ip)) report.invalid(`${at}.addresses[${number}].ip`, ip, ADDRESS);
    for (const [number, { port }] of (ports ?? []).entries())
      report.port(`${at}.ports[${number}].port`, port);
  }
}
