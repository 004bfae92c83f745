/** Numbers in equal steps. One that was given back comes into use again only after {@link settle}. */
export class Ids {
  #next: number;
  readonly #step: number;
  readonly #free: number[] = [];
  #released: number[] = [];

  constructor(first = 1, step = 1) {
    this.#next = first;
    this.#step = step;
  }

  give(): number {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    const next = this.#next;
    this.#next += this.#step;
    return next;
  }

  release(id: number): void {
    this.#released.push(id);
  }

  settle(): void {
    for (const id of this.#released) this.#free.push(id);
    this.#released = [];
  }
}
