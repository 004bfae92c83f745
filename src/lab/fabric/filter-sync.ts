import { type Nft, NftSocket, Transaction } from '../../kernel/nft/index.ts';
import { chainsOf, commentOf, elementChanges, FABRIC_TABLE, tableTransaction } from './filter.ts';
import type { FilterPlan } from './plan.ts';

/**
 * Brings a router's table to the plan, in one transaction: there is no moment without rules or without elements.
 *
 * @param unknown - nothing is known about the table, not even whether it is there; otherwise only elements change
 */
export function applyFilter(filter: FilterPlan, netns: string, unknown: boolean): void {
  using nft = NftSocket.open({ netns });
  syncFilter(nft, filter, unknown);
}

/** {@link applyFilter} for tables wherever they are. */
export function syncFilter(nft: Nft, filter: FilterPlan, unknown: boolean): void {
  const { family, name } = FABRIC_TABLE;
  const table = unknown ? nft.listTables(family).find((found) => found.name === name) : undefined;
  const keep = !unknown || (table?.comment === commentOf(filter) && isWhole(nft, filter));
  const tx = new Transaction();
  // Only then: for a while after a deletion the kernel lets nobody close the socket, some 15 ms.
  if (!keep && table) tx.deleteTable(FABRIC_TABLE);
  if (!keep) tx.append(tableTransaction(filter));
  tx.append(elementChanges(filter, (set) => (keep ? elementsOf(nft, set) : [])));
  if (!tx.isEmpty) nft.commit(tx);
}

/** Whether the table has all its sets, and as many rules in each chain as belong there. */
function isWhole(nft: Nft, filter: FilterPlan): boolean {
  const sets = new Set(nft.listSets(FABRIC_TABLE).map((set) => set.name));
  const chains = new Set(nft.listChains(FABRIC_TABLE).map((chain) => chain.name));
  const rules = Map.groupBy(nft.listRules(FABRIC_TABLE), (rule) => rule.chain);
  return (
    Object.keys(filter.sets).every((set) => sets.has(set)) &&
    chainsOf(filter).every(
      (chain) => chains.has(chain.name) && (rules.get(chain.name)?.length ?? 0) === chain.rules.length,
    )
  );
}

function elementsOf(nft: Nft, set: string): string[][] {
  return nft.listElements(FABRIC_TABLE, set).map(({ key }) => (Array.isArray(key) ? key : [key]).map(String));
}

/** What the router refused so far, by why; only what is not zero. @throws KernelError ENOENT without the router */
export function refusedPackets(netns: string): Record<string, number> {
  using nft = NftSocket.open({ netns });
  const counted = [...nft.counters(FABRIC_TABLE)].filter(([, value]) => value.packets > 0);
  return Object.fromEntries(counted.map(([name, value]) => [name, value.packets]));
}
