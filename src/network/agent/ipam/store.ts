import { formatAddress, parseAddress } from '../../../address/ip.ts';
import { type Clock, type SteadyTime, systemClock } from './clock.ts';
import { type CommitCounts, type Committed, Committer } from './committer.ts';
import { IpamError, isIpamError } from './error.ts';
import { openFolder, type StateFolder } from './folder.ts';
import { Holdings } from './holdings.ts';
import type { JournalWriter } from './journal.ts';
import { type BlockCounts, type PoolOptions, Pools } from './pools.ts';
import {
  type Attachment,
  type AttachmentKey,
  type Change,
  checkAttachment,
  type IpamRecord,
  keyText,
} from './record.ts';
import { type IpamOpening, type Recovered, recover } from './recovery.ts';

export type { IpamOpening } from './recovery.ts';

export interface IpamOptions extends PoolOptions {
  /** For tests. */
  readonly clock?: Clock;
  /** For tests: the disk. */
  readonly folder?: StateFolder;
  /** For tests: how many bytes of changes gather before the journal is rewritten. */
  readonly rewriteAfterBytes?: number;
}

/** What an allocation gave. */
export interface Allocation {
  readonly record: IpamRecord;
  /** Whether the attachment had its addresses already: `record` is then what was written down at that time. */
  readonly existed: boolean;
}

/** The store at a moment. */
export interface IpamStats {
  readonly blocks: readonly BlockCounts[];
  readonly records: number;
  /** Size of the journal, in bytes. */
  readonly journalBytes: number;
  readonly commits: CommitCounts;
}

/**
 * The node's addresses: who holds which, durably. A change is on disk (O_DSYNC) before its promise resolves, and
 * only what is on disk is shown. One process at a time has it open.
 */
export class IpamStore {
  /** What was found at the start. */
  readonly opening: IpamOpening;
  #options: PoolOptions;
  readonly #clock: Clock;
  readonly #time: SteadyTime;
  readonly #writer: JournalWriter;
  readonly #committer: Committer<Change>;
  readonly #unlock: () => Promise<void>;
  /** What is on disk. */
  readonly #durable: Holdings;
  /** That and what is on its way there: new addresses are chosen by it. */
  #planned: Holdings;
  #pools: Pools;
  /** Changes on their way, by attachment. */
  readonly #onTheWay = new Map<string, Promise<unknown>>();
  #closed: Promise<void> | undefined;

  private constructor(options: IpamOptions, unlock: () => Promise<void>, clock: Clock, found: Recovered) {
    this.#options = options;
    this.#unlock = unlock;
    this.#clock = clock;
    this.#time = found.time;
    this.#writer = found.writer;
    this.#durable = found.holdings;
    this.#planned = new Holdings(this.#durable.toJSON());
    this.#pools = found.pools;
    this.opening = found.opening;
    const owner: Committed<Change> = {
      state: () => ({ time: this.#time.save(), ...this.#durable.toJSON() }),
      durable: (changes) => {
        for (const change of changes) this.#durable.apply(change);
      },
      failed: () => {
        this.#planned = new Holdings(this.#durable.toJSON());
        this.#pools = new Pools(this.#options, this.#planned);
      },
    };
    this.#committer = new Committer(found.writer, owner, options.rewriteAfterBytes);
  }

  /**
   * Opens the state in a folder, which is made when missing.
   * @param dir absolute path, on a local file system
   * @throws AddressError for options that cannot be used; IpamError `locked`, `corrupt`, `write-failed`
   */
  static async open(dir: string, options: IpamOptions): Promise<IpamStore> {
    const clock = options.clock ?? systemClock();
    // First of all, so that a wrong configuration touches nothing.
    new Pools(options, new Holdings());
    try {
      const folder = options.folder ?? (await openFolder(dir));
      const unlock = await folder.lock();
      try {
        return new IpamStore(options, unlock, clock, await recover(folder, clock, options));
      } catch (error) {
        await unlock();
        throw error;
      }
    } catch (error) {
      if (isIpamError(error)) throw error;
      throw new IpamError(
        'write-failed',
        {
          field: 'state folder',
          value: dir,
          rule: `cannot be used: ${error instanceof Error ? error.message : String(error)}`,
          fix: 'make it a folder on a local disk that this process may write, with space left',
        },
        error,
      );
    }
  }

  /**
   * Gives an attachment its addresses, one of each block, and writes that down. Asked again for the same container
   * and interface, it returns the same record, also while the first request is under way.
   * @throws AddressError `exhausted`, `cooling-down`; IpamError `invalid`, `write-failed`, `closed`
   */
  allocate(attachment: Attachment): Promise<Allocation> {
    return this.#add(attachment, () => this.#pools.next(this.#time.now()));
  }

  /**
   * Writes down an attachment that was found running, with the addresses that it has, in the node's blocks or not.
   * @throws AddressError `malformed`; IpamError `in-use`, and as {@link allocate}
   */
  async adopt(attachment: Attachment, addresses: readonly string[]): Promise<Allocation> {
    const canonical = [...new Set(addresses.map((address) => formatAddress(parseAddress(address))))];
    const refuse = (rule: string, fix: string, code: 'in-use' | 'invalid' = 'in-use') =>
      new IpamError(code, { field: 'addresses', value: canonical.join(','), rule, fix });
    if (canonical.length < 1 || canonical.length > 2) {
      throw refuse('are not one or two addresses', 'give one of each family', 'invalid');
    }
    const result = await this.#add(attachment, () => {
      for (const address of canonical) {
        const holder = this.#planned.holderOf(address);
        if (holder)
          throw refuse(`cannot be kept: ${keyText(holder)} holds ${address}`, 'remove one of the two pods');
      }
      return canonical;
    });
    if (result.record.addresses.join() !== canonical.join()) {
      const { addresses: has } = result.record;
      throw refuse(`are not what ${keyText(attachment)} holds, ${has.join(',')}`, 'remove that pod');
    }
    return result;
  }

  /**
   * Takes an attachment's addresses back; they cool down from now on. Returns what it held, or undefined when it
   * holds nothing (any more).
   * @throws IpamError `write-failed`, `closed`
   */
  async release(key: AttachmentKey): Promise<IpamRecord | undefined> {
    for (let before = this.#before(key); before; before = this.#before(key)) await before.catch(() => {});
    const record = this.#durable.get(key);
    if (!record) {
      await this.#confirm(key);
      return undefined;
    }
    const { containerId, ifName } = record;
    await this.#commit(key, { release: { containerId, ifName, at: this.#time.now() } }, record);
    return record;
  }

  /** The attachment's record, once it is on disk. */
  get(key: AttachmentKey): IpamRecord | undefined {
    return this.#durable.get(key);
  }

  /** Who holds the address (in its canonical form). */
  holderOf(address: string): IpamRecord | undefined {
    return this.#durable.holderOf(address);
  }

  /** All records on disk, in the order of allocation. */
  records(): IpamRecord[] {
    return this.#durable.records();
  }

  stats(): IpamStats {
    return {
      blocks: this.#pools.counts(this.#time.now()),
      records: this.#durable.size,
      journalBytes: this.#writer.bytes,
      commits: { ...this.#committer.counts },
    };
  }

  /**
   * Goes on with other blocks, limits or cool-down. Records outside the new blocks stay held until they are
   * released; new addresses come from the new blocks at once.
   * @returns the records outside the new blocks
   * @throws AddressError when they cannot be used; then nothing changes
   */
  reconfigure(options: PoolOptions): IpamRecord[] {
    this.#pools = new Pools(options, this.#planned);
    this.#options = options;
    return this.#pools.outside(this.#durable);
  }

  /** Finishes what is under way and gives the state back. Nothing that was acknowledged depends on it. */
  close(): Promise<void> {
    this.#closed ??= (async () => {
      await this.#committer.drain();
      await this.#writer.close();
      await this.#unlock();
    })();
    return this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #add(request: Attachment, choose: () => readonly string[]): Promise<Allocation> {
    const attachment = checkAttachment(request);
    for (let before = this.#before(attachment); before; before = this.#before(attachment)) {
      await before.catch(() => {});
    }
    const has = this.#durable.get(attachment);
    if (has) {
      await this.#confirm(attachment);
      return { record: has, existed: true };
    }
    const createdAt = new Date(this.#clock.wall()).toISOString();
    const record: IpamRecord = { ...attachment, addresses: choose(), createdAt };
    await this.#commit(attachment, { allocate: record });
    return { record, existed: false };
  }

  /**
   * The change of this attachment that is under way, to be waited for. Once there is none, the caller goes on to
   * {@link #commit} without another `await`, so that no second change can come between.
   */
  #before(key: AttachmentKey): Promise<unknown> | undefined {
    if (!this.#closed) return this.#onTheWay.get(keyText(key));
    throw new IpamError('closed', {
      field: 'state',
      value: keyText(key),
      rule: 'cannot be changed: the agent is stopping',
      fix: 'try again when it is back',
    });
  }

  /**
   * Before "nothing to do" is answered: a change of this attachment that failed may be on disk all the same, and
   * would come back with the next start.
   */
  async #confirm(key: AttachmentKey): Promise<void> {
    if (!this.#committer.sound) await this.#commit(key, undefined);
  }

  async #commit(key: AttachmentKey, change: Change | undefined, released?: IpamRecord): Promise<void> {
    if (change) {
      this.#planned.apply(change);
      this.#pools.apply(change, released);
    }
    const text = keyText(key);
    const written = this.#committer.commit(change);
    this.#onTheWay.set(text, written);
    try {
      await written;
    } catch (error) {
      throw new IpamError(
        'write-failed',
        {
          field: 'state',
          value: text,
          rule: `could not be written: ${error instanceof Error ? error.message : String(error)}`,
          fix: 'free space on the disk of the state folder, or repair it; the request changed nothing',
        },
        error,
      );
    } finally {
      this.#onTheWay.delete(text);
    }
  }
}
