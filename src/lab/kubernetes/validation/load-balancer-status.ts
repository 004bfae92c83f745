import { isAddress } from '../../../address/ip.ts';
import { dnsSubdomain } from './names.ts';
import { ADDRESS } from './network.ts';
import type { Report } from './report.ts';

interface Place {
  ip?: string;
  ipMode?: string;
  hostname?: string;
}

/** `status.loadBalancer` of Services and of Ingresses, whose places have no `ipMode`. */
export function checkLoadBalancerStatus(
  report: Report,
  places: readonly Place[] | undefined,
  hasMode: boolean,
): void {
  for (const [index, { ip, ipMode, hostname }] of (places ?? []).entries()) {
    const at = `status.loadBalancer.ingress[${index}]`;
    if (ip && !isAddress(ip)) report.invalid(`${at}.ip`, ip, ADDRESS);
    if (hasMode) {
      report.oneOf(`${at}.ipMode`, ipMode, ['Proxy', 'VIP']);
      if (ip && !ipMode) report.required(`${at}.ipMode`, 'must be specified when `ip` is set');
      if (!ip && ipMode) report.forbidden(`${at}.ipMode`, 'may not be specified when `ip` is not set');
    }
    if (!hostname) continue;
    report.all(`${at}.hostname`, hostname, dnsSubdomain(hostname));
    if (isAddress(hostname))
      report.invalid(`${at}.hostname`, hostname, 'must be a DNS name, not an IP address');
  }
}
