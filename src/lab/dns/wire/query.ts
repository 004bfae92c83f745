import { decode } from 'dns-packet';
import {
  CLASS_IN,
  FLAG,
  HEADER,
  LONGEST,
  OPCODE_MASK,
  PLAIN_UDP,
  RCODE,
  SAFE_UDP,
  TYPE,
} from './constants.ts';
import { endOfName } from './walk.ts';

/** What came with an OPT record (RFC 6891). */
export interface Edns {
  /** Bytes that the client takes by UDP. */
  readonly size: number;
  readonly version: number;
  readonly dnssecOk: boolean;
}

/** A question that can be answered. */
export interface Query {
  readonly id: number;
  /** RD and CD as the client set them. */
  readonly flags: number;
  /** As asked, byte for byte: name, type and class. */
  readonly question: Buffer;
  /** In lower case, without the last dot; the root is empty. */
  readonly name: string;
  readonly type: number;
  /** Whether the codec can write the name again as it was: no label has a dot in it, or bytes that are no text. */
  readonly plain: boolean;
  readonly edns: Edns | undefined;
}

/** A message that is answered with an error and nothing else. */
export interface Refusal {
  readonly id: number;
  readonly flags: number;
  readonly rcode: number;
  readonly question?: Buffer;
  readonly edns?: Edns;
}

/** Records in a query's sections that a server has to put up with: an answer or authority of NOTIFY, OPT and TSIG. */
const MOST_RECORDS = [1, 1, 2] as const;

/**
 * Reads what a client sent.
 * @returns nothing for what is no query: whoever answers answers may do so for ever
 */
export function readQuery(packet: Buffer): Query | Refusal | undefined {
  if (packet.length < HEADER) return undefined;
  const id = packet.readUInt16BE(0);
  const word = packet.readUInt16BE(2);
  if (word & FLAG.RESPONSE) return undefined;
  const flags = word & (FLAG.RECURSION_DESIRED | FLAG.CHECKING_DISABLED);
  if (word & OPCODE_MASK) return { id, flags: flags | (word & OPCODE_MASK), rcode: RCODE.NOTIMP };
  const malformed = { id, flags, rcode: RCODE.FORMERR };
  if (packet.readUInt16BE(4) !== 1) return malformed;
  if (MOST_RECORDS.some((most, index) => packet.readUInt16BE(6 + 2 * index) > most)) return malformed;
  try {
    const end = endOfName(packet, HEADER);
    // The first name of a message has nothing to point to.
    if (packet[end - 1] !== 0 || end + 4 > packet.length) return malformed;
    const decoded = decode(packet);
    const name = decoded.questions?.[0]?.name ?? '';
    const question = packet.subarray(HEADER, end + 4);
    const edns = ednsOf(decoded.additionals ?? []);
    if (edns === 'several') return malformed;
    const type = packet.readUInt16BE(end);
    const about = { id, flags, question, ...(edns ? { edns } : {}) };
    if (edns && edns.version > 0) return { ...about, rcode: RCODE.BADVERS };
    if (packet.readUInt16BE(end + 2) !== CLASS_IN) return { ...about, rcode: RCODE.REFUSED };
    if (type === TYPE.AXFR || type === TYPE.IXFR) return { ...about, rcode: RCODE.REFUSED };
    if (type === TYPE.OPT || type === 0) return { ...about, rcode: RCODE.FORMERR };
    const bare = name === '.' ? '' : name;
    const plain = isPlain(question, bare);
    return { id, flags, question, name: bare.toLowerCase(), type, plain, edns };
  } catch {
    return malformed;
  }
}

type Decoded = NonNullable<ReturnType<typeof decode>['additionals']>;

function ednsOf(additionals: Decoded): Edns | 'several' | undefined {
  const found = additionals.filter((record) => record.type === 'OPT');
  if (found.length > 1) return 'several';
  const [record] = found;
  if (record?.type !== 'OPT') return undefined;
  const { udpPayloadSize, ednsVersion, flag_do } = record;
  return { size: udpPayloadSize, version: ednsVersion, dnssecOk: flag_do };
}

/** Whether the labels of a question are those that its name shows when it is split at its dots. */
function isPlain(question: Buffer, name: string): boolean {
  let offset = 0;
  for (const label of name === '' ? [] : name.split('.')) {
    const length = question[offset]!;
    if (length === 0 || question.toString('latin1', offset + 1, offset + 1 + length) !== label) return false;
    offset += length + 1;
  }
  return question[offset] === 0;
}

export function isQuery(read: Query | Refusal): read is Query {
  return 'name' in read;
}

/** Bytes that an answer may have. */
export function answerLimit(edns: Edns | undefined, transport: 'udp' | 'tcp'): number {
  if (transport === 'tcp') return LONGEST;
  return edns ? Math.min(Math.max(edns.size, PLAIN_UDP), SAFE_UDP) : PLAIN_UDP;
}
