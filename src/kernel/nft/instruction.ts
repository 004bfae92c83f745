import type { AttributeReader, MessageWriter } from '../netlink/attributes.ts';

/**
 * The kernel's own expressions: what rules are made of below the combinators. They read and write registers, here
 * numbered 8..23 (NFT_REG32_00..15), four bytes each; 0 is the verdict. One table says how each is encoded.
 */
export type FieldValue = number | bigint | string | Uint8Array | VerdictData | readonly Instruction[];

export interface Instruction {
  readonly name: InstructionName;
  readonly fields: Readonly<Record<string, FieldValue>>;
}

/** `code`: 0 drop, 1 accept, -1 continue, -3 jump, -4 goto, -5 return. */
export interface VerdictData {
  readonly code: number;
  readonly chain?: string;
}

type Kind = 'register' | 'u32' | 'u16' | 'u8' | 'u64' | 'text' | 'data' | 'list' | 'one';

/** Attribute number and kind by field. Source: include/uapi/linux/netfilter/nf_tables.h. */
const layouts = {
  meta: { key: [2, 'u32'], dreg: [1, 'register'], sreg: [3, 'register'] },
  payload: {
    base: [2, 'u32'],
    offset: [3, 'u32'],
    len: [4, 'u32'],
    dreg: [1, 'register'],
    sreg: [5, 'register'],
    csumType: [6, 'u32'],
    csumOffset: [7, 'u32'],
    csumFlags: [8, 'u32'],
  },
  ct: { key: [2, 'u32'], dreg: [1, 'register'], direction: [3, 'u8'], sreg: [4, 'register'] },
  rt: { key: [2, 'u32'], dreg: [1, 'register'] },
  fib: { flags: [3, 'u32'], result: [2, 'u32'], dreg: [1, 'register'] },
  numgen: { dreg: [1, 'register'], modulus: [2, 'u32'], type: [3, 'u32'], offset: [4, 'u32'] },
  hash: {
    sreg: [1, 'register'],
    dreg: [2, 'register'],
    len: [3, 'u32'],
    modulus: [4, 'u32'],
    seed: [5, 'u32'],
    offset: [6, 'u32'],
    type: [7, 'u32'],
  },
  bitwise: {
    sreg: [1, 'register'],
    dreg: [2, 'register'],
    op: [6, 'u32'],
    len: [3, 'u32'],
    mask: [4, 'data'],
    xor: [5, 'data'],
  },
  byteorder: {
    sreg: [1, 'register'],
    dreg: [2, 'register'],
    op: [3, 'u32'],
    len: [4, 'u32'],
    size: [5, 'u32'],
  },
  cmp: { sreg: [1, 'register'], op: [2, 'u32'], data: [3, 'data'] },
  range: { sreg: [1, 'register'], op: [2, 'u32'], from: [3, 'data'], to: [4, 'data'] },
  lookup: {
    set: [1, 'text'],
    sreg: [2, 'register'],
    dreg: [3, 'register'],
    setId: [4, 'u32'],
    flags: [5, 'u32'],
  },
  immediate: { dreg: [1, 'register'], data: [2, 'data'] },
  counter: { bytes: [1, 'u64'], packets: [2, 'u64'] },
  limit: {
    rate: [1, 'u64'],
    unit: [2, 'u64'],
    burst: [3, 'u32'],
    type: [4, 'u32'],
    flags: [5, 'u32'],
  },
  connlimit: { count: [1, 'u32'], flags: [2, 'u32'] },
  log: {
    group: [1, 'u16'],
    prefix: [2, 'text'],
    snaplen: [3, 'u32'],
    qthreshold: [4, 'u16'],
    level: [5, 'u32'],
    flags: [6, 'u32'],
  },
  notrack: {},
  objref: {
    type: [1, 'u32'],
    name: [2, 'text'],
    sreg: [3, 'register'],
    set: [4, 'text'],
    setId: [5, 'u32'],
  },
  nat: {
    type: [1, 'u32'],
    family: [2, 'u32'],
    addrMin: [3, 'register'],
    addrMax: [4, 'register'],
    protoMin: [5, 'register'],
    protoMax: [6, 'register'],
    flags: [7, 'u32'],
  },
  masq: { flags: [1, 'u32'], protoMin: [2, 'register'], protoMax: [3, 'register'] },
  redir: { protoMin: [1, 'register'], protoMax: [2, 'register'], flags: [3, 'u32'] },
  reject: { type: [1, 'u32'], code: [2, 'u8'] },
  dynset: {
    set: [1, 'text'],
    setId: [2, 'u32'],
    op: [3, 'u32'],
    keyReg: [4, 'register'],
    dataReg: [5, 'register'],
    timeout: [6, 'u64'],
    flags: [9, 'u32'],
    expression: [7, 'one'],
    expressions: [10, 'list'],
  },
  exthdr: {
    op: [6, 'u32'],
    type: [2, 'u8'],
    offset: [3, 'u32'],
    len: [4, 'u32'],
    flags: [5, 'u32'],
    dreg: [1, 'register'],
    sreg: [7, 'register'],
  },
  dup: { devReg: [2, 'register'] },
  fwd: { devReg: [1, 'register'] },
} as const satisfies Record<string, Record<string, readonly [number, Kind]>>;

export type InstructionName = keyof typeof layouts;

type Layout = Readonly<Record<string, readonly [number, Kind]>>;

const NFTA_LIST_ELEM = 1;
const NFTA_EXPR_NAME = 1;
const NFTA_EXPR_DATA = 2;
const NFTA_DATA_VALUE = 1;
const NFTA_DATA_VERDICT = 2;
const NFTA_VERDICT_CODE = 1;
const NFTA_VERDICT_CHAIN = 2;

/** Writes instructions as a list in attribute `type`. */
export function writeInstructions(w: MessageWriter, type: number, list: readonly Instruction[]): void {
  const nest = w.openNest(type);
  for (const instruction of list) writeInstruction(w, NFTA_LIST_ELEM, instruction);
  w.closeNest(nest);
}

export function writeInstruction(w: MessageWriter, type: number, instruction: Instruction): void {
  const layout: Layout = layouts[instruction.name];
  const nest = w.openNest(type);
  w.attrString(NFTA_EXPR_NAME, instruction.name);
  const data = w.openNest(NFTA_EXPR_DATA);
  for (const field in instruction.fields) {
    const [attribute, kind] = layout[field]!;
    writeField(w, attribute, kind, instruction.fields[field]!);
  }
  w.closeNest(data);
  w.closeNest(nest);
}

function writeField(w: MessageWriter, attribute: number, kind: Kind, value: FieldValue): void {
  switch (kind) {
    case 'register':
    case 'u32':
      w.attrBe32(attribute, (value as number) >>> 0);
      break;
    case 'u16':
      w.attrBe16(attribute, value as number);
      break;
    case 'u8':
      w.attrU8(attribute, value as number);
      break;
    case 'u64':
      w.attrBe64(attribute, BigInt(value as bigint));
      break;
    case 'text':
      w.attrString(attribute, value as string);
      break;
    case 'data':
      writeData(w, attribute, value as Uint8Array | VerdictData);
      break;
    case 'one':
      writeInstruction(w, attribute, (value as Instruction[])[0]!);
      break;
    case 'list':
      writeInstructions(w, attribute, value as Instruction[]);
  }
}

/** `struct nft_data`: bytes or a verdict. */
export function writeData(w: MessageWriter, attribute: number, value: Uint8Array | VerdictData): void {
  const nest = w.openNest(attribute);
  if (value instanceof Uint8Array) w.attrBytes(NFTA_DATA_VALUE, value);
  else {
    const verdict = w.openNest(NFTA_DATA_VERDICT);
    w.attrBe32(NFTA_VERDICT_CODE, value.code >>> 0);
    if (value.chain !== undefined) w.attrString(NFTA_VERDICT_CHAIN, value.chain);
    w.closeNest(verdict);
  }
  w.closeNest(nest);
}

export function readInstructions(reader: AttributeReader): Instruction[] {
  const list: Instruction[] = [];
  while (reader.next()) list.push(readInstruction(reader.nested()));
  return list;
}

/** One expression as the kernel dumps it; of a kind unknown here only the name is kept. */
export function readInstruction(reader: AttributeReader): Instruction {
  let name = '';
  let data: AttributeReader | undefined;
  while (reader.next()) {
    if (reader.type === NFTA_EXPR_NAME) name = reader.string();
    else if (reader.type === NFTA_EXPR_DATA) data = reader.nested();
  }
  const layout: Layout = (layouts as Record<string, Layout>)[name] ?? {};
  const found = new Map<number, FieldValue>();
  const kinds = new Map(Object.values(layout));
  while (data?.next()) {
    const kind = kinds.get(data.type);
    if (kind) found.set(data.type, readField(data, kind));
  }
  const fields: Record<string, FieldValue> = {};
  for (const [field, [attribute]] of Object.entries(layout)) {
    const value = found.get(attribute);
    if (value !== undefined) fields[field] = value;
  }
  return { name: name as InstructionName, fields };
}

function readField(reader: AttributeReader, kind: Kind): FieldValue {
  switch (kind) {
    case 'register':
      return canonicalRegister(reader.be32());
    case 'u32':
      return reader.be32();
    case 'u16':
      return reader.be16();
    case 'u8':
      return reader.u8();
    case 'u64':
      return reader.be64();
    case 'text':
      return reader.string();
    case 'data':
      return readData(reader.nested());
    case 'one':
      return [readInstruction(reader.nested())];
    case 'list':
      return readInstructions(reader.nested());
  }
}

export function readData(reader: AttributeReader): Uint8Array | VerdictData {
  while (reader.next()) {
    if (reader.type === NFTA_DATA_VALUE) return reader.bytes();
    if (reader.type === NFTA_DATA_VERDICT) {
      const verdict = reader.nested();
      let code = 0;
      let chain: string | undefined;
      while (verdict.next()) {
        if (verdict.type === NFTA_VERDICT_CODE) code = verdict.be32() | 0;
        else if (verdict.type === NFTA_VERDICT_CHAIN) chain = verdict.string();
      }
      return chain === undefined ? { code } : { code, chain };
    }
  }
  return new Uint8Array(0);
}

/** The kernel reports NFT_REG_1..4 (16 bytes each) where they begin; they are the same memory as 8, 12, 16, 20. */
function canonicalRegister(register: number): number {
  return register >= 1 && register <= 4 ? 8 + (register - 1) * 4 : register;
}

const verdictNames = new Map([
  [0, 'drop'],
  [1, 'accept'],
  [-1, 'continue'],
  [-2, 'break'],
  [-3, 'jump'],
  [-4, 'goto'],
  [-5, 'return'],
]);

/** One line: `cmp sreg 8 op 0 data 0x0a000001`. Counts are left out, since they change. */
export function instructionText(instruction: Instruction): string {
  const words: string[] = [instruction.name];
  if (instruction.name === 'counter') return 'counter';
  const layout: Layout = (layouts as Record<string, Layout>)[instruction.name] ?? {};
  for (const field of Object.keys(layout)) {
    const value = instruction.fields[field];
    if (value === undefined || isHidden(instruction.name, field, value)) continue;
    words.push(field, fieldText(value));
  }
  return words.join(' ');
}

/** Only on the way to the kernel, or the kernel's way to say that there is none. */
function isHidden(name: InstructionName, field: string, value: FieldValue): boolean {
  if (name === 'dynset') return field === 'setId' || field === 'flags' || value === 0n;
  return field === 'setId' || (name === 'exthdr' && field === 'flags' && value === 0);
}

function fieldText(value: FieldValue): string {
  if (value instanceof Uint8Array) return `0x${Buffer.from(value).toString('hex')}`;
  if (Array.isArray(value)) return `{ ${value.map(instructionText).join('; ')} }`;
  if (typeof value === 'object') return verdictText(value as VerdictData);
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}

/** `jump pod_1`. */
export function verdictText(verdict: VerdictData): string {
  const name = verdictNames.get(verdict.code) ?? `verdict ${verdict.code}`;
  return verdict.chain === undefined ? name : `${name} ${verdict.chain}`;
}
