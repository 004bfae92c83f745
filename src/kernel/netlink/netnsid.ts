import type { MessageWriter } from './attributes.ts';
import type { NetlinkMessage } from './message.ts';

// include/uapi/linux/net_namespace.h
const RTM_GETNSID = 90;
const NETNSA_NSID = 1;
const NETNSA_FD = 3;
/** `struct rtgenmsg`, padded */
const RTGEN_LENGTH = 4;

/** Asks by which number this namespace knows the one behind `fd`. */
export function writeGetNsid(writer: MessageWriter, fd: number): void {
  writer.begin(RTM_GETNSID, 0).zero(RTGEN_LENGTH).attrU32(NETNSA_FD, fd);
}

/** The number, or undefined when none is assigned: no link leads there. */
export function readNsid(message: NetlinkMessage): number | undefined {
  const reader = message.attributes(RTGEN_LENGTH);
  while (reader.next()) {
    if (reader.type !== NETNSA_NSID) continue;
    const id = reader.s32();
    return id < 0 ? undefined : id;
  }
  return undefined;
}
