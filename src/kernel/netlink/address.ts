import { type MessageWriter, NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL } from './attributes.ts';
import { bytesToIp, type Family, familyCode, familyOf, ipToBytes } from './ip.ts';
import type { NetlinkMessage } from './message.ts';

// include/uapi/linux/if_addr.h
export const RTM_NEWADDR = 20;
export const RTM_DELADDR = 21;
export const RTM_GETADDR = 22;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_BROADCAST = 4;
const IFA_FLAGS = 8;
const IFA_F_NODAD = 0x02;
const IFA_F_DADFAILED = 0x08;
const IFA_F_TENTATIVE = 0x40;
const IFA_F_PERMANENT = 0x80;
const IFA_F_NOPREFIXROUTE = 0x200;
const IFADDR_LENGTH = 8;

const SCOPES = { global: 0, site: 200, link: 253, host: 254 } as const;

export type AddressScope = keyof typeof SCOPES;

export interface AddressSpec {
  /** IPv4 or IPv6, without a prefix length. */
  readonly address: string;
  /** 0..32 or 0..128 */
  readonly prefixLength: number;
  /** Makes no route for the prefix. */
  readonly noPrefixRoute?: boolean | undefined;
  /** Default `global`; for IPv6 the kernel takes it from the address. */
  readonly scope?: AddressScope | undefined;
  /** IPv4 only; none when absent. */
  readonly broadcast?: string | undefined;
  /**
   * Lets IPv6 look for a duplicate first, for a second in which the address cannot be used. Default false:
   * addresses are handed out by somebody who knows.
   */
  readonly detectDuplicates?: boolean | undefined;
}

export interface Address {
  readonly linkIndex: number;
  readonly family: Family;
  readonly address: string;
  readonly prefixLength: number;
  readonly scope: AddressScope | number;
  /** Not made by router advertisements. */
  readonly permanent: boolean;
  /** Still under duplicate detection, or failed it. */
  readonly tentative: boolean;
  readonly noPrefixRoute: boolean;
  readonly broadcast?: string;
}

export interface AddressFilter {
  readonly family?: Family | undefined;
}

export function writeAddress(
  writer: MessageWriter,
  type: typeof RTM_NEWADDR | typeof RTM_DELADDR,
  index: number,
  spec: AddressSpec,
): void {
  const bytes = ipToBytes(spec.address);
  const bits = bytes.length * 8;
  if (!Number.isInteger(spec.prefixLength) || spec.prefixLength < 0 || spec.prefixLength > bits)
    throw new RangeError(`address ${spec.address} prefixLength ${spec.prefixLength}: must be 0 to ${bits}`);
  const create = type === RTM_NEWADDR;
  writer
    .begin(type, create ? NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL : NLM_F_ACK)
    .u8(familyCode(bytes.length === 4 ? 4 : 6))
    .u8(spec.prefixLength)
    .u8(0)
    .u8(SCOPES[spec.scope ?? 'global'])
    .u32(index)
    .attrBytes(IFA_LOCAL, bytes)
    .attrBytes(IFA_ADDRESS, bytes);
  if (!create) return;
  if (spec.broadcast !== undefined)
    writer.attrBytes(IFA_BROADCAST, ipToBytes(spec.broadcast, 'address broadcast'));
  let flags = spec.noPrefixRoute ? IFA_F_NOPREFIXROUTE : 0;
  if (bytes.length === 16 && !spec.detectDuplicates) flags |= IFA_F_NODAD;
  if (flags !== 0) writer.attrU32(IFA_FLAGS, flags);
}

export function writeGetAddresses(writer: MessageWriter, family: Family | undefined, index: number): void {
  writer.begin(RTM_GETADDR, 0).u8(familyCode(family)).zero(3).u32(index);
}

export function readAddress(message: NetlinkMessage): Address | undefined {
  let address: Buffer | undefined;
  let local: Buffer | undefined;
  let broadcast: Buffer | undefined;
  let flags = message.u8(2);
  const reader = message.attributes(IFADDR_LENGTH);
  while (reader.next()) {
    if (reader.type === IFA_ADDRESS) address = reader.bytes();
    else if (reader.type === IFA_LOCAL) local = reader.bytes();
    else if (reader.type === IFA_BROADCAST) broadcast = reader.bytes();
    else if (reader.type === IFA_FLAGS) flags = reader.u32();
  }
  // On a point-to-point link IFA_ADDRESS is the other side's; IFA_LOCAL is always ours where it is given.
  const own = local ?? address;
  if (own === undefined || (own.length !== 4 && own.length !== 16)) return undefined;
  return {
    linkIndex: message.u32(4),
    family: familyOf(message.u8(0)),
    address: bytesToIp(own),
    prefixLength: message.u8(1),
    scope: scopeName(message.u8(3)),
    permanent: (flags & IFA_F_PERMANENT) !== 0,
    tentative: (flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) !== 0,
    noPrefixRoute: (flags & IFA_F_NOPREFIXROUTE) !== 0,
    ...(broadcast === undefined ? {} : { broadcast: bytesToIp(broadcast) }),
  };
}

function scopeName(code: number): AddressScope | number {
  if (code === 0) return 'global';
  if (code === 253) return 'link';
  if (code === 254) return 'host';
  return code === 200 ? 'site' : code;
}
