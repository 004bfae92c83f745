import { type DataTypeName, dataTypes, encodeScalar } from './datatype.ts';
import type { Value } from './expression.ts';
import { metaKeys, protocolFields } from './fields.ts';
import { checkWhole, MOST_32, MOST_MILLISECONDS, NftInputError } from './input-error.ts';
import type { FieldValue, Instruction } from './instruction.ts';
import { limitInstruction, logInstruction } from './lower-limit.ts';
import { lowerLookup, lowerMatch } from './lower-match.ts';
import { lowerMasquerade, lowerNat } from './lower-nat.ts';
import { lowerReject } from './lower-reject.ts';
import { REGISTER, type RuleEnvironment, ValueLowering } from './lower-value.ts';
import type { Statement } from './rule.ts';
import { verdictData } from './verdict.ts';

const OBJECT_COUNTER = 1;
const CT_MARK = 3;
const CT_ZONE = 17;
const dynsetOperations = { add: 0, update: 1, delete: 2 } as const;
const DYNSET_EXPRESSIONS = 2;
const EXTHDR_TCP_OPTION = 1;
const TCP_OPTION_MSS = 2;
const RT_TCP_MSS = 3;

type Of<K> = Statement & { kind: K };

/**
 * A rule as the kernel has it. @throws NftInputError for values, types or combinations that no kernel takes.
 */
export function lowerRule(rule: readonly Statement[], environment: RuleEnvironment): Instruction[] {
  const lowering = new ValueLowering(environment);
  for (const statement of rule) lowerStatement(lowering, statement);
  return lowering.out;
}

function lowerStatement(l: ValueLowering, statement: Statement): void {
  const lower = lowerings[statement.kind] as ((l: ValueLowering, s: Statement) => void) | undefined;
  if (lower === undefined)
    throw new NftInputError('rule', statement, 'must be made by the functions of rule.ts');
  lower(l, statement);
}

const lowerings: { [K in Statement['kind']]: (l: ValueLowering, s: Of<K>) => void } = {
  match: lowerMatch,
  lookup: (l, s) => lowerLookup(l, s.of, s.set, s.invert),
  vmap: lowerVmap,
  verdict: (l, s) => l.emit('immediate', { dreg: 0, data: verdictData(s, 'verdict') }),
  counter: (l, s) =>
    s.name === undefined
      ? l.emit('counter', { bytes: 0, packets: 0 })
      : l.emit('objref', { type: OBJECT_COUNTER, name: s.name }),
  counterMap: lowerCounterMap,
  limit: (l, s) => l.out.push(limitInstruction(s.limit)),
  connections: (l, s) => {
    checkWhole('connections', s.count, 0, MOST_32);
    l.emit('connlimit', { count: s.count, flags: s.over ? 1 : 0 });
  },
  log: (l, s) => l.out.push(logInstruction(s.log)),
  notrack: (l) => l.emit('notrack', {}),
  nat: (l, s) => lowerNat(l, s.type, s.target),
  masquerade: (l, s) => lowerMasquerade(l, s.kind, s.target),
  redirect: (l, s) => lowerMasquerade(l, s.kind, s.target),
  setMeta: (l, s) => {
    const [key, type] = metaKeys[s.key];
    lowerSet(l, s.value, type, (sreg) => l.emit('meta', { key, sreg }));
  },
  setCt: (l, s) => {
    const [key, type] = s.key === 'mark' ? ([CT_MARK, 'mark'] as const) : ([CT_ZONE, 'zone'] as const);
    lowerSet(l, s.value, type, (sreg) => l.emit('ct', { key, sreg }));
  },
  setPayload: (l, s) => lowerSetPayload(l, s.field, s.value),
  clampMss: (l, s) => lowerClamp(l, s.size),
  reject: (l, s) => lowerReject(l, s.reason),
  dynset: lowerDynset,
  duplicate: (l, s) => lowerDevice(l, 'dup', s.device),
  forward: (l, s) => lowerDevice(l, 'fwd', s.device),
};

function lowerVmap(l: ValueLowering, s: Of<'vmap'>): void {
  l.depend(s.of);
  const inline =
    typeof s.map === 'string'
      ? s.map
      : { elements: s.map.entries.map(([key, verdict]) => ({ key, data: verdict })) };
  const { set, schema } = l.setFor(s.of, inline, 'verdict');
  if (schema && schema.data !== 'verdict')
    throw new NftInputError(`map ${set.name}`, schema.data ?? 'a set', 'must be a map of verdicts');
  l.loadKey(s.of, schema, `map ${set.name}`);
  l.emit('lookup', { set: set.name, sreg: REGISTER, dreg: 0, setId: set.id, flags: 0 });
}

function lowerCounterMap(l: ValueLowering, s: Of<'counterMap'>): void {
  l.depend(s.of);
  const schema = l.environment.schema(s.map);
  if (schema && schema.data !== 'counter')
    throw new NftInputError(`map ${s.map}`, schema.data ?? 'a set', 'must be a map of counters');
  l.loadKey(s.of, schema, `map ${s.map}`);
  l.emit('objref', { sreg: REGISTER, set: s.map });
}

function lowerDevice(l: ValueLowering, name: 'dup' | 'fwd', device: number): void {
  l.emit('immediate', { dreg: REGISTER, data: encodeScalar('iface_index', device, `${name} device`) });
  l.emit(name, { devReg: REGISTER });
}

/** Loads `value` as a `type` and hands its register to `store`. */
function lowerSet(l: ValueLowering, value: Value, type: DataTypeName, store: (sreg: number) => void): void {
  const typed: Value = value.kind === 'constant' ? { ...value, type } : value;
  const [given] = l.typesOf([typed]);
  if (dataTypes[given!].size !== dataTypes[type].size)
    throw new NftInputError('rule', given, `must be as wide as what it is written to (${type})`);
  l.depend([typed]);
  l.load(typed, REGISTER);
  store(REGISTER);
}

function lowerSetPayload(l: ValueLowering, field: Value, value: Value): void {
  if (field.kind !== 'payload')
    throw new NftInputError('setPayload', field.kind, 'must write a header field');
  l.depend([field]);
  const place = l.payloadPlace(field);
  const { checksum, base } = protocolFields[field.protocol];
  const [type] = l.typesOf([field]);
  const address = type === 'ipv4_addr' || type === 'ipv6_addr';
  const sum = checksum === undefined ? { csumType: 0, csumOffset: 0 } : { csumType: 1, csumOffset: checksum };
  // Addresses are also part of the transport checksum.
  const csumFlags = address && base === 'network' ? 1 : 0;
  if (place.len > 1 || checksum === undefined) {
    lowerSet(l, value, type!, (sreg) => l.emit('payload', { ...place, sreg, ...sum, csumFlags }));
    return;
  }
  // Checksums are over 16-bit words: a single byte is written together with its neighbour.
  if (value.kind !== 'constant')
    throw new NftInputError('setPayload', value.kind, 'a field of one byte can only be set to a constant');
  const byte = encodeScalar(type!, value.value, 'setPayload')[0]!;
  const odd = place.offset & 1;
  const word = { base: place.base, offset: place.offset - odd, len: 2 };
  l.emit('payload', { ...word, dreg: REGISTER });
  const mask = Buffer.from(odd ? [255, 0] : [0, 255]);
  const xor = Buffer.from(odd ? [0, byte] : [byte, 0]);
  l.emit('bitwise', { sreg: REGISTER, dreg: REGISTER, op: 0, len: 2, mask, xor });
  l.emit('payload', { ...word, sreg: REGISTER, ...sum, csumFlags });
}

function lowerClamp(l: ValueLowering, size: number | 'path-mtu'): void {
  // Without a check for TCP: the option is only ever found in a TCP header.
  if (size === 'path-mtu') {
    l.emit('rt', { key: RT_TCP_MSS, dreg: REGISTER });
    l.swap(REGISTER, 2);
  } else l.emit('immediate', { dreg: REGISTER, data: encodeScalar('integer16', size, 'clampMss') });
  l.emit('exthdr', {
    op: EXTHDR_TCP_OPTION,
    type: TCP_OPTION_MSS,
    offset: 2,
    len: 2,
    sreg: REGISTER,
  });
}

function lowerDynset(l: ValueLowering, s: Statement & { kind: 'dynset' }): void {
  l.depend(s.of);
  if (s.data) l.depend(s.data);
  const schema = l.environment.schema(s.set);
  // Some kernels take other sets as well, and some do not.
  if (schema && !schema.dynamic)
    throw new NftInputError(`set ${s.set}`, 'not dynamic', 'must be made with dynamic: true');
  checkWhole(`timeout in set ${s.set}`, s.timeout, 1, MOST_MILLISECONDS);
  const next = l.loadKey(s.of, schema, `set ${s.set}`);
  if (s.data) {
    let at = next;
    for (const value of s.data) at = l.load(value, at);
  }
  const inner = s.statements.map((statement) => {
    if (!['counter', 'limit', 'connections'].includes(statement.kind) || 'name' in statement)
      throw new NftInputError(
        'updateSet',
        statement.kind,
        'elements carry counter(), limit() or connections() only',
      );
    const [instruction] = lowerRule([statement], l.environment);
    return instruction!;
  });
  const carried: Record<string, FieldValue> =
    inner.length === 0
      ? {}
      : inner.length === 1
        ? { expression: inner }
        : { flags: DYNSET_EXPRESSIONS, expressions: inner };
  l.emit('dynset', {
    set: s.set,
    op: dynsetOperations[s.operation],
    keyReg: REGISTER,
    dataReg: s.data ? next : undefined,
    timeout: s.timeout,
    ...carried,
  });
}
