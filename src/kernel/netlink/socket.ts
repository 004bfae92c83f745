import { KernelError } from '../errno.ts';
import * as libc from '../libc.ts';
import { inNamespace } from '../netns.ts';
import {
  HEADER_LENGTH,
  type MessageWriter,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLM_F_MULTI,
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSG_NOOP,
} from './attributes.ts';
import { type Exchange, kernelError, type MessageError, NetlinkMessage, readError } from './message.ts';

export { type Exchange, kernelError, type MessageError, NetlinkMessage } from './message.ts';

export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;

const NETLINK_ADD_MEMBERSHIP = 1;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const NETLINK_GET_STRICT_CHK = 12;
const SOL_SOCKET = 1;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const MSG_TRUNC = 0x20;
const MSG_PEEK = 0x02;
const EINTR = 4;
const EMSGSIZE = 90;
const ETIMEDOUT = 110;

/** Dumps are cut by the kernel to the reader's buffer, up to 32 KiB; single messages may be longer. */
const FIRST_BUFFER = 64 * 1024;
/** What the kernel charges to the receive buffer for one acknowledgement, generously. */
const ACK_CHARGE = 2048;
const FIRST_RECEIVE_LIMIT = 1024 * 1024;
const DUMP_TRIES = 32;
const ANSWER_TIMEOUT_MS = 10_000;

export interface OpenOptions {
  /** Path of the network namespace to which the socket is bound for its life; the caller's own when absent. */
  netns?: string | undefined;
  /** Lets the kernel filter dumps by the request's fields (rtnetlink only). */
  strict?: boolean | undefined;
}

/**
 * A netlink socket. The kernel works off a request inside `send`, so requests are plain synchronous calls: when
 * `send` returns, the answers are waiting. Not for use by two callers at once; it is cheap, open another one.
 */
export class NetlinkSocket {
  /** The namespace's path, for messages; undefined for the one it was opened in. */
  readonly netns: string | undefined;
  readonly #name: string;
  #fd: number;
  #sequence = 1;
  #bytes: Buffer = Buffer.alloc(0);
  #view: DataView = new DataView(new ArrayBuffer(0));
  #sendLimit = 200 * 1024;
  #receiveLimit = FIRST_RECEIVE_LIMIT;

  private constructor(fd: number, name: string, netns: string | undefined) {
    this.#fd = fd;
    this.#name = name;
    this.netns = netns;
    this.#growBuffer(FIRST_BUFFER);
  }

  /**
   * Opens a socket of a netlink protocol (NETLINK_ROUTE, NETLINK_NETFILTER) in `netns`.
   *
   * @throws KernelError when the namespace cannot be entered or the kernel lacks the protocol.
   */
  static open(protocol: number, options: OpenOptions = {}): NetlinkSocket {
    const { netns } = options;
    const make = (): number => libc.socket(libc.AF_NETLINK, libc.SOCK_RAW | libc.SOCK_CLOEXEC, protocol);
    const name = `netlink ${protocol}${netns === undefined ? '' : ` in ${netns}`}`;
    const fd = netns === undefined ? make() : inNamespace(netns, make);
    try {
      const address = Buffer.alloc(12);
      address.writeUInt16LE(libc.AF_NETLINK, 0);
      libc.bind(fd, address, name);
      libc.setsockopt(fd, libc.SOL_NETLINK, NETLINK_EXT_ACK, 1, name);
      libc.setsockopt(fd, libc.SOL_NETLINK, NETLINK_CAP_ACK, 1, name);
      if (options.strict) libc.setsockopt(fd, libc.SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1, name);
      libc.setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, FIRST_RECEIVE_LIMIT, name);
    } catch (error) {
      libc.close(fd);
      throw error;
    }
    return new NetlinkSocket(fd, name, netns);
  }

  /** The file descriptor, for polling; the socket keeps owning it. */
  get fd(): number {
    return this.#fd;
  }

  /**
   * Sends all messages in one datagram and collects the answers. Messages with NLM_F_ACK are waited for; a
   * refusal is collected in any case. The kernel works off all messages of the datagram also when one fails
   * (rtnetlink), or none (an nfnetlink batch).
   *
   * @throws KernelError when sending fails, ETIMEDOUT when an answer is missing, ENOBUFS when answers were lost.
   */
  exchange(writer: MessageWriter): Exchange {
    const first = this.#send(writer);
    return this.#collect(writer, first);
  }

  /** Like {@link exchange}, with the kernel's work on the thread pool. Use the socket for nothing else meanwhile. */
  async exchangeAsync(writer: MessageWriter): Promise<Exchange> {
    const first = this.#reserve(writer.count);
    const datagram = writer.finish(first);
    this.#prepare(datagram.length, writer.count);
    await libc.sendAsync(this.#fd, datagram, this.#name);
    return this.#collect(writer, first);
  }

  /** {@link exchange} that throws the first refusal as a KernelError of `operation` on `object`. */
  request(writer: MessageWriter, operation: string, object: string): NetlinkMessage[] {
    const { errors, replies } = this.exchange(writer);
    if (errors.length > 0) throw kernelError(errors[0]!, operation, object);
    return replies;
  }

  /**
   * Asks for a dump: `writer` holds one message; NLM_F_DUMP is added. `decode` turns every message into a value
   * or undefined (left out); the message it is given is valid only during the call. A dump which the kernel
   * reports as torn by a concurrent change is taken again from the beginning.
   *
   * @throws KernelError EINTR when it was torn 32 times in a row.
   */
  dump<T>(
    writer: MessageWriter,
    decode: (message: NetlinkMessage) => T | undefined,
    operation: string,
    object: string,
  ): T[] {
    writer.addFlags(0, NLM_F_DUMP);
    for (let tries = 0; tries < DUMP_TRIES; tries++) {
      const first = this.#send(writer);
      const result = this.#collectDump(first, decode, operation, object);
      if (result) return result;
    }
    throw new KernelError(operation, object, EINTR, 'the table changed during each of 32 readings');
  }

  /** Joins a multicast group; events are then read with {@link receive}. */
  join(group: number): void {
    libc.setsockopt(this.#fd, libc.SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group, this.#name);
  }

  /** Sets the kernel's receive buffer in bytes (not bounded by net.core.rmem_max). */
  setReceiveLimit(bytes: number): void {
    libc.setsockopt(this.#fd, SOL_SOCKET, SO_RCVBUFFORCE, bytes, this.#name);
    this.#receiveLimit = bytes;
  }

  /**
   * Reads the datagrams that wait now, `most` of them at the most, and gives each message to `each`, whatever its
   * sequence number. Returns whether all were read.
   *
   * @throws KernelError ENOBUFS when the kernel dropped messages. It goes on dropping, without a further word,
   *   until all that wait are read.
   */
  receive(each: (message: NetlinkMessage) => void, most: number): boolean {
    for (let datagrams = 0; datagrams < most; datagrams++) {
      // `each` may have closed the socket.
      const got = this.#fd < 0 ? -1 : this.#receive(false);
      if (got < 0) return true;
      for (let at = 0; at + HEADER_LENGTH <= got; ) {
        const length = this.#messageLength(at, got);
        each(new NetlinkMessage(this.#bytes, this.#view, at, at + length, 0));
        at += (length + 3) & ~3;
      }
    }
    return false;
  }

  close(): void {
    if (this.#fd < 0) return;
    libc.close(this.#fd);
    this.#fd = -1;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #send(writer: MessageWriter): number {
    const first = this.#reserve(writer.count);
    const datagram = writer.finish(first);
    this.#prepare(datagram.length, writer.count);
    libc.send(this.#fd, datagram, this.#name);
    return first;
  }

  /** Sequence numbers for `count` messages; 0 is left to the kernel's own events. */
  #reserve(count: number): number {
    if (this.#fd < 0) throw new KernelError('send', this.#name, 9, 'the socket is closed');
    if (this.#sequence + count > 0xffffffff) this.#sequence = 1;
    const first = this.#sequence;
    this.#sequence += count;
    return first;
  }

  /** Makes room in the kernel for a datagram of `bytes` and for `count` answers. */
  #prepare(bytes: number, count: number): void {
    if (bytes > this.#sendLimit - 1024) {
      if (bytes > 1_000_000_000) throw new KernelError('send', this.#name, EMSGSIZE, `${bytes} bytes`);
      libc.setsockopt(this.#fd, SOL_SOCKET, SO_SNDBUFFORCE, bytes + 1024, this.#name);
      this.#sendLimit = bytes + 1024;
    }
    const answers = Math.min(count * ACK_CHARGE, 1_000_000_000);
    if (answers > this.#receiveLimit) this.setReceiveLimit(answers);
  }

  #collect(writer: MessageWriter, first: number): Exchange {
    const errors: MessageError[] = [];
    const replies: NetlinkMessage[] = [];
    const count = writer.count;
    let waiting = 0;
    for (let i = 0; i < count; i++) if (writer.flags(i) & NLM_F_ACK) waiting++;
    const drain = waiting === 0;
    while (drain || waiting > 0) {
      const got = this.#receive(!drain && errors.length === 0);
      // Nothing more although something was waited for: a batch was refused as a whole.
      if (got < 0) break;
      for (let at = 0; at + HEADER_LENGTH <= got; ) {
        const length = this.#messageLength(at, got);
        const index = (this.#view.getUint32(at + 8, true) - first) >>> 0;
        // An answer to an earlier request that threw before it was read to the end has a foreign number.
        if (index < count) {
          const type = this.#view.getUint16(at + 4, true);
          if (type === NLMSG_ERROR) {
            const error = readError(this.#bytes, this.#view, at, length, index);
            if (error) errors.push(error);
            if (writer.flags(index) & NLM_F_ACK) waiting--;
          } else if (type !== NLMSG_NOOP && type !== NLMSG_DONE) {
            replies.push(new NetlinkMessage(this.#bytes, this.#view, at, at + length, index).copy());
          }
        }
        at += (length + 3) & ~3;
      }
    }
    return { errors, replies };
  }

  /** The dump's values, or undefined when it was torn. */
  #collectDump<T>(
    first: number,
    decode: (message: NetlinkMessage) => T | undefined,
    operation: string,
    object: string,
  ): T[] | undefined {
    const values: T[] = [];
    let torn = false;
    for (;;) {
      const got = this.#receive(true);
      for (let at = 0; at + HEADER_LENGTH <= got; ) {
        const length = this.#messageLength(at, got);
        if (this.#view.getUint32(at + 8, true) === first) {
          const type = this.#view.getUint16(at + 4, true);
          const flags = this.#view.getUint16(at + 6, true);
          if (flags & NLM_F_DUMP_INTR) torn = true;
          if (type === NLMSG_ERROR) {
            const error = readError(this.#bytes, this.#view, at, length, 0);
            if (error) throw kernelError(error, operation, object);
            return values;
          }
          if (type === NLMSG_DONE) {
            const error =
              length >= HEADER_LENGTH + 4 ? readError(this.#bytes, this.#view, at, length, 0) : undefined;
            if (error && error.errno !== EINTR) throw kernelError(error, operation, object);
            return torn || error ? undefined : values;
          }
          if (!torn && type !== NLMSG_NOOP) {
            const value = decode(new NetlinkMessage(this.#bytes, this.#view, at, at + length, 0));
            if (value !== undefined) values.push(value);
          }
          if ((flags & NLM_F_MULTI) === 0 && type !== NLMSG_NOOP) return torn ? undefined : values;
        }
        at += (length + 3) & ~3;
      }
    }
  }

  #messageLength(at: number, got: number): number {
    const length = this.#view.getUint32(at, true);
    if (length < HEADER_LENGTH || at + length > got)
      throw new KernelError('receive', this.#name, 74, `a message of ${length} bytes in ${got - at}`);
    return length;
  }

  /** Reads one datagram whole; -1 when none waits (`wait`: only when none came in ten seconds, as an error). */
  #receive(wait: boolean): number {
    for (;;) {
      // Looking first costs one more cheap call and makes sure that no datagram is ever cut.
      const size = libc.recv(this.#fd, this.#bytes, MSG_PEEK | MSG_TRUNC | libc.MSG_DONTWAIT, this.#name);
      if (size > this.#bytes.length) {
        this.#growBuffer(size);
        continue;
      }
      if (size >= 0) return libc.recv(this.#fd, this.#bytes, libc.MSG_DONTWAIT, this.#name);
      if (!wait) return -1;
      if (!libc.pollReadable(this.#fd, ANSWER_TIMEOUT_MS))
        throw new KernelError('receive', this.#name, ETIMEDOUT, 'no answer in 10 seconds');
    }
  }

  #growBuffer(size: number): void {
    const length = (Math.max(size, FIRST_BUFFER) + 4095) & ~4095;
    this.#bytes = Buffer.alloc(length);
    this.#view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, length);
  }
}
