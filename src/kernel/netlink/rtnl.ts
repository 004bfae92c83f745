import { isKernelError } from '../errno.ts';
import * as libc from '../libc.ts';
import { type Address, type AddressFilter, readAddress, writeGetAddresses } from './address.ts';
import { MessageWriter } from './attributes.ts';
import { Batch } from './batch.ts';
import { type Family, familyCode } from './ip.ts';
import {
  IFLA_EXT_MASK,
  IFLA_IFNAME,
  type Link,
  type LinkChange,
  type LinkStats,
  RTEXT_FILTER_SKIP_STATS,
  RTM_GETLINK,
  readLink,
  readLinkStats,
} from './link.ts';
import { linkHeader, writeGetStats } from './link-write.ts';
import { type Exchange, kernelError, type NetlinkMessage } from './message.ts';
import {
  type FdbEntry,
  type Neighbour,
  type NeighbourFilter,
  readFdb,
  readNeighbour,
  writeGetFdb,
  writeGetNeighbours,
} from './neighbour.ts';
import { readNsid, writeGetNsid } from './netnsid.ts';
import { type DeleteOptions, type LinkRef, Operations } from './operations.ts';
import { LinkReaper } from './reaper.ts';
import {
  type Route,
  type RouteFilter,
  type RouteLookup,
  readRoute,
  writeGetRoutes,
  writeLookup,
} from './route.ts';
import { type Rule, readRule, writeGetRules } from './rule.ts';
import { NETLINK_ROUTE, NetlinkSocket } from './socket.ts';

const ENODEV = 19;

export interface RtnlOptions {
  /** Path of the network namespace to work in, for the life of the object; the caller's own when absent. */
  readonly netns?: string | undefined;
}

export interface LinkFilter {
  readonly kind?: string | undefined;
  readonly group?: number | undefined;
  /** The bridge whose ports are wanted. */
  readonly master?: LinkRef | undefined;
}

/**
 * Links, addresses, routes, neighbours and rules of one network namespace, through rtnetlink. All calls are
 * synchronous (10..50 us each, deletions of links excepted) and see the kernel's present state: nothing is
 * remembered between them. Refusals are {@link KernelError}s, malformed arguments RangeErrors.
 */
export class Rtnl extends Operations {
  readonly #socket: NetlinkSocket;
  readonly #query = new MessageWriter(512);
  #batch: Batch | undefined;
  #reaper: LinkReaper | undefined;

  private constructor(socket: NetlinkSocket, netns: string | undefined) {
    super(netns);
    this.#socket = socket;
  }

  static open(options: RtnlOptions = {}): Rtnl {
    const { netns } = options;
    return new Rtnl(NetlinkSocket.open(NETLINK_ROUTE, { netns, strict: true }), netns);
  }

  /** Deletions that run in the background are finished all the same. */
  close(): void {
    this.#socket.close();
    this.#reaper?.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * Several changes in one datagram: one system call, no other sender's change in between. They are *not*
   * all or nothing: those behind a refused one are still made, then the first refusal is thrown. A link that
   * the batch itself makes has no index yet, so routes, addresses and neighbours cannot name it.
   */
  batch(body: (batch: Operations) => void): void {
    this.#batch ??= new Batch({
      netns: this.netns,
      find: (name) => this.find(name),
      exchange: this.#exchange,
      amend: (netns, name, change) => this.amend(netns, name, change),
    });
    this.#batch.collect(body);
  }

  links(filter: LinkFilter = {}): Link[] {
    const { kind, group } = filter;
    const master = filter.master === undefined ? undefined : this.index(filter.master);
    const read = (message: NetlinkMessage): Link | undefined => {
      const link = readLink(message);
      if (kind !== undefined && link.kind !== kind) return undefined;
      if (group !== undefined && link.group !== group) return undefined;
      return master === undefined || link.master === master ? link : undefined;
    };
    linkHeader(this.#query.reset(), RTM_GETLINK, 0, 0);
    return this.#dump(read, 'list links', 'of all kinds');
  }

  link(link: LinkRef): Link | undefined {
    const message = this.#getLink(link, 0);
    return message && readLink(message);
  }

  /** The index of the link called `name`, or undefined. */
  linkIndex(name: string): number | undefined {
    return this.find(name);
  }

  /** The counters of all links, by index: much less work than {@link links}. */
  stats(): Map<number, LinkStats> {
    writeGetStats(this.#query.reset());
    return new Map(this.#dump(readLinkStats, 'list', 'link statistics'));
  }

  /** Deletes a link on the thread pool; several at a time go together. See {@link deleteLink}. */
  async deleteLinkAsync(link: LinkRef, options?: DeleteOptions): Promise<void> {
    this.#reaper ??= new LinkReaper(this.netns);
    try {
      await this.#reaper.delete(link);
    } catch (error) {
      if (options?.ifMissing !== 'ignore' || !isKernelError(error, 'ENODEV')) throw error;
    }
  }

  /** The addresses of one link, or of all. */
  addresses(link?: LinkRef, filter: AddressFilter = {}): Address[] {
    const index = link === undefined ? 0 : this.index(link);
    writeGetAddresses(this.#query.reset(), filter.family, index);
    return this.#dump(readAddress, 'list addresses', link === undefined ? 'of all links' : `of ${link}`);
  }

  /** The routes of one table (main when none is said) or of all; both families unless told otherwise. */
  routes(filter: RouteFilter = {}): Route[] {
    const index = filter.dev === undefined ? undefined : this.index(filter.dev);
    const families: Family[] = filter.family === undefined ? [4, 6] : [filter.family];
    return families.flatMap((family) => {
      writeGetRoutes(this.#query.reset(), family, filter, index);
      // A family that the kernel lacks would answer with all others.
      const read = (message: NetlinkMessage): Route | undefined =>
        message.u8(0) === familyCode(family) ? readRoute(message) : undefined;
      try {
        return this.#dump(read, 'list routes', `of table ${filter.table ?? 'main'}`);
      } catch (error) {
        // A table exists from its first route on.
        if (isKernelError(error, 'ENOENT')) return [];
        throw error;
      }
    });
  }

  /** The route that a packet to `address` takes. @throws KernelError ENETUNREACH, EHOSTUNREACH, EACCES, EINVAL. */
  routeTo(address: string, lookup: RouteLookup = {}): Route {
    writeLookup(this.#query.reset(), address, lookup, (link) => this.index(link));
    const replies = this.#socket.request(this.#query, 'find route', this.place(`to ${address}`));
    return readRoute(replies[0]!);
  }

  neighbours(filter: NeighbourFilter = {}): Neighbour[] {
    const index = filter.dev === undefined ? undefined : this.index(filter.dev);
    writeGetNeighbours(this.#query.reset(), filter, index);
    return this.#dump(readNeighbour, 'list', 'neighbours');
  }

  /** The forwarding entries of vxlan links and bridges. */
  fdb(filter: { readonly dev?: LinkRef | undefined } = {}): FdbEntry[] {
    const index = filter.dev === undefined ? undefined : this.index(filter.dev);
    writeGetFdb(this.#query.reset());
    const read = (message: NetlinkMessage): FdbEntry | undefined =>
      index === undefined || message.u32(4) === index ? readFdb(message) : undefined;
    return this.#dump(read, 'list', 'forwarding entries');
  }

  rules(filter: { readonly family?: Family | undefined } = {}): Rule[] {
    const families: Family[] = filter.family === undefined ? [4, 6] : [filter.family];
    return families.flatMap((family) => {
      writeGetRules(this.#query.reset(), family);
      const read = (message: NetlinkMessage): Rule | undefined =>
        message.u8(0) === familyCode(family) ? readRule(message) : undefined;
      return this.#dump(read, 'list', 'rules');
    });
  }

  /**
   * By which number this namespace knows the one at `path`: what {@link Link.peerNetnsId} holds for a veth whose
   * other end is there. Undefined when no link leads there.
   */
  netnsId(path: string): number | undefined {
    const fd = libc.open(path);
    try {
      writeGetNsid(this.#query.reset(), fd);
      const replies = this.#socket.request(this.#query, 'find namespace', this.place(path));
      return replies[0] && readNsid(replies[0]);
    } finally {
      libc.close(fd);
    }
  }

  protected override find(name: string): number | undefined {
    return this.#getLink(name, RTEXT_FILTER_SKIP_STATS)?.s32(4);
  }

  protected override get collecting(): boolean {
    return false;
  }

  protected override done(): void {
    this.flush(this.#exchange);
  }

  protected override amend(netns: string | undefined, name: string, change: LinkChange): void {
    if (netns === undefined || netns === this.netns) {
      this.setLink(name, change);
      return;
    }
    using other = Rtnl.open({ netns });
    other.setLink(name, change);
  }

  readonly #exchange = (writer: MessageWriter): Exchange => this.#socket.exchange(writer);

  #getLink(link: LinkRef, extMask: number): NetlinkMessage | undefined {
    const writer = this.#query.reset();
    linkHeader(writer, RTM_GETLINK, 0, typeof link === 'number' ? link : 0);
    if (typeof link === 'string') writer.attrString(IFLA_IFNAME, link);
    if (extMask !== 0) writer.attrU32(IFLA_EXT_MASK, extMask);
    const { errors, replies } = this.#socket.exchange(writer);
    if (errors[0] && errors[0].errno !== ENODEV) throw kernelError(errors[0], 'find link', this.place(link));
    return replies[0];
  }

  #dump<T>(read: (message: NetlinkMessage) => T | undefined, operation: string, object: string): T[] {
    return this.#socket.dump(this.#query, read, operation, this.place(object));
  }
}
