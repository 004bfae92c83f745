import {
  type ChainInfo,
  type ChainSpec,
  type MapSpec,
  type Nft,
  type RuleSpec,
  ruleText,
  type SetInfo,
  type SetSpec,
  Transaction,
} from '../../../kernel/nft/index.ts';
import { orEmpty } from '../table.ts';
import { dynamicChain, staticChains } from './chains.ts';
import { BASE_CHAINS, COUNTERS, SETS, TABLE } from './layout.ts';

/** What the comparison of chains, rules, sets and counters with the kernel found. */
export interface Frame {
  /** The table was not there or not of this layout: then the transaction begins with making it anew. */
  readonly created: boolean;
  readonly tx: Transaction;
  /** Operations in `tx`. */
  readonly changes: number;
  /** Chains that exist by the elements that lead there. */
  readonly dynamic: Set<string>;
  /** Chains of nobody: to be deleted last. */
  readonly foreign: readonly string[];
}

/** Compares everything but elements with the kernel; what is right is not touched. */
export function compareFrame(nft: Nft, nodeAddresses: readonly string[]): Frame {
  const statics = staticChains(nodeAddresses);
  const exists = nft.listTables(TABLE.family).some(({ name }) => name === TABLE.name);
  const sets = exists ? orEmpty(() => nft.listSets(TABLE)) : [];
  const chains = exists ? orEmpty(() => nft.listChains(TABLE)) : [];
  if (!exists || !sameSets(sets) || !sameBases(chains)) return build(statics);
  const tx = new Transaction();
  const counters = nft.counters(TABLE);
  for (const counter of COUNTERS) if (!counters.has(counter.name)) tx.addCounter(counter);
  const have = new Set(chains.map(({ name }) => name));
  for (const name of statics.keys()) if (!have.has(name)) addChain(tx, name);
  const rules = Map.groupBy(nft.listRules(TABLE), ({ chain }) => chain);
  const dynamic = new Set<string>();
  const foreign: string[] = [];
  const correct = (name: string, wanted: readonly RuleSpec[]): void => {
    const found = (rules.get(name) ?? []).map(({ expressions }) => expressions.join('\n'));
    const text = wanted.map((rule) => ruleText(rule, SETS).join('\n'));
    if (found.length === text.length && found.every((one, i) => one === text[i])) return;
    if (have.has(name)) tx.flushChain({ table: TABLE, name });
    for (const rule of wanted) tx.addRule(rule);
  };
  for (const [name, wanted] of statics) correct(name, wanted);
  for (const { name } of chains) {
    if (statics.has(name)) continue;
    const wanted = dynamicChain(name);
    if (wanted === undefined) {
      foreign.push(name);
      continue;
    }
    dynamic.add(name);
    correct(name, wanted);
  }
  return { created: false, tx, changes: tx.operations.length, dynamic, foreign };
}

/** Makes the chains that elements lead to, before them. */
export function addDynamicChain(tx: Transaction, name: string): void {
  addChain(tx, name);
  for (const rule of dynamicChain(name) ?? []) tx.addRule(rule);
}

function build(statics: ReadonlyMap<string, readonly RuleSpec[]>): Frame {
  const tx = new Transaction().resetTable(TABLE);
  for (const counter of COUNTERS) tx.addCounter(counter);
  for (const set of SETS) tx.addSet(set);
  for (const name of statics.keys()) addChain(tx, name);
  for (const rules of statics.values()) for (const rule of rules) tx.addRule(rule);
  return { created: true, tx, changes: tx.operations.length, dynamic: new Set(), foreign: [] };
}

function addChain(tx: Transaction, name: string): void {
  tx.addChain(BASE_CHAINS.find((base) => base.name === name) ?? { table: TABLE, name });
}

function sameSets(found: readonly SetInfo[]): boolean {
  if (found.length !== SETS.length) return false;
  const byName = new Map(found.map((set) => [set.name, set]));
  return SETS.every((spec) => {
    const set = byName.get(spec.name);
    return set !== undefined && shape(spec) === shape(set);
  });
}

function shape(set: SetSpec | MapSpec | SetInfo): string {
  const { key, interval = false, dynamic = false, timeout } = set;
  return JSON.stringify([key, 'data' in set ? set.data : null, interval, dynamic, timeout !== undefined]);
}

/** Chains of hooks that are there are where they should be. A missing one is added. */
function sameBases(chains: readonly ChainInfo[]): boolean {
  return chains.every(({ name, hook }) => {
    const wanted: ChainSpec['hook'] = BASE_CHAINS.find((base) => base.name === name)?.hook;
    if (wanted === undefined || hook === undefined) return wanted === hook;
    return wanted.type === hook.type && wanted.hook === hook.hook && wanted.priority === hook.priority;
  });
}
