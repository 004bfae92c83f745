import { type Nft, NftSocket, Transaction } from '../../kernel/nft/index.ts';
import {
  chainsOf,
  commentOf,
  elementChanges,
  FABRIC_TABLE,
  plannedElements,
  tableTransaction,
} from './filter.ts';
import { specsOf } from './filter-sets.ts';
import type { FilterPlan, MapElement } from './plan.ts';

/**
 * Brings a router's table to the plan, in one transaction: there is no moment without rules or without elements.
 *
 * @param before - what the table was brought to before; undefined: nothing is known about it, not even whether it is there
 */
export function applyFilter(filter: FilterPlan, netns: string, before: FilterPlan | undefined): void {
  using nft = NftSocket.open({ netns });
  syncFilter(nft, filter, before);
}

/** {@link applyFilter} for tables wherever they are. */
export function syncFilter(nft: Nft, filter: FilterPlan, before: FilterPlan | undefined): void {
  const { family, name } = FABRIC_TABLE;
  const comment = commentOf(filter);
  const table = before ? undefined : nft.listTables(family).find((found) => found.name === name);
  const isThere = before !== undefined || table !== undefined;
  const keep = before ? commentOf(before) === comment : table?.comment === comment && isWhole(nft, filter);
  const tx = new Transaction();
  // Only then: for a while after a deletion the kernel lets nobody close the socket, some 15 ms.
  if (!keep && isThere) tx.deleteTable(FABRIC_TABLE);
  if (!keep) tx.append(tableTransaction(filter));
  const present = (set: string): MapElement[] => {
    if (!keep) return [];
    return before ? plannedElements(before, set) : elementsOf(nft, set);
  };
  tx.append(elementChanges(filter, present));
  if (!tx.isEmpty) nft.commit(tx);
}

/** Whether the table has all its sets, and as many rules in each chain as belong there. */
function isWhole(nft: Nft, filter: FilterPlan): boolean {
  const sets = new Set(nft.listSets(FABRIC_TABLE).map((set) => set.name));
  const chains = new Set(nft.listChains(FABRIC_TABLE).map((chain) => chain.name));
  const rules = Map.groupBy(nft.listRules(FABRIC_TABLE), (rule) => rule.chain);
  return (
    specsOf(filter).every(({ name }) => sets.has(name)) &&
    chainsOf(filter).every(
      (chain) => chains.has(chain.name) && (rules.get(chain.name)?.length ?? 0) === chain.rules.length,
    )
  );
}

function elementsOf(nft: Nft, set: string): MapElement[] {
  const parts = (value: unknown): string[] => (Array.isArray(value) ? value : [value]).map(String);
  return nft
    .listElements(FABRIC_TABLE, set)
    .map(({ key, data }) => ({ key: parts(key), data: data === undefined ? [] : parts(data) }));
}

/** What the router refused so far, by why; only what is not zero. @throws KernelError ENOENT without the router */
export function refusedPackets(netns: string): Record<string, number> {
  using nft = NftSocket.open({ netns });
  const counted = [...nft.counters(FABRIC_TABLE)].filter(([, value]) => value.packets > 0);
  return Object.fromEntries(counted.map(([name, value]) => [name, value.packets]));
}
