import type { Family } from '../address/ip.ts';
import type { Range } from './policy.ts';
import type { Term } from './term.ts';

/** Addresses that fulfil the same terms about addresses. */
export interface Interval extends Range {
  readonly terms: readonly Term[];
  /** Says the same for the same terms. */
  readonly termKey: string;
}

/** The terms about addresses, and the disjoint intervals that they cut the addresses into. */
export class Partition {
  readonly #ranges = new Map<Term, readonly Range[]>();
  #intervals: Record<Family, readonly Interval[]> = { 4: [], 6: [] };
  /** Where an address may be in another interval than when it was settled. */
  #touched: Range[] = [];

  get pending(): boolean {
    return this.#touched.length > 0;
  }

  get intervals(): readonly Interval[] {
    return [...this.#intervals[4], ...this.#intervals[6]];
  }

  terms(): IterableIterator<Term> {
    return this.#ranges.keys();
  }

  /** @param ranges disjoint; none takes the term out */
  set(term: Term, ranges: readonly Range[]): void {
    this.#touched.push(...(this.#ranges.get(term) ?? []), ...ranges);
    if (ranges.length > 0) this.#ranges.set(term, ranges);
    else this.#ranges.delete(term);
  }

  delete(term: Term): void {
    this.set(term, []);
  }

  /** Cuts anew, and tells where something may be different. */
  settle(): readonly Range[] {
    const touched = this.#touched;
    this.#touched = [];
    for (const family of new Set(touched.map((range) => range.family)))
      this.#intervals[family] = this.#cut(family);
    return touched;
  }

  /** The interval that an address is in. */
  at(family: Family, value: bigint): Interval | undefined {
    const intervals = this.#intervals[family];
    let [low, high] = [0, intervals.length - 1];
    while (low <= high) {
      const middle = (low + high) >> 1;
      const interval = intervals[middle]!;
      if (value < interval.first) high = middle - 1;
      else if (value > interval.last) low = middle + 1;
      else return interval;
    }
    return undefined;
  }

  #cut(family: Family): Interval[] {
    const edges: { at: bigint; term: Term; begins: boolean }[] = [];
    for (const [term, ranges] of this.#ranges)
      for (const range of ranges) {
        if (range.family !== family) continue;
        edges.push({ at: range.first, term, begins: true }, { at: range.last + 1n, term, begins: false });
      }
    edges.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
    const found: Interval[] = [];
    const open = new Map<Term, number>();
    for (let i = 0; i < edges.length; ) {
      const first = edges[i]!.at;
      for (; edges[i]?.at === first; i++) {
        const { term, begins } = edges[i]!;
        const depth = (open.get(term) ?? 0) + (begins ? 1 : -1);
        if (depth === 0) open.delete(term);
        else open.set(term, depth);
      }
      if (open.size === 0) continue;
      // Whatever is open is closed by a later edge
      const last = edges[i]!.at - 1n;
      const terms = [...open.keys()].sort((a, b) => a.id - b.id);
      const termKey = terms.map(({ id }) => id).join(',');
      const before = found.at(-1);
      if (before?.termKey === termKey && before.last + 1n === first)
        found[found.length - 1] = { ...before, last };
      else found.push({ family, first, last, terms, termKey });
    }
    return found;
  }
}

/** A block without its exceptions, as disjoint ranges. Exceptions beyond the block take nothing from it. */
export function without(block: Range, except: readonly Range[]): readonly Range[] {
  let left: Range[] = [block];
  for (const hole of except) {
    if (hole.family !== block.family) continue;
    left = left.flatMap((range) => {
      if (hole.last < range.first || hole.first > range.last) return [range];
      const parts: Range[] = [];
      if (hole.first > range.first) parts.push({ ...range, last: hole.first - 1n });
      if (hole.last < range.last) parts.push({ ...range, first: hole.last + 1n });
      return parts;
    });
  }
  return left;
}
