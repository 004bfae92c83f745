import { KernelError } from '../errno.ts';
import * as libc from '../libc.ts';
import { type AddressSpec, RTM_DELADDR, RTM_NEWADDR, writeAddress } from './address.ts';
import { MessageWriter, NLM_F_ACK } from './attributes.ts';
import {
  type BridgeOptions,
  IFLA_GROUP,
  IFLA_IFNAME,
  type LinkChange,
  RTM_DELLINK,
  type VethEnd,
  type VethOptions,
  type VxlanOptions,
} from './link.ts';
import { linkHeader, writeBridge, writeSetLink, writeVeth, writeVxlan } from './link-write.ts';
import type { Exchange } from './message.ts';
import {
  type FdbSpec,
  type NeighbourSpec,
  RTM_DELNEIGH,
  RTM_NEWNEIGH,
  writeFdb,
  writeNeighbour,
} from './neighbour.ts';
import { type RouteSpec, type RouteVerb, writeRoute } from './route.ts';
import { RTM_DELRULE, RTM_NEWRULE, type RuleSpec, writeRule } from './rule.ts';

/** A link's name or index. */
export type LinkRef = string | number;

export interface AddOptions {
  /** `ignore`: something of the same identity is left as it is, without a comparison. Default: throw EEXIST. */
  readonly ifExists?: 'ignore' | 'fail' | undefined;
}

export interface DeleteOptions {
  /** `ignore`: nothing there is success. Default: throw what the kernel says (ENODEV, ESRCH, ENOENT, ...). */
  readonly ifMissing?: 'ignore' | 'fail' | undefined;
}

const NONE: readonly number[] = [];
const EXISTS: readonly number[] = [17];
// ENOENT, ESRCH, ENODEV, EADDRNOTAVAIL: each table of the kernel has its own way to say "not here".
const MISSING: readonly number[] = [2, 3, 19, 99];
const ENODEV = 19;

interface Pending {
  operation: string;
  object: string;
  ignore: readonly number[];
  /** What follows when the kernel has accepted it. */
  after: (() => void)[] | undefined;
}

/**
 * The changes that rtnetlink can make. A message is written for each; whether it is sent at once ({@link Rtnl})
 * or with others (its `batch`) is the subclass's business.
 */
export abstract class Operations {
  /** Path of the namespace in which this works; undefined: the caller's own. */
  readonly netns: string | undefined;
  protected readonly writer = new MessageWriter();
  readonly #pending: Pending[] = [];
  readonly #fds: number[] = [];

  constructor(netns: string | undefined) {
    this.netns = netns;
  }

  /** The index of a link, or undefined when there is none of that name. */
  protected abstract find(name: string): number | undefined;
  /** Called when a message is complete. */
  protected abstract done(): void;

  /**
   * Makes a pair of virtual Ethernet links, each end straight in its namespace. Both are down afterwards.
   *
   * @throws KernelError EEXIST when either name is taken in its namespace.
   */
  createVeth(veth: VethOptions, options?: AddOptions): void {
    this.#begin();
    const fd = this.#namespaceFd(veth.netns);
    const peerFd = this.#namespaceFd(veth.peer.netns);
    writeVeth(this.writer, veth, fd, peerFd);
    const ignore = options?.ifExists === 'ignore' ? EXISTS : NONE;
    this.#add('create link', `veth ${veth.name}`, ignore, this.#aliases(veth, veth.peer));
  }

  createVxlan(vxlan: VxlanOptions, options?: AddOptions): void {
    this.#begin();
    const dev = vxlan.dev === undefined ? undefined : this.index(vxlan.dev);
    writeVxlan(this.writer, vxlan, dev);
    const ignore = options?.ifExists === 'ignore' ? EXISTS : NONE;
    this.#add('create link', `vxlan ${vxlan.name}`, ignore, this.#aliases(vxlan));
  }

  createBridge(bridge: BridgeOptions, options?: AddOptions): void {
    this.#begin();
    const ignore = options?.ifExists === 'ignore' ? EXISTS : NONE;
    const { name, alias, mtu } = bridge;
    // A bridge's MTU follows its ports' unless it was changed after creation, and from something else.
    writeBridge(this.writer, { ...bridge, mtu: mtu === 1500 ? 1499 : undefined });
    const after = (): void => this.amend(undefined, name, { alias, mtu });
    const amended = alias !== undefined || mtu !== undefined ? [after] : undefined;
    this.#add('create link', `bridge ${name}`, ignore, amended);
  }

  /** Changes what `change` names and nothing else. A missing link throws ENODEV. */
  setLink(link: LinkRef, change: LinkChange): void {
    this.#begin();
    // Only a rename needs the index; everything else the kernel finds by name in the same call.
    const index = typeof link === 'number' || change.name !== undefined ? this.index(link) : 0;
    const { master } = change;
    const masterIndex = master === undefined ? undefined : master === null ? 0 : this.index(master);
    const name = typeof link === 'string' ? link : undefined;
    writeSetLink(this.writer, index, name, change, masterIndex, this.#namespaceFd(change.netns));
    this.#add('set link', String(link), NONE);
  }

  /** Deletes a link (of a veth: both ends). The kernel takes 14..25 ms for it, in which this thread waits. */
  deleteLink(link: LinkRef, options?: DeleteOptions): void {
    this.#begin();
    writeDeleteLink(this.writer, link);
    this.#add('delete link', String(link), options?.ifMissing === 'ignore' ? MISSING : NONE);
  }

  /**
   * Deletes all links of a group at once: 500 veths in a quarter of a second. No link in it throws ENODEV.
   *
   * @throws RangeError for group 0, which holds every link that was not put elsewhere.
   */
  deleteGroup(group: number, options?: DeleteOptions): void {
    this.#begin();
    writeDeleteGroup(this.writer, group);
    this.#add('delete link group', String(group), options?.ifMissing === 'ignore' ? MISSING : NONE);
  }

  addAddress(link: LinkRef, address: AddressSpec, options?: AddOptions): void {
    this.#begin();
    writeAddress(this.writer, RTM_NEWADDR, this.index(link), address);
    const object = `${address.address}/${address.prefixLength} on ${link}`;
    this.#add('add address', object, options?.ifExists === 'ignore' ? EXISTS : NONE);
  }

  deleteAddress(
    link: LinkRef,
    address: Pick<AddressSpec, 'address' | 'prefixLength'>,
    options?: DeleteOptions,
  ): void {
    this.#begin();
    const index = this.#indexToDelete(link, options);
    if (index === undefined) return;
    writeAddress(this.writer, RTM_DELADDR, index, address);
    const object = `${address.address}/${address.prefixLength} on ${link}`;
    this.#add('delete address', object, options?.ifMissing === 'ignore' ? MISSING : NONE);
  }

  /** @throws KernelError EEXIST when there is a route to `dst` of the same metric (and table). */
  addRoute(route: RouteSpec, options?: AddOptions): void {
    this.#route('add', route, options?.ifExists === 'ignore' ? EXISTS : NONE);
  }

  /** Adds a route or puts it in place of the one with the same `dst`, metric and table. */
  replaceRoute(route: RouteSpec): void {
    this.#route('replace', route, NONE);
  }

  /** Deletes the first route that has all that `route` says. */
  deleteRoute(route: RouteSpec, options?: DeleteOptions): void {
    if (route.dev !== undefined && this.#indexToDelete(route.dev, options) === undefined) return;
    this.#route('delete', route, options?.ifMissing === 'ignore' ? MISSING : NONE);
  }

  /** Adds or replaces what the machine knows of a neighbour, or a proxy entry. */
  setNeighbour(neighbour: NeighbourSpec): void {
    this.#begin();
    writeNeighbour(this.writer, RTM_NEWNEIGH, neighbour, this.index(neighbour.dev));
    this.#add('set neighbour', `${neighbour.address} on ${neighbour.dev}`, NONE);
  }

  deleteNeighbour(
    neighbour: Pick<NeighbourSpec, 'dev' | 'address' | 'proxy'>,
    options?: DeleteOptions,
  ): void {
    this.#begin();
    const index = this.#indexToDelete(neighbour.dev, options);
    if (index === undefined) return;
    writeNeighbour(this.writer, RTM_DELNEIGH, neighbour, index);
    const object = `${neighbour.address} on ${neighbour.dev}`;
    this.#add('delete neighbour', object, options?.ifMissing === 'ignore' ? MISSING : NONE);
  }

  /** Adds or replaces (with `append`: adds one more destination to) a forwarding entry. */
  setFdb(entry: FdbSpec, options?: AddOptions): void {
    this.#begin();
    writeFdb(this.writer, RTM_NEWNEIGH, entry, this.index(entry.dev));
    const object = `${entry.mac} on ${entry.dev}`;
    this.#add('set forwarding entry', object, options?.ifExists === 'ignore' ? EXISTS : NONE);
  }

  deleteFdb(entry: Omit<FdbSpec, 'append'>, options?: DeleteOptions): void {
    this.#begin();
    const index = this.#indexToDelete(entry.dev, options);
    if (index === undefined) return;
    writeFdb(this.writer, RTM_DELNEIGH, entry, index);
    const object = `${entry.mac} on ${entry.dev}`;
    this.#add('delete forwarding entry', object, options?.ifMissing === 'ignore' ? MISSING : NONE);
  }

  /** @throws KernelError EEXIST when there is the very same rule. */
  addRule(rule: RuleSpec, options?: AddOptions): void {
    this.#begin();
    writeRule(this.writer, RTM_NEWRULE, rule);
    this.#add('add rule', describeRule(rule), options?.ifExists === 'ignore' ? EXISTS : NONE);
  }

  /** Deletes the first rule that has all that `rule` says. */
  deleteRule(rule: RuleSpec, options?: DeleteOptions): void {
    this.#begin();
    writeRule(this.writer, RTM_DELRULE, rule);
    this.#add('delete rule', describeRule(rule), options?.ifMissing === 'ignore' ? MISSING : NONE);
  }

  /** The index of a link. @throws KernelError ENODEV. */
  protected index(link: LinkRef): number {
    const index = typeof link === 'number' ? link : this.find(link);
    if (index === undefined) throw new KernelError('find link', this.place(link), ENODEV);
    return index;
  }

  /** `object` with the namespace it is in, for messages. */
  protected place(object: LinkRef): string {
    return this.netns === undefined ? String(object) : `${object} in ${this.netns}`;
  }

  /** Nothing written, nothing open: also after an operation that failed halfway. */
  protected clear(): void {
    this.writer.reset();
    for (const fd of this.#fds) libc.close(fd);
    this.#fds.length = 0;
    this.#pending.length = 0;
  }

  /** Sends what was written; throws the first refusal that its caller did not ask to ignore. */
  protected flush(exchange: (writer: MessageWriter) => Exchange): void {
    if (this.writer.count === 0) return;
    let result: Exchange;
    const pending = this.#pending.splice(0);
    try {
      result = exchange(this.writer);
    } finally {
      // What follows may be operations of its own.
      this.clear();
    }
    let refused: KernelError | undefined;
    for (const { index, errno, detail } of result.errors) {
      const { operation, object, ignore } = pending[index]!;
      pending[index]!.after = undefined;
      if (!ignore.includes(errno)) refused ??= new KernelError(operation, this.place(object), errno, detail);
    }
    for (const { after } of pending) if (after) for (const step of after) step();
    if (refused) throw refused;
  }

  /** Whether several operations share the writer, so that one may not start by clearing it. */
  protected abstract get collecting(): boolean;

  /** Changes a link just made, in another namespace or this one. */
  protected abstract amend(netns: string | undefined, name: string, change: LinkChange): void;

  #begin(): void {
    if (!this.collecting) this.clear();
  }

  #add(operation: string, object: string, ignore: readonly number[], after?: (() => void)[]): void {
    this.#pending.push({ operation, object, ignore, after });
    this.done();
  }

  #route(verb: RouteVerb, route: RouteSpec, ignore: readonly number[]): void {
    this.#begin();
    writeRoute(this.writer, verb, route, (link) => this.index(link));
    this.#add(`${verb} route`, describeRoute(route), ignore);
  }

  /**
   * The kernel takes no alias at creation. It is set only after success and not in the same datagram, where it
   * would hit an older link of the same name.
   */
  #aliases(...ends: VethEnd[]): (() => void)[] | undefined {
    let steps: (() => void)[] | undefined;
    for (const { alias, netns, name } of ends) {
      if (alias === undefined) continue;
      steps ??= [];
      steps.push(() => this.amend(netns, name, { alias }));
    }
    return steps;
  }

  #indexToDelete(link: LinkRef, options: DeleteOptions | undefined): number | undefined {
    if (options?.ifMissing !== 'ignore') return this.index(link);
    return typeof link === 'number' ? link : this.find(link);
  }

  #namespaceFd(path: string | undefined): number | undefined {
    if (path === undefined) return undefined;
    const fd = libc.open(path);
    this.#fds.push(fd);
    return fd;
  }
}

export function writeDeleteLink(writer: MessageWriter, link: LinkRef): void {
  linkHeader(writer, RTM_DELLINK, NLM_F_ACK, typeof link === 'number' ? link : 0);
  if (typeof link === 'string') writer.attrString(IFLA_IFNAME, link);
}

export function writeDeleteGroup(writer: MessageWriter, group: number): void {
  if (!Number.isInteger(group) || group < 1 || group > 0xffffffff)
    throw new RangeError(`link group ${group}: must be a whole number from 1; 0 is every other link`);
  linkHeader(writer, RTM_DELLINK, NLM_F_ACK, 0).attrU32(IFLA_GROUP, group);
}

function describeRoute(route: RouteSpec): string {
  const via = route.via === undefined ? '' : ` via ${route.via}`;
  const dev = route.dev === undefined ? '' : ` dev ${route.dev}`;
  const table = route.table === undefined ? '' : ` table ${route.table}`;
  return `${route.type === undefined ? '' : `${route.type} `}${route.dst}${via}${dev}${table}`;
}

function describeRule(rule: RuleSpec): string {
  const parts = Object.entries(rule).filter(([, value]) => value !== undefined);
  return parts.map(([key, value]) => `${key} ${value}`).join(' ');
}
