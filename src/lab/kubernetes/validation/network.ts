import { cidrContains, parseCidr } from '../../../address/cidr.ts';
import { isAddress } from '../../../address/ip.ts';
import type { EndpointSlice, Endpoints, NetworkPolicy } from '../../../kube/types.ts';
import { checkPortReference, PROTOCOLS } from './containers.ts';
import { dnsSubdomain } from './names.ts';
import type { Report } from './report.ts';
import { checkSelector } from './selector.ts';

export const ADDRESS = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)';
export const CIDR = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)';
export function cidr(text: string) {
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
