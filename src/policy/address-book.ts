import type { PodAddress, PodEntry } from './pod-entry.ts';
import type { Range } from './policy.ts';

interface Holder {
  readonly pod: PodEntry;
  readonly address: PodAddress;
}

const BUCKET_BITS = 8n;

/** Which pod has which address, also by ranges. Of two pods with one address it is the younger's. */
export class AddressBook {
  readonly #holders = new Map<string, Holder>();
  /** All who claim an address, where there are several: the old pod and the one that has its address now. */
  readonly #contested = new Map<string, Set<Holder>>();
  /** Addresses that somebody holds by the block of 256 that they are in, by family. */
  readonly #buckets = { 4: new Map<bigint, Set<PodAddress>>(), 6: new Map<bigint, Set<PodAddress>>() };

  at(text: string): Holder | undefined {
    return this.#holders.get(text);
  }

  add(pod: PodEntry): void {
    for (const address of pod.addresses) {
      const old = this.#holders.get(address.text);
      const holder = { pod, address };
      if (old === undefined) this.#hold(holder);
      else {
        const all = this.#contested.get(address.text) ?? new Set([old]);
        all.add(holder);
        this.#contested.set(address.text, all);
        this.#settle(address.text, all);
      }
    }
  }

  delete(pod: PodEntry): void {
    for (const { text } of pod.addresses) {
      const all = this.#contested.get(text);
      if (all === undefined) this.#drop(text);
      else {
        for (const holder of all) if (holder.pod === pod) all.delete(holder);
        this.#settle(text, all);
      }
    }
  }

  /** Every address in the range that somebody holds. */
  *within({ family, first, last }: Range): Generator<PodAddress> {
    const buckets = this.#buckets[family];
    const [from, to] = [first >> BUCKET_BITS, last >> BUCKET_BITS];
    const found =
      to - from < BigInt(buckets.size)
        ? Array.from({ length: Number(to - from) + 1 }, (_, i) => buckets.get(from + BigInt(i)) ?? [])
        : [...buckets].flatMap(([key, held]) => (key >= from && key <= to ? [held] : []));
    for (const bucket of found)
      for (const address of bucket) if (address.value >= first && address.value <= last) yield address;
  }

  #settle(text: string, all: ReadonlySet<Holder>): void {
    this.#drop(text);
    const [youngest] = [...all].sort(youngerFirst);
    if (youngest) this.#hold(youngest);
    if (all.size < 2) this.#contested.delete(text);
  }

  #hold(holder: Holder): void {
    const { address } = holder;
    this.#holders.set(address.text, holder);
    const buckets = this.#buckets[address.family];
    const key = address.value >> BUCKET_BITS;
    const bucket = buckets.get(key);
    if (bucket) bucket.add(address);
    else buckets.set(key, new Set([address]));
  }

  #drop(text: string): void {
    const holder = this.#holders.get(text);
    if (!holder) return;
    this.#holders.delete(text);
    const buckets = this.#buckets[holder.address.family];
    const key = holder.address.value >> BUCKET_BITS;
    const bucket = buckets.get(key);
    bucket?.delete(holder.address);
    if (bucket?.size === 0) buckets.delete(key);
  }
}

function youngerFirst({ pod: a }: Holder, { pod: b }: Holder): number {
  if (a.created !== b.created) return a.created < b.created ? 1 : -1;
  return a.key < b.key ? 1 : a.key > b.key ? -1 : 0;
}
