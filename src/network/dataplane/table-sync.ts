import { isKernelError } from '../../kernel/errno.ts';
import {
  type ChainInfo,
  type ChainSpec,
  type Nft,
  type SetElement,
  type SetInfo,
  type SetSpec,
  Transaction,
} from '../../kernel/nft/index.ts';
import type { TableModel } from './table.ts';

/** What a comparison of the kernel's table with the model found. */
export interface TableFindings {
  /** The table was not there at all. */
  readonly created: boolean;
  /** Chains, sets and elements that were missing, by name (`pod_sources: azv… . 10.244.0.4`). */
  readonly missing: readonly string[];
  /** The same for those that were there and should not be. */
  readonly stale: readonly string[];
}

/**
 * Brings the kernel's table to the model in one transaction, without a moment in which packets meet no rules or
 * half of them: rules are replaced as a whole, sets by their differences, counters and connections stay.
 */
export function syncTable(nft: Nft, model: TableModel): TableFindings {
  const { table } = model;
  const missing: string[] = [];
  const stale: string[] = [];
  const chains = present(() => nft.listChains(table));
  const sets = present(() => nft.listSets(table));
  const tx = new Transaction().addTable(table);
  for (const counter of model.counters) tx.addCounter(counter);

  // Old rules go first: they hold on to chains and sets that may have to go too.
  const wantedChains = new Map(model.chains.map((chain) => [chain.name, chain]));
  for (const chain of chains ?? []) tx.flushChain(chain);
  for (const chain of chains ?? []) {
    const wanted = wantedChains.get(chain.name);
    if (wanted && sameChain(wanted, chain)) continue;
    tx.deleteChain(chain);
    stale.push(`chain ${chain.name}`);
  }

  const wantedSets = new Map(model.sets.map((set) => [set.spec.name, set]));
  const kept = new Set<string>();
  for (const set of sets ?? []) {
    const wanted = wantedSets.get(set.name);
    if (wanted && sameSet(wanted.spec, set)) kept.add(set.name);
    else {
      tx.deleteSet(set);
      stale.push(`set ${set.name}`);
    }
  }
  for (const { spec, elements } of model.sets) {
    if (kept.has(spec.name)) {
      if (elements) syncElements(nft, tx, spec, elements, missing, stale);
    } else {
      tx.addSet(spec).addElements({ table, set: spec, elements: elements ?? [] });
      if (sets) missing.push(`set ${spec.name}`);
    }
  }

  const have = new Set(chains?.map((chain) => chain.name));
  for (const chain of model.chains) {
    if (chains && !have.has(chain.name)) missing.push(`chain ${chain.name}`);
    tx.addChain(chain);
  }
  for (const rule of model.rules) tx.addRule(rule);
  nft.commit(tx);
  return { created: chains === undefined, missing, stale };
}

function syncElements(
  nft: Nft,
  tx: Transaction,
  spec: SetSpec,
  elements: readonly SetElement[],
  missing: string[],
  stale: string[],
): void {
  const { table } = spec;
  const have = new Map(nft.listElements(table, spec.name).map((element) => [keyText(element), element]));
  const want = new Map(elements.map((element) => [keyText(element), element]));
  const add = [...want].filter(([key]) => !have.has(key));
  const remove = [...have].filter(([key]) => !want.has(key));
  if (add.length === 0 && remove.length === 0) return;
  for (const [key] of add) missing.push(`${spec.name}: ${key}`);
  for (const [key] of remove) stale.push(`${spec.name}: ${key}`);
  tx.deleteElements({ table, set: spec, elements: remove.map(([, { key }]) => ({ key })) });
  tx.addElements({ table, set: spec, elements: add.map(([, element]) => element) });
}

function keyText({ key }: SetElement): string {
  return Array.isArray(key) ? key.join(' . ') : String(key);
}

/** The value, or undefined when the table does not exist. */
function present<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (isKernelError(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function sameChain(wanted: ChainSpec, chain: ChainInfo): boolean {
  const [a, b] = [wanted.hook, chain.hook];
  if (!a || !b) return !a && !b;
  const policy = (hook: { policy?: string }): string => hook.policy ?? 'accept';
  return a.type === b.type && a.hook === b.hook && a.priority === b.priority && policy(a) === policy(b);
}

function sameSet(wanted: SetSpec, set: SetInfo): boolean {
  return (
    set.data === undefined &&
    String(wanted.key) === String(set.key) &&
    (wanted.interval ?? false) === set.interval &&
    (wanted.dynamic ?? false) === set.dynamic
  );
}
