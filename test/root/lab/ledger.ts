import type { KubeClient } from '../../../src/kube/client.ts';
import { CONFIG_MAPS } from '../../../src/kube/resources.ts';
import { untilDone } from './until-done.ts';

const NAMESPACE = 'default';
/** Entries of one object; then the next is begun. */
const PAGE = 200;

/** Writes to a cluster's API without a pause, and remembers what was acknowledged. */
export class Ledger {
  readonly #client: KubeClient;
  readonly #name: string;
  readonly #signal: AbortSignal;
  /** Numbers whose write was acknowledged, by the object that they are in. */
  readonly #written = new Map<string, number[]>();
  /** Objects whose deletion was acknowledged. */
  readonly #deleted: string[] = [];
  acknowledged = 0;

  constructor(client: KubeClient, name: string, signal: AbortSignal) {
    this.#client = client;
    this.#name = name;
    this.#signal = signal;
  }

  /** Until the signal. */
  async run(): Promise<void> {
    for (let page = 0; !this.#signal.aborted; page++) {
      const name = `${this.#name}-${page}`;
      if (!(await this.#make(name))) return;
      const numbers: number[] = [];
      this.#written.set(name, numbers);
      for (let number = 0; number < PAGE && !this.#signal.aborted; number++) {
        const body = { data: { [`n${number}`]: String(number) } };
        if (
          await untilDone(this.#signal, () =>
            this.#client.patch(CONFIG_MAPS, { namespace: NAMESPACE, name }, body, { type: 'merge' }),
          )
        ) {
          numbers.push(number);
          this.acknowledged++;
        }
      }
      const gone = `${name}-gone`;
      if (!(await this.#make(gone))) return;
      const key = { namespace: NAMESPACE, name: gone };
      if (await untilDone(this.#signal, () => this.#client.delete(CONFIG_MAPS, key), 404)) {
        this.#deleted.push(gone);
        this.acknowledged++;
      }
    }
  }

  /** What was acknowledged and is not so: empty when the API kept its word. */
  async missing(): Promise<string[]> {
    const missing: string[] = [];
    for (const [name, numbers] of this.#written) {
      const object = await this.#client.find(CONFIG_MAPS, { namespace: NAMESPACE, name });
      for (const number of numbers)
        if (object?.data?.[`n${number}`] !== String(number)) missing.push(`${name}: n${number}`);
    }
    for (const name of this.#deleted)
      if (await this.#client.find(CONFIG_MAPS, { namespace: NAMESPACE, name }))
        missing.push(`${name} is back`);
    return missing;
  }

  async #make(name: string): Promise<boolean> {
    const made = await untilDone(
      this.#signal,
      () => this.#client.create(CONFIG_MAPS, { metadata: { namespace: NAMESPACE, name } }),
      409,
    );
    if (made) this.acknowledged++;
    return made;
  }
}
