import { dataTypes, type Scalar } from './datatype.ts';
import { type Value, valueList } from './expression.ts';
import { protocolFields } from './fields.ts';
import { verdictText } from './instruction.ts';
import { flagsText, keyText, rangeText, scalarText, typesOf, valuesText, valueText } from './render-value.ts';
import type {
  LimitSpec,
  LogSpec,
  NatTarget,
  PortChoice,
  PortTarget,
  RejectReason,
  Statement,
} from './rule.ts';
import type { Family } from './spec.ts';
import { verdictData } from './verdict.ts';

/** A rule as `nft --stateless list ruleset` prints it. */
export function ruleText(rule: readonly Statement[], family: Family, comment?: string): string {
  const words = rule.map((statement, i) => statementText(statement, family, rule.slice(0, i)));
  if (comment !== undefined) words.push(`comment ${JSON.stringify(comment)}`);
  return words.join(' ');
}

function statementText(s: Statement, family: Family, before: readonly Statement[]): string {
  switch (s.kind) {
    case 'match':
      return matchText(s);
    case 'lookup': {
      const types = s.of.flatMap(typesOf);
      const set =
        typeof s.set === 'string'
          ? `@${s.set}`
          : `{ ${s.set.elements.map((key) => keyText(types, key)).join(', ')} }`;
      return `${valuesText(s.of)} ${s.invert ? '!= ' : ''}${set}`;
    }
    case 'vmap':
      return `${valuesText(s.of)} vmap ${vmapText(s)}`;
    case 'verdict':
      return verdictText(verdictData(s, 'verdict'));
    case 'counter':
      return s.name === undefined ? 'counter' : `counter name "${s.name}"`;
    case 'counterMap':
      return `counter name ${valuesText(s.of)} map @${s.map}`;
    case 'limit':
      return limitText(s.limit);
    case 'connections':
      return `ct count ${s.over ? 'over ' : ''}${s.count}`;
    case 'log':
      return logText(s.log);
    case 'notrack':
      return 'notrack';
    case 'nat':
      return natText(s.type, s.target, family);
    case 'masquerade':
    case 'redirect':
      return `${s.kind}${portText(s.target.port, ' to :')}${optionsText(s.target)}`;
    case 'setMeta':
      return `meta ${s.key} set ${s.value.kind === 'constant' && s.key === 'priority' ? scalarText('classid', s.value.value) : valueText(s.value)}`;
    case 'setCt':
      return `ct ${s.key} set ${valueText(s.value)}`;
    case 'setPayload': {
      const [type] = typesOf(s.field);
      const value = s.value.kind === 'constant' ? scalarText(type!, s.value.value) : valueText(s.value);
      return `${valueText(s.field)} set ${value}`;
    }
    case 'clampMss':
      return `tcp option maxseg size set ${s.size === 'path-mtu' ? 'rt mtu' : s.size}`;
    case 'reject':
      return rejectText(s.reason, family, before);
    case 'dynset': {
      const timeout = s.timeout === undefined ? '' : ` timeout ${durationText(s.timeout)}`;
      const carried = s.statements.map((statement) => ` ${statementText(statement, family, [])}`).join('');
      const data = s.data === undefined ? '' : ` : ${valuesText(s.data)}`;
      return `${s.operation} @${s.set} { ${valuesText(s.of)}${timeout}${carried}${data} }`;
    }
    case 'duplicate':
      return `dup to ${s.device}`;
    case 'forward':
      return `fwd to ${s.device}`;
  }
}

function matchText({ of, op, to }: Statement & { kind: 'match' }): string {
  const [type] = typesOf(of);
  const { flags } = dataTypes[type!];
  const values = (Array.isArray(to) ? to : [to]) as readonly Scalar[];
  if (Array.isArray(to) && !flags) {
    const set = `{ ${values.map((value) => rangeText(type!, value)).join(', ')} }`;
    return `${valueText(of)} ${op === '!=' ? '!= ' : ''}${set}`;
  }
  if (flags && of.kind === 'bitwise') return maskedFlagsText(of, op, flagsText(type!, values));
  if (flags) return `${valueText(of)} ${op === '!=' ? '! ' : ''}${flagsText(type!, values)}`;
  // Behind an operator nft always writes the comparison.
  const sign = op !== '==' ? `${op} ` : of.kind === 'bitwise' ? '== ' : '';
  return `${valueText(of)} ${sign}${rangeText(type!, to as Scalar)}`;
}

function maskedFlagsText(of: Value & { kind: 'bitwise' }, op: string, flags: string): string {
  const [type] = typesOf(of.of);
  return `${valueText(of.of)} ${op === '!=' ? '!= ' : ''}${flags} / ${flagsText(type!, [of.and])}`;
}

function vmapText(s: Statement & { kind: 'vmap' }): string {
  if (typeof s.map === 'string') return `@${s.map}`;
  const types = s.of.flatMap(typesOf);
  const entries = s.map.entries.map(
    ([key, verdict]) => `${keyText(types, key)} : ${verdictText(verdictData(verdict, 'verdict'))}`,
  );
  return `{ ${entries.join(', ')} }`;
}

function limitText(limit: LimitSpec): string {
  const { rate, per = 'second', unit = 'packets', over } = limit;
  const burst = limit.burst ?? (unit === 'packets' ? 5 : 0);
  const [amount, word] = unit === 'packets' ? [rate, ''] : bytesText(rate);
  const speed = `limit rate ${over ? 'over ' : ''}${amount}${word === '' ? '' : ` ${word}`}/${per}`;
  if (unit === 'packets') return burst === 5 ? speed : `${speed} burst ${burst} packets`;
  if (burst === 0) return speed;
  const [burstAmount, burstWord] = bytesText(burst);
  return `${speed} burst ${burstAmount} ${burstWord}`;
}

function bytesText(bytes: number): [number, string] {
  if (bytes % (1024 * 1024) === 0) return [bytes / (1024 * 1024), 'mbytes'];
  return bytes % 1024 === 0 ? [bytes / 1024, 'kbytes'] : [bytes, 'bytes'];
}

const levels = ['emerg', 'alert', 'crit', 'err', 'warn', 'notice', 'info', 'debug'];

function logText(log: LogSpec): string {
  const words = ['log'];
  if (log.prefix !== undefined) words.push(`prefix ${JSON.stringify(log.prefix)}`);
  if (log.group !== undefined) words.push(`group ${log.group}`);
  if (log.snaplen !== undefined) words.push(`snaplen ${log.snaplen}`);
  if (log.queueThreshold !== undefined) words.push(`queue-threshold ${log.queueThreshold}`);
  if (log.level !== undefined && log.level !== 4) words.push(`level ${levels[log.level]}`);
  return words.join(' ');
}

function natText(type: string, target: NatTarget, family: Family): string {
  const { to } = target;
  const types = typeof to === 'object' ? typesOf(to) : undefined;
  const six = types
    ? types[0] === 'ipv6_addr'
    : typeof to === 'string'
      ? to.includes(':')
      : target.family === 'ip6';
  const known = to !== undefined || target.family !== undefined;
  const shown = family === 'inet' && known ? ` ${six ? 'ip6' : 'ip'}` : '';
  const address =
    typeof to === 'object'
      ? valueText(to)
      : to === undefined
        ? ''
        : rangeText(six ? 'ipv6_addr' : 'ipv4_addr', to);
  const ported = target.port !== undefined && typeof to === 'string' && six ? `[${address}]` : address;
  return `${type}${shown} to ${ported}${portText(target.port, ':')}${optionsText(target)}`;
}

function portText(port: PortChoice | undefined, before: string): string {
  if (port === undefined) return '';
  if (typeof port !== 'object') return `${before}${port}`;
  return before + ('kind' in port ? valueText(port) : port.map((value) => valueText(value)).join('-'));
}

function optionsText(target: PortTarget): string {
  const words: string[] = [];
  if (target.random) words.push('random');
  if (target.fullyRandom) words.push('fully-random');
  if (target.persistent) words.push('persistent');
  return words.length === 0 ? '' : ` ${words.join(',')}`;
}

function rejectText(reason: RejectReason, family: Family, before: readonly Statement[]): string {
  if (reason === 'tcp-reset') {
    const known = before.some(isAboutTransport);
    return `${known ? '' : 'meta l4proto tcp '}reject with tcp reset`;
  }
  if (reason === 'port-unreachable') return 'reject';
  if (family === 'ip') return `reject with icmp ${reason === 'no-route' ? 'net-unreachable' : reason}`;
  const plain = reason === 'net-unreachable' ? 'no-route' : reason;
  if (family === 'ip6')
    return `reject with icmpv6 ${plain === 'host-unreachable' ? 'addr-unreachable' : plain}`;
  return `reject with icmpx ${plain}`;
}

function isAboutTransport(statement: Statement): boolean {
  if (!('of' in statement)) return false;
  return valueList(statement.of).some(
    (value) =>
      (value.kind === 'payload' && protocolFields[value.protocol].transport !== undefined) ||
      (value.kind === 'meta' && value.key === 'l4proto'),
  );
}

/** `1d2h3m4s5ms`. */
export function durationText(milliseconds: number): string {
  const units: [string, number][] = [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1000],
    ['ms', 1],
  ];
  let rest = milliseconds;
  let text = '';
  for (const [unit, size] of units) {
    const count = Math.floor(rest / size);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * size;
  }
  return text === '' ? '0s' : text;
}
