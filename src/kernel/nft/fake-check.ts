import { chainOf, chainsOfElements, type FakeChain, type FakeTable, referencesOf } from './fake-state.ts';
import type { Instruction } from './instruction.ts';
import type { HookName, HookSpec } from './spec.ts';

/** What the kernel checks about rules in their surroundings. All return a Linux errno, or 0 for good. */

const ENOENT = 2;
const EMLINK = 31;
const EOPNOTSUPP = 95;
/** NFT_JUMP_STACK_SIZE: how deep chains may jump. */
const JUMP_DEPTH = 16;

/** Do the objects exist that an instruction names? */
export function checkReferences(table: FakeTable, instruction: Instruction): number {
  const { chain, set, counter } = referencesOf(instruction);
  if (counter !== undefined && !table.counters.has(counter)) return ENOENT;
  if (set !== undefined) {
    const found = table.sets.get(set);
    if (found === undefined) return ENOENT;
    if (instruction.name === 'dynset') {
      if (instruction.fields.timeout !== undefined && !found.schema.timeout) return EOPNOTSUPP;
    }
  }
  return chain === undefined ? 0 : checkTarget(table, chain);
}

/** May a verdict lead to this chain? */
export function checkTarget(table: FakeTable, chain: string): number {
  const target = table.chains.get(chain);
  if (target === undefined) return ENOENT;
  return target.spec.hook === undefined ? 0 : EOPNOTSUPP;
}

/** Is every rule of the table allowed in every base chain from which it is reached, and no jump too deep? */
export function checkTable(table: FakeTable): number {
  for (const chain of table.chains.values()) {
    const { hook } = chain.spec;
    if (hook === undefined) continue;
    const errno = checkFrom(table, chain, hook, 0, new Map());
    if (errno !== 0) return errno;
  }
  return 0;
}

function checkFrom(
  table: FakeTable,
  chain: FakeChain,
  hook: HookSpec,
  depth: number,
  seen: Map<FakeChain, number>,
): number {
  if (depth === JUMP_DEPTH) return EMLINK;
  if ((seen.get(chain) ?? -1) >= depth) return 0;
  seen.set(chain, depth);
  for (const rule of chain.rules)
    for (const instruction of rule.instructions) {
      if (!isAllowed(instruction, hook)) return EOPNOTSUPP;
      for (const name of targetsOf(table, instruction)) {
        const target = table.chains.get(name);
        const errno = target === undefined ? 0 : checkFrom(table, target, hook, depth + 1, seen);
        if (errno !== 0) return errno;
      }
    }
  return 0;
}

function targetsOf(table: FakeTable, instruction: Instruction): Iterable<string> {
  const { set } = referencesOf(instruction);
  if (set !== undefined) {
    const found = table.sets.get(set);
    return found === undefined ? [] : chainsOfElements(found);
  }
  const data = instruction.fields.data;
  const chain = typeof data === 'object' && 'code' in data ? chainOf(data) : undefined;
  return chain === undefined ? [] : [chain];
}

const RT_TCP_MSS = 3;
const FIB_ADDRESS_TYPE = 3;

/** The `validate` functions of the kernel's expressions. */
function isAllowed(instruction: Instruction, hook: HookSpec): boolean {
  const { fields, name } = instruction;
  switch (name) {
    case 'nat':
      return hook.type === 'nat' && isIn(hook, ...(fields.type === 0 ? source : destination));
    case 'masq':
      return hook.type === 'nat' && isIn(hook, 'postrouting');
    case 'redir':
      return hook.type === 'nat' && isIn(hook, ...destination);
    case 'reject':
      return isIn(hook, 'prerouting', 'input', 'forward', 'output', 'ingress');
    case 'rt':
      return fields.key !== RT_TCP_MSS || isIn(hook, 'forward', 'output', 'postrouting');
    case 'fib':
      return fields.result === FIB_ADDRESS_TYPE || isIn(hook, 'prerouting', 'input', 'forward');
    default:
      return true;
  }
}

const source: HookName[] = ['postrouting', 'input'];
const destination: HookName[] = ['prerouting', 'output'];

function isIn(hook: HookSpec, ...hooks: HookName[]): boolean {
  return hooks.includes(hook.hook);
}
