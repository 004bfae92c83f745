import type { z } from 'zod';

/** One thing wrong in `node.json`. */
export interface ConfigProblem {
  /** Where: `nodeBlocks[0]`, `peers[3].name`. */
  readonly field: string;
  /** What stands there, shortened. */
  readonly value: string;
  /** The rule that it breaks, as the rest of a sentence about the value. */
  readonly rule: string;
  /** The way out. */
  readonly fix: string;
}

/** A configuration that cannot be used; lists every problem, not only the first. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly source: string;
  readonly problems: readonly ConfigProblem[];

  constructor(source: string, problems: readonly ConfigProblem[]) {
    super(
      [`${source} is refused:`, ...problems.map((p) => `  ${p.field} '${p.value}' ${p.rule}; ${p.fix}`)].join(
        '\n',
      ),
    );
    this.source = source;
    this.problems = problems;
  }
}

const LONGEST_SHOWN = 60;
const MOST_PROBLEMS = 20;

function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}...` : text;
}

function fieldOf(path: readonly PropertyKey[]): string {
  return path
    .map((part, i) => (typeof part === 'number' ? `[${part}]` : `${i > 0 ? '.' : ''}${String(part)}`))
    .join('');
}

/** The schema's refusals in our four parts. `known` are the fields of the top level. */
export function problemsOf(error: z.ZodError, known: readonly string[]): ConfigProblem[] {
  return error.issues.slice(0, MOST_PROBLEMS).flatMap((issue) => one(issue, known));
}

function one(issue: z.core.$ZodIssue, known: readonly string[]): ConfigProblem[] {
  const field = fieldOf(issue.path) || 'the document';
  const value = show(issue.input);
  const problem = (rule: string, fix: string): ConfigProblem[] => [{ field, value, rule, fix }];
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined
        ? problem('is missing', `add it: ${article(issue.expected)}`)
        : problem(`is not ${article(issue.expected)}`, `give ${article(issue.expected)}`);
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({
        field: fieldOf([...issue.path, key]),
        value: show((issue.input as Record<string, unknown> | undefined)?.[key]),
        rule: 'is not a field of this file',
        fix: suggestion(key, issue.path.length === 0 ? known : ['name', 'addresses', 'blocks']),
      }));
    case 'invalid_value':
      return problem('is not one of the choices', `use ${issue.values.join(', ')}`);
    case 'too_small':
      return problem(
        `is below the least of ${issue.minimum}${unit(issue.origin)}`,
        `use ${issue.minimum} or more`,
      );
    case 'too_big':
      return problem(
        `is above the most of ${issue.maximum}${unit(issue.origin)}`,
        `use ${issue.maximum} or fewer`,
      );
    default:
      return problem(issue.message, 'correct it');
  }
}

function article(type: string): string {
  if (type === 'int') return 'a whole number';
  return /^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`;
}

function unit(origin: string): string {
  if (origin === 'array') return ' items';
  return origin === 'string' ? ' characters' : '';
}

function suggestion(key: string, known: readonly string[]): string {
  const plain = key.toLowerCase();
  const near = known.find((k) => k.toLowerCase() === plain || k.toLowerCase().startsWith(plain.slice(0, 5)));
  return near ? `did you mean ${near}?` : `the fields are ${known.join(', ')}`;
}
