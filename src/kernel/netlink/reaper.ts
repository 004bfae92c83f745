import { KernelError } from '../errno.ts';
import { MessageWriter } from './attributes.ts';
import { writeSetLink } from './link-write.ts';
import type { MessageError } from './message.ts';
import { type LinkRef, writeDeleteGroup, writeDeleteLink } from './operations.ts';
import { NETLINK_ROUTE, NetlinkSocket } from './socket.ts';

/** The group into which links are put to be deleted together: "FLYD". */
export const REAPED_GROUP = 0x464c5944;
/** In one go; the kernel holds its network lock all the while. */
const MOST = 256;

interface Victim {
  link: LinkRef;
  resolve: () => void;
  reject: (error: KernelError) => void;
}

/**
 * Deletes links in the background. The kernel waits 14..25 ms for its readers at each deletion, but only once for
 * a whole group, so whatever has gathered during one deletion is put in a group and goes together in the next.
 */
export class LinkReaper {
  readonly #netns: string | undefined;
  readonly #socket: NetlinkSocket;
  readonly #writer = new MessageWriter();
  #victims: Victim[] = [];
  #running = false;
  #closed = false;

  /** Has a socket of its own: another's must stay free for synchronous calls. */
  constructor(netns: string | undefined) {
    this.#netns = netns;
    this.#socket = NetlinkSocket.open(NETLINK_ROUTE, { netns });
  }

  /** Rejects with the kernel's refusal (ENODEV when there is no such link). */
  delete(link: LinkRef): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#victims.push({ link, resolve, reject });
      if (!this.#running) void this.#run();
    });
  }

  /** What was asked for is still done. */
  close(): void {
    this.#closed = true;
    if (!this.#running) this.#socket.close();
  }

  async #run(): Promise<void> {
    this.#running = true;
    // Callers of the same turn go together.
    await Promise.resolve();
    while (this.#victims.length > 0) {
      const victims = this.#victims.splice(0, MOST);
      try {
        if (victims.length === 1) await this.#deleteOne(victims[0]!);
        else await this.#deleteTogether(victims);
      } catch (error) {
        for (const victim of victims) victim.reject(error as KernelError);
      }
    }
    this.#running = false;
    if (this.#closed) this.#socket.close();
  }

  async #deleteOne(victim: Victim): Promise<void> {
    writeDeleteLink(this.#writer.reset(), victim.link);
    const { errors } = await this.#socket.exchangeAsync(this.#writer);
    this.#settle(victim, errors[0]);
  }

  async #deleteTogether(victims: Victim[]): Promise<void> {
    const writer = this.#writer.reset();
    for (const { link } of victims) {
      const index = typeof link === 'number' ? link : 0;
      const name = typeof link === 'string' ? link : undefined;
      writeSetLink(writer, index, name, { group: REAPED_GROUP }, undefined, undefined);
    }
    writeDeleteGroup(writer, REAPED_GROUP);
    const { errors } = await this.#socket.exchangeAsync(writer);
    const errorOf = new Map(errors.map((error) => [error.index, error]));
    const refused = errorOf.has(victims.length);
    for (let i = 0; i < victims.length; i++) {
      const error = errorOf.get(i);
      // One link that cannot be deleted (lo, the kernel's own tunnels) spoils the group: then one by one.
      if (refused && !error) await this.#deleteOne(victims[i]!);
      else this.#settle(victims[i]!, error);
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
