// Of netlink itself: include/uapi/linux/netlink.h

/** Length of `struct nlmsghdr`. */
export const HEADER_LENGTH = 16;
/** Flag in an attribute's type: its payload is attributes. */
export const NLA_F_NESTED = 0x8000;
/** What is left of an attribute's type without its flags. */
export const TYPE_MASK = 0x3fff;
/** Longest attribute in bytes, its own header of four included. */
export const MAX_ATTRIBUTE = 0xffff;

export const NLM_F_REQUEST = 0x1;
export const NLM_F_MULTI = 0x2;
export const NLM_F_ACK = 0x4;
export const NLM_F_ECHO = 0x8;
export const NLM_F_DUMP_INTR = 0x10;
/** For NEW requests. */
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
export const NLM_F_APPEND = 0x800;
/** For GET requests (NLM_F_ROOT | NLM_F_MATCH). */
export const NLM_F_DUMP = 0x300;
/** For DELETE requests. */
export const NLM_F_BULK = 0x200;

export const NLMSG_NOOP = 1;
export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;
