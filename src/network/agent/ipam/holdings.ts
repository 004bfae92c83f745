import * as z from 'zod';
import { type AttachmentKey, type Change, type IpamRecord, keyText, recordSchema } from './record.ts';

/** {@link Holdings} as plain JSON. */
export interface HoldingsState {
  readonly records: readonly IpamRecord[];
  /** Address and time of its release, the longest released first. */
  readonly released: readonly (readonly [address: string, at: number])[];
}

export const holdingsSchema = z.object({
  records: z.array(recordSchema),
  released: z.array(z.tuple([z.string(), z.number()])),
});

/** A history that cannot have happened, as of a state file that was edited. */
export class Contradiction extends Error {
  override readonly name = 'Contradiction';
}

/**
 * Who holds which address, and what was released when: the state that is written down. It knows no blocks, so
 * that records survive a change of the node's block. Changes are all it takes to rebuild it.
 */
export class Holdings {
  readonly #records = new Map<string, IpamRecord>();
  readonly #holders = new Map<string, string>();
  /** In the order of release; what is held is not in it, so that a release adds it at the end. */
  readonly #released = new Map<string, number>();

  constructor(state: HoldingsState = { records: [], released: [] }) {
    for (const [address, at] of state.released) this.#released.set(address, at);
    for (const record of state.records) this.apply({ allocate: record });
  }

  /** @throws Contradiction when an address would get a second owner, or an attachment a second record */
  apply(change: Change): void {
    if ('release' in change) this.#release(change.release, change.release.at);
    else this.#allocate(change.allocate);
  }

  get(key: AttachmentKey): IpamRecord | undefined {
    return this.#records.get(keyText(key));
  }

  /** The record that holds this address. */
  holderOf(address: string): IpamRecord | undefined {
    const key = this.#holders.get(address);
    return key === undefined ? undefined : this.#records.get(key);
  }

  records(): IpamRecord[] {
    return [...this.#records.values()];
  }

  get size(): number {
    return this.#records.size;
  }

  /** Released addresses and when, the longest released first. */
  released(): IterableIterator<[string, number]> {
    return this.#released.entries();
  }

  /** The latest moment that is recorded, 0 when none is. */
  latest(): number {
    let latest = 0;
    for (const at of this.#released.values()) latest = Math.max(latest, at);
    return latest;
  }

  /** Forgets released addresses. */
  forget(unwanted: (address: string, at: number) => boolean): void {
    for (const [address, at] of this.#released) if (unwanted(address, at)) this.#released.delete(address);
  }

  toJSON(): HoldingsState {
    return { records: this.records(), released: [...this.#released] };
  }

  #allocate(record: IpamRecord): void {
    const key = keyText(record);
    if (this.#records.has(key)) throw new Contradiction(`${key} is allocated twice`);
    for (const address of record.addresses) {
      const holder = this.#holders.get(address);
      if (holder !== undefined) throw new Contradiction(`${address} is given to ${holder} and to ${key}`);
    }
    this.#records.set(key, record);
    for (const address of record.addresses) {
      this.#holders.set(address, key);
      this.#released.delete(address);
    }
  }

  #release(key: AttachmentKey, at: number): void {
    const record = this.#records.get(keyText(key));
    if (!record) throw new Contradiction(`${keyText(key)} is released but not allocated`);
    this.#records.delete(keyText(key));
    for (const address of record.addresses) {
      this.#holders.delete(address);
      this.#released.set(address, at);
    }
  }
}
