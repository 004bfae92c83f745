import { isKernelError, KernelError } from '../errno.ts';
import { MessageWriter } from './attributes.ts';
import { AF_UNSPEC } from './ip.ts';
import { RTM_DELLINK, readLink } from './link.ts';
import { writeSetLink } from './link-write.ts';
import type { MessageError, NetlinkMessage } from './message.ts';
import { type LinkRef, writeDeleteGroup, writeDeleteLink } from './operations.ts';
import { poller } from './poller.ts';
import { NETLINK_ROUTE, NetlinkSocket } from './socket.ts';

/** The groups into which links are put to be deleted together begin here: "FLYD", and one for each lane. */
export const REAPED_GROUP = 0x464c5944;
/** In one go; the kernel holds its network lock until they are out of its lists. */
const MOST = 256;
/** Deletions under way at once, each on a thread of the pool. */
const LANES = 3;
/** RTNLGRP_LINK, include/uapi/linux/rtnetlink.h. */
const LINK_EVENTS = 1;
const EVENTS_A_TURN = 500;

interface Victim {
  link: LinkRef;
  resolve: () => void;
  reject: (error: KernelError) => void;
}

/**
 * Deletes links in the background. The kernel takes a link out of all its lists within a millisecond, says so to
 * those who listen, and then keeps the caller for another 14..25 ms until its last readers have gone. So this one
 * listens: a link is deleted as soon as nobody can find it any more. The waiting goes on in the background, for a
 * whole group of links at once, and holds up nobody as long as there is a free lane.
 */
export class LinkReaper {
  readonly #netns: string | undefined;
  readonly #lanes: readonly Lane[];
  /** Tells of links that are gone. */
  readonly #events: NetlinkSocket;
  readonly #victims: Victim[] = [];
  #closed = false;

  /** Has sockets of its own: another's must stay free for synchronous calls. */
  constructor(netns: string | undefined) {
    this.#netns = netns;
    this.#events = NetlinkSocket.open(NETLINK_ROUTE, { netns });
    this.#events.join(LINK_EVENTS);
    this.#lanes = Array.from({ length: LANES }, (_, i) => new Lane(netns, REAPED_GROUP + i));
  }

  /** Rejects with the kernel's refusal (ENODEV when there is no such link). */
  delete(link: LinkRef): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#victims.push({ link, resolve, reject });
      // Callers of the same turn go together.
      if (this.#victims.length === 1) queueMicrotask(() => this.#next());
    });
  }

  /** What was asked for is still done. */
  close(): void {
    this.#closed = true;
    if (this.#victims.length === 0) this.#closeIdle();
  }

  #next(): void {
    const lane = this.#lanes.find((one) => one.victims.length === 0);
    if (lane && this.#victims.length > 0) void this.#run(lane);
  }

  async #run(lane: Lane): Promise<void> {
    if (this.#idle) {
      // What was said before is of no interest.
      this.#hear(() => undefined);
      poller.add(this.#events.fd, () => this.#hear((message) => this.#gone(message)));
    }
    lane.victims = this.#victims.splice(0, MOST);
    try {
      for (const [victim, error] of await lane.delete()) this.#settle(victim, error);
    } catch (error) {
      for (const victim of lane.victims) victim.reject(error as KernelError);
    }
    lane.victims = [];
    if (this.#idle) poller.remove(this.#events.fd);
    this.#next();
    if (this.#closed) this.#closeIdle();
  }

  get #idle(): boolean {
    return this.#lanes.every((lane) => lane.victims.length === 0);
  }

  #closeIdle(): void {
    if (!this.#idle) return;
    this.#events.close();
    for (const lane of this.#lanes) lane.close();
  }

  #hear(each: (message: NetlinkMessage) => void): void {
    try {
      while (!this.#events.receive(each, EVENTS_A_TURN));
    } catch (error) {
      // Some were lost: then the deletion's own answer tells, a little later.
      if (!isKernelError(error, 'ENOBUFS')) throw error;
    }
  }

  #gone(message: NetlinkMessage): void {
    // A bridge reports its ports' going as links too, under its own family.
    if (message.type !== RTM_DELLINK || message.u8(0) !== AF_UNSPEC) return;
    const { index, name } = readLink(message);
    for (const lane of this.#lanes) {
      for (const victim of lane.victims) {
        if (victim.link === index || victim.link === name) victim.resolve();
      }
    }
  }

  #settle({ link, resolve, reject }: Victim, error: MessageError | undefined): void {
    if (!error) {
      resolve();
      return;
    }
    const object = this.#netns === undefined ? String(link) : `${link} in ${this.#netns}`;
    reject(new KernelError('delete link', object, error.errno, error.detail));
  }
}

/** One deletion at a time, of one link or of many. */
class Lane {
  /** Under way. */
  victims: Victim[] = [];
  readonly #group: number;
  readonly #socket: NetlinkSocket;
  readonly #writer = new MessageWriter();

  constructor(netns: string | undefined, group: number) {
    this.#group = group;
    this.#socket = NetlinkSocket.open(NETLINK_ROUTE, { netns });
  }

  close(): void {
    this.#socket.close();
  }

  /** What became of each. */
  async delete(): Promise<[Victim, MessageError | undefined][]> {
    if (this.victims.length > 1) return await this.#deleteTogether();
    return [await this.#deleteOne(this.victims[0]!)];
  }

  async #deleteOne(victim: Victim): Promise<[Victim, MessageError | undefined]> {
    writeDeleteLink(this.#writer.reset(), victim.link);
    const { errors } = await this.#socket.exchangeAsync(this.#writer);
    return [victim, errors[0]];
  }

  async #deleteTogether(): Promise<[Victim, MessageError | undefined][]> {
    const { victims } = this;
    const writer = this.#writer.reset();
    for (const { link } of victims) {
      const index = typeof link === 'number' ? link : 0;
      const name = typeof link === 'string' ? link : undefined;
      writeSetLink(writer, index, name, { group: this.#group }, undefined, undefined);
    }
    writeDeleteGroup(writer, this.#group);
    const { errors } = await this.#socket.exchangeAsync(writer);
    const errorOf = new Map(errors.map((error) => [error.index, error]));
    const refused = errorOf.has(victims.length);
    const outcomes: [Victim, MessageError | undefined][] = [];
    for (let i = 0; i < victims.length; i++) {
      const error = errorOf.get(i);
      // One link that cannot be deleted (lo, the kernel's own tunnels) spoils the group: then one by one.
      outcomes.push(refused && !error ? await this.#deleteOne(victims[i]!) : [victims[i]!, error]);
    }
    return outcomes;
  }
}
