import { NftInputError } from './input-error.ts';
import type { VerdictData } from './instruction.ts';
import type { Verdict } from './rule.ts';
import type { VerdictText } from './spec.ts';

const codes = { drop: 0, accept: 1, continue: -1, jump: -3, goto: -4, return: -5 } as const;

/** A verdict as the kernel has it. @throws NftInputError when it is none. */
export function verdictData(value: unknown, field: string): VerdictData {
  const { word, chain } = parts(value as Verdict | VerdictText);
  const code = (codes as Record<string, number>)[word];
  const jumps = word === 'jump' || word === 'goto';
  if (code === undefined || jumps !== (chain !== undefined && chain !== ''))
    throw new NftInputError(field, value, 'must be accept, drop, continue, return, jump CHAIN or goto CHAIN');
  return jumps ? { code, chain: chain as string } : { code };
}

function parts(value: Verdict | VerdictText): { word: string; chain: string | undefined } {
  if (typeof value === 'string') {
    const [word = '', chain, ...rest] = value.split(' ');
    return { word: rest.length > 0 ? '' : word, chain };
  }
  if (value?.kind !== 'verdict') return { word: '', chain: undefined };
  return { word: value.verdict, chain: 'chain' in value ? value.chain : undefined };
}
