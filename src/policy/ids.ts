/** Numbers from 1. One that was given back comes into use again only after {@link settle}. */
export class Ids {
  #next = 1;
  readonly #free: number[] = [];
  #released: number[] = [];

  give(): number {
    return this.#free.pop() ?? this.#next++;
  }

  release(id: number): void {
    this.#released.push(id);
  }

  settle(): void {
    for (const id of this.#released) this.#free.push(id);
    this.#released = [];
  }
}
