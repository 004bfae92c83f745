import type { Problems } from '../manifest/problem.ts';
import type { LabelSelector, Labels, Maybe } from './objects.ts';

type Requirement =
  | { readonly key: string; readonly is: 'in' | 'not in'; readonly values: ReadonlySet<string> }
  | { readonly key: string; readonly is: 'there' | 'absent' };

/** A label selector that was read once and is asked often. */
export interface Selector {
  readonly requirements: readonly Requirement[];
  /** The same for selectors that say the same in the same order. */
  readonly text: string;
}

export const EVERYTHING: Selector = { requirements: [], text: '' };

/** Reads a selector; undefined, with a problem, when a requirement cannot be understood. */
export function readSelector(
  selector: Maybe<LabelSelector>,
  field: string,
  problems: Problems,
): Selector | undefined {
  const found: Requirement[] = [];
  const before = problems.found.length;
  for (const [key, value] of Object.entries(selector?.matchLabels ?? {})) {
    if (typeof value === 'string') found.push({ key, is: 'in', values: new Set([value]) });
    else problems.add(`${field}.matchLabels[${key}]`, value, 'is not a string', 'put it in quotes');
  }
  for (const [i, { key, operator, values }] of (selector?.matchExpressions ?? []).entries()) {
    const at = `${field}.matchExpressions[${i}]`;
    const listed = new Set(values ?? []);
    if (!key) problems.add(`${at}.key`, key, 'is empty', 'name a label');
    else if (operator === 'In' || operator === 'NotIn') {
      if (listed.size === 0)
        problems.add(`${at}.values`, values, 'is empty', `give ${operator} at least one value`);
      else found.push({ key, is: operator === 'In' ? 'in' : 'not in', values: listed });
    } else if (operator === 'Exists' || operator === 'DoesNotExist') {
      if (listed.size > 0)
        problems.add(`${at}.values`, values, 'is not empty', `${operator} takes no values`);
      else found.push({ key, is: operator === 'Exists' ? 'there' : 'absent' });
    } else problems.add(`${at}.operator`, operator, 'is unknown', 'use In, NotIn, Exists or DoesNotExist');
  }
  if (problems.found.length > before) return undefined;
  return found.length === 0 ? EVERYTHING : { requirements: found, text: JSON.stringify(found.map(plain)) };
}

function plain(requirement: Requirement): unknown {
  const values = 'values' in requirement ? [...requirement.values].sort() : [];
  return [requirement.key, requirement.is, values];
}

export function selectorMatches({ requirements }: Selector, labels: Labels): boolean {
  for (const requirement of requirements) {
    const has = Object.hasOwn(labels, requirement.key);
    switch (requirement.is) {
      case 'in':
        if (!has || !requirement.values.has(labels[requirement.key]!)) return false;
        break;
      case 'not in':
        if (has && requirement.values.has(labels[requirement.key]!)) return false;
        break;
      case 'there':
        if (!has) return false;
        break;
      case 'absent':
        if (has) return false;
    }
  }
  return true;
}

/**
 * The label pairs (`key=value`) of which whoever matches has at least one; undefined when the selector demands none by
 * value. Where selectors are kept by these, only those that can match are ever asked.
 */
export function anchorsOf({ requirements }: Selector): readonly string[] | undefined {
  let best: ReadonlySet<string> | undefined;
  let key = '';
  for (const requirement of requirements) {
    if (requirement.is !== 'in' || (best && best.size <= requirement.values.size)) continue;
    best = requirement.values;
    key = requirement.key;
  }
  return best && [...best].map((value) => pairOf(key, value));
}

export function pairOf(key: string, value: string): string {
  return `${key}=${value}`;
}
