import { readSync, writeSync } from 'node:fs';
import * as libc from '../libc.ts';

const ONE = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);
const RETRY_MS = 20;

/**
 * Waits for any number of descriptors with one thread of the pool: Node itself cannot wait for netlink sockets,
 * and a thread for each would use up the pool (four by default). A process does not end by itself while
 * descriptors are registered.
 */
class Poller {
  readonly #callbacks = new Map<number, () => void>();
  #wakeFd = -1;
  #running = false;

  /** Calls `ready` whenever `fd` is readable, until `remove`. */
  add(fd: number, ready: () => void): void {
    this.#callbacks.set(fd, ready);
    if (this.#running) this.#wake();
    else void this.#run();
  }

  /** Must come before `fd` is closed. */
  remove(fd: number): void {
    if (this.#callbacks.delete(fd)) this.#wake();
  }

  #wake(): void {
    if (this.#wakeFd >= 0) writeSync(this.#wakeFd, ONE);
  }

  async #run(): Promise<void> {
    this.#running = true;
    if (this.#wakeFd < 0) {
      this.#wakeFd = libc.eventfd();
      // Node joins the pool's threads when it exits, and would wait for ever for one that waits for ever.
      process.on('exit', () => this.#wake());
    }
    while (this.#callbacks.size > 0) {
      const fds = [this.#wakeFd, ...this.#callbacks.keys()];
      const entries = Buffer.alloc(fds.length * libc.POLLFD_LENGTH);
      for (let i = 0; i < fds.length; i++) {
        entries.writeInt32LE(fds[i]!, i * libc.POLLFD_LENGTH);
        entries.writeInt16LE(libc.POLLIN, i * libc.POLLFD_LENGTH + 4);
      }
      const ready = await libc.pollAsync(entries, fds.length, -1);
      if (ready < 0) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      else this.#dispatch(fds, entries);
    }
    this.#running = false;
  }

  #dispatch(fds: number[], entries: Buffer): void {
    for (let i = 0; i < fds.length; i++) {
      if (entries.readInt16LE(i * libc.POLLFD_LENGTH + 6) === 0) continue;
      if (i === 0) readSync(this.#wakeFd, Buffer.alloc(8));
      // A callback may have removed another one that was ready too.
      else this.#callbacks.get(fds[i]!)?.();
    }
  }
}

export const poller = new Poller();
