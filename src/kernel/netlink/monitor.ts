import { EventEmitter } from 'node:events';
import { isKernelError } from '../errno.ts';
import { type Address, RTM_DELADDR, RTM_NEWADDR, readAddress } from './address.ts';
import { AF_BRIDGE, AF_UNSPEC } from './ip.ts';
import { type Link, RTM_DELLINK, RTM_NEWLINK, readLink } from './link.ts';
import type { NetlinkMessage } from './message.ts';
import {
  type FdbEntry,
  type Neighbour,
  RTM_DELNEIGH,
  RTM_NEWNEIGH,
  readFdb,
  readNeighbour,
} from './neighbour.ts';
import { poller } from './poller.ts';
import { type Route, RTM_DELROUTE, RTM_NEWROUTE, readRoute } from './route.ts';
import { RTM_DELRULE, RTM_NEWRULE, type Rule, readRule } from './rule.ts';
import { NETLINK_ROUTE, NetlinkSocket } from './socket.ts';

// include/uapi/linux/rtnetlink.h, RTNLGRP_*; IPv4 and IPv6 have groups of their own.
const GROUPS = {
  link: [1],
  neighbour: [3],
  fdb: [3],
  address: [5, 9],
  route: [7, 11],
  rule: [8, 19],
} as const;

export type MonitorGroup = keyof typeof GROUPS;
/** `set`: made or changed; the kernel does not tell the two apart. */
export type MonitorAction = 'set' | 'delete';

export type RtnlEvent =
  | { readonly type: 'link'; readonly action: MonitorAction; readonly link: Link }
  | { readonly type: 'address'; readonly action: MonitorAction; readonly address: Address }
  | { readonly type: 'route'; readonly action: MonitorAction; readonly route: Route }
  | { readonly type: 'neighbour'; readonly action: MonitorAction; readonly neighbour: Neighbour }
  | { readonly type: 'fdb'; readonly action: MonitorAction; readonly entry: FdbEntry }
  | { readonly type: 'rule'; readonly action: MonitorAction; readonly rule: Rule }
  /** Events were lost: read the present state anew. */
  | { readonly type: 'overrun' };

export interface MonitorOptions {
  /** Path of the network namespace to watch; the caller's own when absent. */
  readonly netns?: string | undefined;
  readonly groups: readonly MonitorGroup[];
  /** The kernel's buffer for events not yet read, in bytes; default 4 MiB, some 5,000 events. */
  readonly bufferBytes?: number | undefined;
  /** Events that wait for a slow reader of the async iterator; default 10,000. */
  readonly queueLimit?: number | undefined;
}

const BUFFER = 4 * 1024 * 1024;
const QUEUE = 10_000;
/** Datagrams read in one turn of the event loop. */
const MOST = 500;

/**
 * What changes in a namespace, as it happens: `on('event', ...)`, or `for await (const event of monitor)`. Open it
 * *before* reading the state, so that nothing falls between the two. Nothing is lost silently: when the kernel's
 * buffer or the iterator's queue was too small there is an `overrun` event. The process lives until `close`.
 */
export class RtnlMonitor extends EventEmitter<{ event: [RtnlEvent]; close: [] }> {
  readonly #socket: NetlinkSocket;
  readonly #groups: ReadonlySet<MonitorGroup>;
  readonly #queueLimit: number;
  readonly #queues = new Set<Queue>();
  #closed = false;
  /** Events were lost and what still waits is of no use. */
  #overrun = false;

  private constructor(socket: NetlinkSocket, options: MonitorOptions) {
    super();
    this.#socket = socket;
    this.#groups = new Set(options.groups);
    this.#queueLimit = options.queueLimit ?? QUEUE;
  }

  static open(options: MonitorOptions): RtnlMonitor {
    const socket = NetlinkSocket.open(NETLINK_ROUTE, { netns: options.netns });
    try {
      socket.setReceiveLimit(options.bufferBytes ?? BUFFER);
      for (const group of new Set(options.groups.flatMap((name) => [...GROUPS[name]]))) socket.join(group);
    } catch (error) {
      socket.close();
      throw error;
    }
    const monitor = new RtnlMonitor(socket, options);
    poller.add(socket.fd, () => monitor.#read());
    return monitor;
  }

  /** Ends all iterators, after what they have not read yet. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    poller.remove(this.#socket.fd);
    this.#socket.close();
    for (const queue of this.#queues) queue.end();
    this.#queues.clear();
    this.emit('close');
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Gives the events from now on; each iterator gets all. */
  [Symbol.asyncIterator](): AsyncIterableIterator<RtnlEvent> {
    const queue = new Queue(this.#queueLimit, () => this.#queues.delete(queue));
    if (this.#closed) queue.end();
    else this.#queues.add(queue);
    return queue;
  }

  #read(): void {
    try {
      const empty = this.#socket.receive((message) => {
        if (this.#overrun || this.#closed) return;
        const event = this.#decode(message);
        if (event) this.#publish(event);
      }, MOST);
      if (!empty || !this.#overrun) return;
      // Only now: until its buffer was empty the kernel dropped everything, so that a state read before this
      // could be out of date without a word.
      this.#overrun = false;
      this.#publish({ type: 'overrun' });
    } catch (error) {
      if (!isKernelError(error, 'ENOBUFS')) throw error;
      this.#overrun = true;
    }
  }

  #publish(event: RtnlEvent): void {
    for (const queue of this.#queues) queue.push(event);
    try {
      this.emit('event', event);
    } catch (error) {
      // A listener's fault must not cost the others the events that follow; it is thrown where nobody catches it.
      queueMicrotask(() => {
        throw error;
      });
    }
  }

  #decode(message: NetlinkMessage): RtnlEvent | undefined {
    switch (message.type) {
      case RTM_NEWLINK:
      case RTM_DELLINK:
        // A bridge reports its ports' coming and going as links too, under its own family.
        if (message.u8(0) !== AF_UNSPEC) return undefined;
        return { type: 'link', action: action(message.type, RTM_NEWLINK), link: readLink(message) };
      case RTM_NEWADDR:
      case RTM_DELADDR: {
        const address = readAddress(message);
        return address && { type: 'address', action: action(message.type, RTM_NEWADDR), address };
      }
      case RTM_NEWROUTE:
      case RTM_DELROUTE:
        return { type: 'route', action: action(message.type, RTM_NEWROUTE), route: readRoute(message) };
      case RTM_NEWNEIGH:
      case RTM_DELNEIGH:
        return this.#decodeNeighbour(message);
      case RTM_NEWRULE:
      case RTM_DELRULE: {
        const rule = readRule(message);
        return rule && { type: 'rule', action: action(message.type, RTM_NEWRULE), rule };
      }
    }
    return undefined;
  }

  #decodeNeighbour(message: NetlinkMessage): RtnlEvent | undefined {
    const what = action(message.type, RTM_NEWNEIGH);
    if (message.u8(0) === AF_BRIDGE) {
      const entry = this.#groups.has('fdb') ? readFdb(message) : undefined;
      return entry && { type: 'fdb', action: what, entry };
    }
    const neighbour = this.#groups.has('neighbour') ? readNeighbour(message) : undefined;
    return neighbour && { type: 'neighbour', action: what, neighbour };
  }
}

function action(type: number, set: number): MonitorAction {
  return type === set ? 'set' : 'delete';
}

/** The events that one reader has not taken yet. */
class Queue implements AsyncIterableIterator<RtnlEvent> {
  readonly #limit: number;
  readonly #onReturn: () => void;
  #events: RtnlEvent[] = [];
  #waiting: ((result: IteratorResult<RtnlEvent>) => void)[] = [];
  #ended = false;

  constructor(limit: number, onReturn: () => void) {
    this.#limit = limit;
    this.#onReturn = onReturn;
  }

  push(event: RtnlEvent): void {
    const reader = this.#waiting.shift();
    if (reader) reader({ value: event, done: false });
    else if (this.#events.length < this.#limit) this.#events.push(event);
    else this.#events = [{ type: 'overrun' }];
  }

  end(): void {
    this.#ended = true;
    for (const reader of this.#waiting) reader({ value: undefined, done: true });
    this.#waiting = [];
  }

  next(): Promise<IteratorResult<RtnlEvent>> {
    const event = this.#events.shift();
    if (event) return Promise.resolve({ value: event, done: false });
    if (this.#ended) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  return(): Promise<IteratorResult<RtnlEvent>> {
    this.#onReturn();
    this.end();
    this.#events = [];
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
