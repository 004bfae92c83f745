import { NftInputError } from './input-error.ts';
import type { ValueLowering } from './lower-value.ts';
import type { RejectReason } from './rule.ts';

const ICMP = 0;
const TCP_RESET = 1;
/** The kernel picks ICMP or ICMPv6 and the code of that family. */
const ICMPX = 2;
const IP_PROTOCOL_TCP = 6;

type Codes = Partial<Record<RejectReason, number>>;

const icmp: Codes = {
  'net-unreachable': 0,
  'host-unreachable': 1,
  'prot-unreachable': 2,
  'port-unreachable': 3,
  'net-prohibited': 9,
  'host-prohibited': 10,
  'admin-prohibited': 13,
  'no-route': 0,
};
const icmpv6: Codes = {
  'no-route': 0,
  'net-unreachable': 0,
  'admin-prohibited': 1,
  'host-unreachable': 3,
  'port-unreachable': 4,
};
const icmpx: Codes = {
  'no-route': 0,
  'net-unreachable': 0,
  'port-unreachable': 1,
  'host-unreachable': 2,
  'admin-prohibited': 3,
};

export function lowerReject(l: ValueLowering, reason: RejectReason): void {
  if (reason === 'tcp-reset') {
    l.requireTransport(IP_PROTOCOL_TCP);
    l.emit('reject', { type: TCP_RESET });
    return;
  }
  const { family } = l.environment;
  const codes = family === 'ip' ? icmp : family === 'ip6' ? icmpv6 : icmpx;
  const code = codes[reason];
  if (code === undefined)
    throw new NftInputError(
      'reject',
      reason,
      `must be one of ${Object.keys(codes).join(', ')} in family ${family}`,
    );
  l.emit('reject', { type: codes === icmpx ? ICMPX : ICMP, code });
}
