import { type DataTypeName, dataTypes, encodeScalar } from './datatype.ts';
import type { InlineMap, Value } from './expression.ts';
import { baseNumber, ctKeys, directedCtKeys, metaKeys, protocolFields } from './fields.ts';
import { checkWhole, MOST_32, NftInputError } from './input-error.ts';
import type { FieldValue, Instruction, InstructionName } from './instruction.ts';
import { checkKeyTypes, isSwapped, paddedSize, type SetSchema, sizeOf, typeList } from './schema.ts';
import type { Family, SetElement } from './spec.ts';

/** The first register; a register holds four bytes and there are sixteen. */
export const REGISTER = 8;
const REGISTERS = 16;

export const CMP_EQ = 0;
export const CMP_NEQ = 1;
const HTON = 1;

/** What is outside of the rule: its table's family, the sets that it names, and nameless sets made for it. */
export interface RuleEnvironment {
  readonly family: Family;
  /** Undefined when there is no such set: the kernel will say so. */
  schema(set: string): SetSchema | undefined;
  /** Makes a nameless set beside the rule. */
  anonymous(
    schema: SetSchema,
    elements: readonly SetElement[],
  ): { readonly name: string; readonly id: number };
}

type Network = 'ip' | 'ip6' | 'arp';
const etherType: Record<Network, number> = { ip: 0x0800, ip6: 0x86dd, arp: 0x0806 };
const nfProto: Record<Network, number | undefined> = { ip: 2, ip6: 10, arp: undefined };
const fibFlags = { saddr: 1, daddr: 2, mark: 4, iif: 8, oif: 16 } as const;
const FIB_PRESENT = 32;
const fibResults = { oif: 1, oifname: 2, type: 3, check: 1 } as const;

/**
 * Turns values into instructions that load them into registers, and remembers what the rule knows of its packet
 * by then: a field of a header is only read after a check that the packet has that header.
 */
export class ValueLowering {
  readonly out: Instruction[] = [];
  readonly environment: RuleEnvironment;
  #network: Network | undefined;
  #transport: number | undefined;
  #ether: boolean;

  constructor(environment: RuleEnvironment) {
    this.environment = environment;
    const { family } = environment;
    this.#network = family === 'ip' || family === 'ip6' || family === 'arp' ? family : undefined;
    this.#ether = family === 'bridge' || family === 'netdev';
  }

  /** The network protocol which the rule is restricted to so far. */
  get network(): Network | undefined {
    return this.#network;
  }

  emit(name: InstructionName, fields: Record<string, FieldValue | undefined>): void {
    const present: Record<string, FieldValue> = {};
    for (const field in fields) if (fields[field] !== undefined) present[field] = fields[field];
    this.out.push({ name, fields: present });
  }

  /** What a value, or all values of a list together, are typed as. */
  typesOf(values: readonly Value[]): DataTypeName[] {
    return values.flatMap((value) => this.#typesOf(value));
  }

  #typesOf(value: Value): readonly DataTypeName[] {
    switch (value.kind) {
      case 'meta':
        return [metaKeys[value.key][1]];
      case 'ct':
        return [ctKeys[value.key][1]];
      case 'payload':
        return [fieldOf(value).type];
      case 'fib':
        return [
          ({ type: 'fib_addrtype', oif: 'iface_index', oifname: 'ifname', check: 'fib_check' } as const)[
            value.result
          ],
        ];
      case 'numgen':
      case 'jhash':
        return ['integer'];
      case 'bitwise':
        return this.#typesOf(value.of);
      case 'mapped':
        return typeList(value.data);
      case 'constant':
        return [value.type];
    }
  }

  /** Makes sure that the packet has the headers which the values are read from. */
  depend(values: readonly Value[]): void {
    for (const value of values) {
      if (value.kind === 'payload') {
        const { base, network, transport } = protocolFields[value.protocol];
        if (base === 'link') this.#requireEther();
        if (network !== undefined) this.requireNetwork(network);
        if (transport !== undefined) this.requireTransport(transport);
      } else if (value.kind === 'bitwise') this.depend([value.of]);
      else if (value.kind === 'jhash' || value.kind === 'mapped') this.depend(value.of);
    }
  }

  requireNetwork(network: Network): void {
    if (this.#network === network) return;
    if (this.#network !== undefined) this.#conflict(network, this.#network);
    const { family } = this.environment;
    if (family === 'inet') {
      const number = nfProto[network];
      if (number === undefined) this.#conflict(network, 'inet');
      this.#check('meta', 15, Buffer.from([number]));
    } else {
      this.#check('meta', 1, encodeScalar('ether_type', etherType[network], 'protocol'));
    }
    this.#network = network;
  }

  requireTransport(transport: number): void {
    if (this.#transport === transport) return;
    if (this.#transport !== undefined)
      this.#conflict(`transport protocol ${transport}`, `transport protocol ${this.#transport}`);
    this.#check('meta', 16, Buffer.from([transport]));
    this.#transport = transport;
  }

  #requireEther(): void {
    if (this.#ether) return;
    this.#check('meta', 8, encodeScalar('iface_type', 'ether', 'iiftype'));
    this.#ether = true;
  }

  #conflict(wanted: string, known: string): never {
    throw new NftInputError('rule', `${wanted} after ${known}`, 'no packet is both; make two rules');
  }

  #check(name: 'meta', key: number, data: Buffer): void {
    this.emit(name, { key, dreg: REGISTER });
    this.emit('cmp', { sreg: REGISTER, op: CMP_EQ, data });
  }

  /** The rule matched `of` against `bytes` and goes on: from here the packet is known to be so. */
  learn(of: Value, bytes: Buffer): void {
    if (of.kind === 'meta' && of.key === 'nfproto')
      this.#network ??= bytes[0] === 2 ? 'ip' : bytes[0] === 10 ? 'ip6' : undefined;
    if (of.kind === 'meta' && of.key === 'protocol') {
      const found = (['ip', 'ip6', 'arp'] as const).find((name) => etherType[name] === bytes.readUInt16BE());
      this.#network ??= found;
    }
    if (of.kind === 'meta' && of.key === 'l4proto') this.#transport ??= bytes[0];
    if (of.kind === 'payload' && of.protocol === 'ip' && of.field === 'protocol')
      this.#transport ??= bytes[0];
  }

  /** Loads a value to the registers from `register` on; returns the first free one behind it. */
  load(value: Value, register: number): number {
    const types = this.#typesOf(value);
    const next = register + sizeInRegisters(types);
    if (next > REGISTER + REGISTERS)
      throw new NftInputError('rule', types.join(' . '), 'values together must not need more than 64 bytes');
    switch (value.kind) {
      case 'meta':
        this.emit('meta', { key: metaKeys[value.key][0], dreg: register });
        break;
      case 'payload':
        this.emit('payload', { ...this.payloadPlace(value), dreg: register });
        break;
      case 'ct':
        this.#loadCt(value, register);
        break;
      case 'fib': {
        const select = value.select.reduce<number>((bits, name) => bits | fibFlags[name], 0);
        const flags = value.result === 'check' ? select | FIB_PRESENT : select;
        this.emit('fib', { flags, result: fibResults[value.result], dreg: register });
        break;
      }
      case 'numgen': {
        const { modulus, offset } = value;
        checkModulus(modulus, offset, 'numgen');
        this.emit('numgen', { dreg: register, modulus, type: value.mode === 'inc' ? 0 : 1, offset });
        break;
      }
      case 'jhash':
        this.#loadHash(value, register);
        break;
      case 'bitwise':
        this.#loadBitwise(value, register);
        break;
      case 'mapped':
        this.#loadMapped(value, register);
        break;
      case 'constant':
        this.emit('immediate', {
          dreg: register,
          data: encodeScalar(value.type, value.value, `constant ${value.type}`),
        });
    }
    return next;
  }

  /** Loads a concatenated key; `schema` is that of the set it is for. Returns the first free register. */
  loadKey(values: readonly Value[], schema: SetSchema | undefined, set: string, register = REGISTER): number {
    if (values.length === 0) throw new NftInputError('rule', values, 'needs at least one value to look up');
    if (schema) checkKeyTypes(this.typesOf(values), schema.key, `key for ${set}`);
    let at = register;
    for (const value of values) {
      const next = this.load(value, at);
      const [type] = this.#typesOf(value);
      if (schema && isSwapped(type!, schema.interval)) this.swap(at, dataTypes[type!].size);
      at = next;
    }
    return at;
  }

  /** Turns a number in host order to network order. */
  swap(register: number, size: number): void {
    this.emit('byteorder', { sreg: register, dreg: register, op: HTON, len: size, size });
  }

  payloadPlace(value: Value & { kind: 'payload' }): { base: number; offset: number; len: number } {
    const { base } = protocolFields[value.protocol];
    const { offset, type } = fieldOf(value);
    return { base: baseNumber[base], offset, len: dataTypes[type].size };
  }

  #loadCt(value: Value & { kind: 'ct' }, register: number): void {
    if (directedCtKeys.has(value.key) && value.direction === undefined)
      throw new NftInputError(`ct ${value.key}`, undefined, "needs a direction: 'original' or 'reply'");
    const direction = value.direction === undefined ? undefined : value.direction === 'original' ? 0 : 1;
    this.emit('ct', { key: ctKeys[value.key][0], dreg: register, direction });
  }

  #loadHash(value: Value & { kind: 'jhash' }, register: number): void {
    const { modulus, offset, seed } = value;
    checkModulus(modulus, offset, 'jhash');
    let at = register;
    for (const part of value.of) at = this.load(part, at);
    const len = (at - register) * 4;
    this.emit('hash', {
      sreg: register,
      dreg: register,
      len: value.of.length === 1 ? sizeOf(this.typesOf(value.of)) : len,
      modulus,
      seed,
      offset: offset === 0 ? undefined : offset,
      type: 0,
    });
  }

  #loadBitwise(value: Value & { kind: 'bitwise' }, register: number): void {
    const [type, more] = this.#typesOf(value);
    const len = dataTypes[type!].size;
    if (more !== undefined || len > 4)
      throw new NftInputError('rule', type, 'bits can be changed in numbers of up to 32 bits only');
    this.load(value.of, register);
    const mask = encodeScalar(type!, value.and >>> 0, 'mask');
    const xor = encodeScalar(type!, value.xor >>> 0, 'xor');
    this.emit('bitwise', { sreg: register, dreg: register, op: 0, len, mask, xor });
  }

  #loadMapped(value: Value & { kind: 'mapped' }, register: number): void {
    const { set, schema } = this.setFor(value.of, value.map, typeList(value.data));
    this.loadKey(value.of, schema, `map ${set.name}`, register);
    if (schema?.data !== undefined) {
      if (typeof schema.data === 'string')
        throw new NftInputError(`map ${set.name}`, schema.data, 'must hold values to be used as one');
      checkKeyTypes(typeList(value.data), schema.data, `data of map ${set.name}`);
    }
    this.emit('lookup', { set: set.name, sreg: register, dreg: register, setId: set.id, flags: 0 });
  }

  /** The set with this name, or a nameless one with these elements. */
  setFor(
    of: readonly Value[],
    target: string | InlineMap | { readonly elements: readonly SetElement[] },
    data?: SetSchema['data'],
  ): { set: { name: string; id: number | undefined }; schema: SetSchema | undefined } {
    if (typeof target === 'string')
      return { set: { name: target, id: undefined }, schema: this.environment.schema(target) };
    const elements =
      'elements' in target ? target.elements : target.entries.map(([key, value]) => ({ key, data: value }));
    const key = this.typesOf(of);
    const interval = elements.some((element) => isInterval(element, key));
    const schema: SetSchema = {
      key,
      interval,
      timeout: false,
      dynamic: false,
      ...(data === undefined ? {} : { data }),
    };
    return { set: this.environment.anonymous(schema, elements), schema };
  }
}

function sizeInRegisters(types: readonly DataTypeName[]): number {
  return types.reduce((sum, type) => sum + paddedSize(type) / 4, 0);
}

function fieldOf(value: Value & { kind: 'payload' }): { offset: number; type: DataTypeName } {
  const field = protocolFields[value.protocol].fields[value.field];
  if (field === undefined) {
    const known = Object.keys(protocolFields[value.protocol].fields).join(', ');
    throw new NftInputError(`${value.protocol} field`, value.field, `must be one of ${known}`);
  }
  return field;
}

function checkModulus(modulus: number, offset: number, field: string): void {
  checkWhole(`${field} modulus`, modulus, 1, MOST_32);
  checkWhole(`${field} offset`, offset, 0, MOST_32 - modulus);
}

/** Whether an element is written as anything but one value. */
function isInterval(element: SetElement, key: readonly DataTypeName[]): boolean {
  const parts = (Array.isArray(element.key) ? element.key : [element.key]) as readonly unknown[];
  if (parts.length === 1 && parts[0] === '*') return false;
  return parts.some((part, i) => {
    if (typeof part !== 'string') return false;
    if (part === '*') return true;
    const type = key[i];
    if (type === 'ifname') return part.endsWith('*');
    const named = type !== undefined && dataTypes[type].symbols !== undefined && !/^[0-9]/.test(part);
    return part.includes('/') || (part.includes('-') && !named);
  });
}
