import type { Scratch } from './harness/scratch.ts';
import { median, rounded } from './harness/statistics.ts';

/** One measured number beside the one it is compared with. */
export interface Result {
  /** `bench/what/variant`. */
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly reference: number;
  /** Of the value to the reference; see {@link compared}. */
  readonly ratio: number;
  /** What the reference is, and what the ratio is promised to be: for a person, not in the data. */
  readonly against: string;
  readonly target?: string;
}

export interface BenchContext {
  /** For files and namespaces; gone afterwards. */
  readonly scratch: Scratch;
  readonly rounds: number;
  /** Says on stderr how far it is, and lets this process hear of its end: to be awaited between rounds. */
  readonly progress: (text: string) => Promise<void>;
  /** Has something done before a signal ends this process; returns how to take that back. For the `machine` place. */
  readonly beforeEnd: (action: () => Promise<void>) => () => void;
}

export interface Bench {
  readonly name: string;
  readonly title: string;
  /** How often everything is measured unless `--rounds` says otherwise. */
  readonly rounds: number;
  /**
   * Where it runs: `inside` a mount and process namespace of its own, with which everything that it made dies;
   * or on the `machine` itself, where the lab is.
   */
  readonly place: 'inside' | 'machine';
  /** Only when asked for by its name. */
  readonly extra?: boolean;
  run(context: BenchContext): Promise<Result[]>;
}

/** What `-o json` prints of a result, and nothing else. */
export interface ReportedResult {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly reference: number;
  readonly ratio: number;
}

export function reported({ name, value, unit, reference }: Result): ReportedResult {
  return {
    name,
    value: rounded(value),
    unit,
    reference: rounded(reference),
    ratio: rounded(value / reference),
  };
}

/**
 * The medians of what was measured in rounds, both in each, and the median of the rounds' ratios: what else the machine
 * does in a round slows both, so that this ratio is steadier than that of the medians.
 */
export function compared(
  values: readonly number[],
  references: readonly number[],
): Pick<Result, 'value' | 'reference' | 'ratio'> {
  return {
    value: median(values),
    reference: median(references),
    ratio: median(values.map((value, round) => value / references[round]!)),
  };
}

/** A value that must not be above what is allowed. */
export function budgeted(
  value: number,
  budget: number,
): Pick<Result, 'value' | 'reference' | 'ratio' | 'against' | 'target'> {
  return { value, reference: budget, ratio: value / budget, against: 'budget', target: '<= 1' };
}
