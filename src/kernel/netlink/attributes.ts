import { endianness } from 'node:os';

/**
 * Netlink messages as bytes: a writer that packs many messages into one datagram and a reader of their
 * attributes. Netlink speaks the host's byte order; only little-endian hosts (x86-64, arm64) are supported.
 * Layouts: include/uapi/linux/netlink.h.
 */
if (endianness() !== 'LE') throw new Error('Flyover supports little-endian machines only (x86-64, arm64)');

export {
  HEADER_LENGTH,
  NLA_F_NESTED,
  NLM_F_ACK,
  NLM_F_APPEND,
  NLM_F_BULK,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLM_F_ECHO,
  NLM_F_EXCL,
  NLM_F_MULTI,
  NLM_F_REPLACE,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSG_NOOP,
} from './constants.ts';
export { AttributeReader } from './reader.ts';
export { MessageWriter } from './writer.ts';
