/** A set of numbers whose smallest member is at hand: add and take cost O(log n). */
export class MinHeap {
  readonly #items: bigint[] = [];
  readonly #members = new Set<bigint>();

  get size(): number {
    return this.#items.length;
  }

  /** Adds a number; one that is already in changes nothing. */
  add(value: bigint): void {
    if (this.#members.has(value)) return;
    this.#members.add(value);
    const items = this.#items;
    let i = items.push(value) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (items[parent]! <= value) break;
      items[i] = items[parent]!;
      i = parent;
    }
    items[i] = value;
  }

  /** Takes the smallest number out; undefined when empty. */
  take(): bigint | undefined {
    const items = this.#items;
    const smallest = items[0];
    if (smallest === undefined) return undefined;
    this.#members.delete(smallest);
    const moved = items.pop()!;
    if (items.length > 0) this.#sink(moved);
    return smallest;
  }

  #sink(value: bigint): void {
    const items = this.#items;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && items[child + 1]! < items[child]!) child++;
      if (items[child]! >= value) break;
      items[i] = items[child]!;
      i = child;
    }
    items[i] = value;
  }
}
