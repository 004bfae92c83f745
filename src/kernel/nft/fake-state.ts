import type { EncodedElement } from './element.ts';
import type { Instruction } from './instruction.ts';
import type { Statement } from './rule.ts';
import type { SetSchema } from './schema.ts';
import type { ChainSpec, CounterSpec, MapSpec, SetElement, SetSpec, TableRef, TableSpec } from './spec.ts';

/** What the imitation of the kernel holds. */
export interface FakeRule {
  readonly handle: bigint;
  readonly statements: readonly Statement[];
  readonly instructions: readonly Instruction[];
  /** Names of the nameless sets that live with it. */
  readonly anonymous: readonly string[];
  readonly comment?: string | undefined;
}

export interface FakeChain {
  spec: ChainSpec;
  rules: FakeRule[];
}

export interface FakeElement {
  readonly spec: SetElement;
  readonly encoded: EncodedElement;
}

export interface FakeSet {
  readonly spec: SetSpec | MapSpec;
  readonly schema: SetSchema;
  readonly anonymous: boolean;
  /** By {@link elementId}. */
  readonly elements: Map<string, FakeElement>;
}

export interface FakeCounter {
  readonly spec: CounterSpec;
  packets: number;
  bytes: number;
}

export interface FakeTable {
  spec: TableSpec;
  readonly chains: Map<string, FakeChain>;
  readonly sets: Map<string, FakeSet>;
  readonly counters: Map<string, FakeCounter>;
  nextHandle: bigint;
}

export function tableId(table: TableRef): string {
  return `${table.family} ${table.name}`;
}

export function newTable(spec: TableSpec): FakeTable {
  return { spec, chains: new Map(), sets: new Map(), counters: new Map(), nextHandle: 1n };
}

/** Equal for equal keys, or equal intervals. */
export function elementId(encoded: EncodedElement): string {
  const { key, end } = encoded;
  if (key === undefined) return '*';
  return end === undefined ? key.toString('hex') : `${key.toString('hex')}-${end.toString('hex')}`;
}

/** The changes that take back what was done so far, last one first. */
export class UndoLog {
  readonly #steps: (() => void)[] = [];
  readonly #copied = new Set<unknown>();

  push(step: () => void): void {
    this.#steps.push(step);
  }

  set<K, V>(map: Map<K, V>, key: K, value: V): void {
    if (map.has(key)) {
      const before = map.get(key)!;
      this.push(() => map.set(key, before));
    } else this.push(() => map.delete(key));
    map.set(key, value);
  }

  delete<K, V>(map: Map<K, V>, key: K): void {
    // Insertion order is the order of lists, so it comes back as well: the whole map as it was.
    if (this.#copied.has(map)) {
      map.delete(key);
      return;
    }
    const before = [...map];
    map.delete(key);
    this.#copied.add(map);
    this.push(() => {
      map.clear();
      for (const [k, v] of before) map.set(k, v);
    });
  }

  rules(chain: FakeChain, rules: FakeRule[]): void {
    const before = chain.rules;
    chain.rules = rules;
    this.push(() => {
      chain.rules = before;
    });
  }

  rollBack(): void {
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) step();
  }
}

/** Chains that a set's elements lead to. */
export function* chainsOfElements(set: FakeSet): Generator<string> {
  if (set.schema.data !== 'verdict') return;
  for (const { encoded } of set.elements.values()) {
    const chain = chainOf(encoded.data);
    if (chain !== undefined) yield chain;
  }
}

export function chainOf(data: EncodedElement['data']): string | undefined {
  return typeof data === 'object' && 'code' in data ? data.chain : undefined;
}

/** What an instruction refers to by name. */
export function referencesOf(instruction: Instruction): { chain?: string; set?: string; counter?: string } {
  const { fields, name } = instruction;
  const data = fields.data;
  return {
    ...(name === 'immediate' && typeof data === 'object' && 'code' in data && data.chain !== undefined
      ? { chain: data.chain }
      : {}),
    ...(typeof fields.set === 'string' ? { set: fields.set } : {}),
    ...(name === 'objref' && typeof fields.name === 'string' ? { counter: fields.name } : {}),
  };
}
