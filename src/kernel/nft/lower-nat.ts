import { encodeScalar } from './datatype.ts';
import type { Value } from './expression.ts';
import { NftInputError } from './input-error.ts';
import { REGISTER, type ValueLowering } from './lower-value.ts';
import { parseRange } from './range.ts';
import type { NatTarget, PortChoice, PortTarget } from './rule.ts';

/** linux/netfilter/nf_nat.h, NF_NAT_RANGE_*. */
const MAP_IPS = 1;
const PROTO_SPECIFIED = 2;
const PROTO_RANDOM = 4;
const PERSISTENT = 8;
const PROTO_RANDOM_FULLY = 16;

const protocolFamilies = { ip: 2, ip6: 10 } as const;
const NFPROTO_INET = 1;

interface Registers {
  min?: number;
  max?: number;
  next: number;
}

export function lowerNat(l: ValueLowering, type: 'snat' | 'dnat', target: NatTarget): void {
  // A check takes a register: after this one, the address has it.
  l.depend(portValues(target.port));
  const address = lowerAddress(l, target, type);
  // A map may give address and port at once.
  const both = typeof target.to === 'object' && l.typesOf([target.to]).length === 2;
  if (both && target.port !== undefined)
    throw new NftInputError(`${type} port`, target.port, 'the map gives the port already');
  if (target.to === undefined && target.port === undefined)
    throw new NftInputError(type, target, 'needs an address (to), a port, or both');
  const port = both
    ? { min: address.next - 1, next: address.next }
    : lowerPort(l, target.port, address.next, type);
  const flags =
    (address.min === undefined ? 0 : MAP_IPS) |
    (port.min === undefined ? 0 : PROTO_SPECIFIED) |
    options(target);
  l.emit('nat', {
    type: type === 'snat' ? 0 : 1,
    family: address.family,
    addrMin: address.min,
    addrMax: address.max ?? address.min,
    protoMin: port.min,
    protoMax: port.max ?? port.min,
    flags: flags === 0 ? undefined : flags,
  });
}

export function lowerMasquerade(l: ValueLowering, kind: 'masquerade' | 'redirect', target: PortTarget): void {
  const port = lowerPort(l, target.port, REGISTER, kind);
  const flags = (port.min === undefined ? 0 : PROTO_SPECIFIED) | options(target);
  l.emit(kind === 'masquerade' ? 'masq' : 'redir', {
    protoMin: port.min,
    protoMax: port.max ?? port.min,
    flags: flags === 0 ? undefined : flags,
  });
}

function lowerAddress(l: ValueLowering, target: NatTarget, field: string): Registers & { family: number } {
  const { to } = target;
  if (to === undefined) return { next: REGISTER, family: familyNumber(l, target, undefined) };
  if (typeof to === 'object') {
    l.depend([to]);
    const [type] = l.typesOf([to]);
    const found = type === 'ipv4_addr' ? 'ip' : type === 'ipv6_addr' ? 'ip6' : undefined;
    if (found === undefined) throw new NftInputError(`${field} to`, type, 'must be an IP address');
    const family = familyNumber(l, target, found);
    const next = l.load(to, REGISTER);
    return { min: REGISTER, next, family };
  }
  const type = to.includes(':') ? 'ipv6_addr' : 'ipv4_addr';
  const last = to.split('-')[1];
  if (to.includes('/'))
    throw new NftInputError(`${field} to`, to, 'must be an address or a range such as 10.0.0.4-10.0.0.7');
  const range = parseRange(type, to, `${field} to`);
  const family = familyNumber(l, target, type === 'ipv4_addr' ? 'ip' : 'ip6');
  const words = range.from.length / 4;
  l.emit('immediate', { dreg: REGISTER, data: range.from });
  if (last === undefined) return { min: REGISTER, next: REGISTER + words, family };
  l.emit('immediate', { dreg: REGISTER + words, data: range.to });
  return { min: REGISTER, max: REGISTER + words, next: REGISTER + 2 * words, family };
}

function familyNumber(l: ValueLowering, target: NatTarget, found: 'ip' | 'ip6' | undefined): number {
  const { family: table } = l.environment;
  const own = table === 'ip' || table === 'ip6' ? table : undefined;
  const known = l.network === 'ip' || l.network === 'ip6' ? l.network : undefined;
  const family = found ?? target.family ?? known ?? own;
  for (const [other, source] of [
    [target.family, 'family'],
    [known, 'the rule'],
    [own, 'the table'],
  ] as const)
    if (other !== undefined && family !== other)
      throw new NftInputError('nat family', family, `but ${source} says ${other}`);
  return family === undefined ? NFPROTO_INET : protocolFamilies[family];
}

function lowerPort(
  l: ValueLowering,
  port: PortChoice | undefined,
  register: number,
  field: string,
): Registers {
  if (port === undefined) return { next: register };
  if (typeof port === 'object') {
    const values = portValues(port);
    l.depend(values);
    for (const value of values) {
      const [type, more] = l.typesOf([value]);
      if (type !== 'inet_service' || more !== undefined)
        throw new NftInputError(`${field} port`, type, 'must be a port (inet_service)');
    }
    const next = values.reduce((at, value) => l.load(value, at), register);
    return { min: register, max: next - 1, next };
  }
  if (typeof port === 'string' && port.includes('-')) {
    const range = parseRange('inet_service', port, `${field} port`);
    l.emit('immediate', { dreg: register, data: range.from });
    l.emit('immediate', { dreg: register + 1, data: range.to });
    return { min: register, max: register + 1, next: register + 2 };
  }
  l.emit('immediate', { dreg: register, data: encodeScalar('inet_service', port, `${field} port`) });
  return { min: register, next: register + 1 };
}

function portValues(port: PortChoice | undefined): readonly Value[] {
  if (typeof port !== 'object') return [];
  return 'kind' in port ? [port] : port;
}

function options(target: PortTarget): number {
  return (
    (target.random ? PROTO_RANDOM : 0) |
    (target.persistent ? PERSISTENT : 0) |
    (target.fullyRandom ? PROTO_RANDOM_FULLY : 0)
  );
}
