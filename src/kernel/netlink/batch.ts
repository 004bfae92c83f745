import type { MessageWriter } from './attributes.ts';
import type { LinkChange } from './link.ts';
import type { Exchange } from './message.ts';
import { Operations } from './operations.ts';

/** What a batch needs of the object it belongs to. */
export interface BatchHost {
  readonly netns: string | undefined;
  find(name: string): number | undefined;
  exchange(writer: MessageWriter): Exchange;
  amend(netns: string | undefined, name: string, change: LinkChange): void;
}

/** Gathers operations and sends them in one datagram. */
export class Batch extends Operations {
  readonly #host: BatchHost;
  #collecting = false;

  constructor(host: BatchHost) {
    super(host.netns);
    this.#host = host;
  }

  collect(body: (batch: Operations) => void): void {
    if (this.#collecting) throw new Error('a batch inside a batch of the same Rtnl');
    this.#collecting = true;
    try {
      body(this);
      this.flush((writer) => this.#host.exchange(writer));
    } finally {
      this.clear();
      this.#collecting = false;
    }
  }

  protected override get collecting(): boolean {
    return true;
  }

  protected override find(name: string): number | undefined {
    return this.#host.find(name);
  }

  protected override done(): void {}

  protected override amend(netns: string | undefined, name: string, change: LinkChange): void {
    this.#host.amend(netns, name, change);
  }
}
