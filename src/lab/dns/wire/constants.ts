/** Numbers of the protocol, by IANA's names ("Domain Name System (DNS) Parameters"). */

export const TYPE = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  HINFO: 13,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
} as const;

export const CLASS_IN = 1;

export const RCODE = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  /** Only with EDNS: the upper eight bits are in the OPT record. */
  BADVERS: 16,
} as const;

/** Bits of the header's second word. */
export const FLAG = {
  RESPONSE: 0x8000,
  AUTHORITATIVE: 0x0400,
  TRUNCATED: 0x0200,
  RECURSION_DESIRED: 0x0100,
  RECURSION_AVAILABLE: 0x0080,
  AUTHENTIC_DATA: 0x0020,
  CHECKING_DISABLED: 0x0010,
} as const;

export const OPCODE_MASK = 0x7800;
export const RCODE_MASK = 0x000f;

/** Bytes of a message's header. */
export const HEADER = 12;
/** Bytes of an answer by UDP to who says nothing of its buffer (RFC 1035). */
export const PLAIN_UDP = 512;
/** Bytes of an answer by UDP that no network has to fragment (DNS flag day 2020): what we send at most, and ask for. */
export const SAFE_UDP = 1232;
/** Bytes of the longest message there is. */
export const LONGEST = 65_535;
/** Bytes of the longest name on the wire, with its last zero (RFC 1035). */
export const LONGEST_NAME = 255;

const TYPE_NAMES = new Map<number, string>([
  ...Object.entries(TYPE).map(([name, number]) => [number, name] as const),
  [15, 'MX'],
  [35, 'NAPTR'],
  [43, 'DS'],
  [48, 'DNSKEY'],
  [64, 'SVCB'],
  [65, 'HTTPS'],
]);

/** Such as `AAAA`; `TYPE65280` for one without a name here (RFC 3597). */
export function typeName(type: number): string {
  return TYPE_NAMES.get(type) ?? `TYPE${type}`;
}

const RCODE_NAMES = new Map(Object.entries(RCODE).map(([name, number]) => [number as number, name]));

export function rcodeName(rcode: number): string {
  return RCODE_NAMES.get(rcode) ?? `RCODE${rcode}`;
}
