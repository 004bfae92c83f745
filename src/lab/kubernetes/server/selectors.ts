import type { KubeObject } from '../schema/types.ts';
import { badRequest } from './status.ts';

/** Which objects a list or watch is about. */
export interface Selection {
  /** Selects everything. */
  readonly all: boolean;
  matches(object: KubeObject): boolean;
  /** A quick test on the stored text that only ever says no rightly: spares the parsing of what cannot match. */
  mayMatch(text: string): boolean;
  /** A field that has one value in all objects that match; undefined when there is none such. */
  readonly only?: { field: string; value: string; fieldOf(object: KubeObject): string } | undefined;
}

export interface Requirement {
  key: string;
  operator: 'in' | 'notin' | 'exists' | 'absent' | 'gt' | 'lt';
  values: string[];
}

export const EVERYTHING: Selection = { all: true, matches: () => true, mayMatch: () => true };

const KEY = /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/;
const SET = /^(\S+)\s+(in|notin)\s*\(([^()]*)\)$/;
const EQUALITY = /^([^\s=!<>]+)\s*(==|!=|=|<|>)\s*([^\s=!<>]*)$/;
/** Text that stands in JSON as it is. Not the booleans: a missing field counts as false. */
const NEEDLE = /^(?!true$|false$)[A-Za-z][-A-Za-z0-9_.]{3,}$/;

/** Splits at commas outside parentheses. */
function clauses(text: string): string[] {
  const found: string[] = [];
  let depth = 0;
  let start = 0;
  for (let at = 0; at <= text.length; at++) {
    if (text[at] === '(') depth++;
    else if (text[at] === ')') depth--;
    else if (at === text.length || (text[at] === ',' && depth === 0)) {
      found.push(text.slice(start, at).trim());
      start = at + 1;
    }
  }
  return found;
}

function labelRequirement(clause: string): Requirement | undefined {
  const set = SET.exec(clause);
  if (set) {
    const values = set[3]!.split(',').map((value) => value.trim());
    return { key: set[1]!, operator: set[2] as 'in' | 'notin', values };
  }
  const equality = EQUALITY.exec(clause);
  if (equality) {
    const [, key = '', operator, value = ''] = equality;
    if (operator === '<' || operator === '>') {
      if (!/^-?\d+$/.test(value)) return undefined;
      return { key, operator: operator === '<' ? 'lt' : 'gt', values: [value] };
    }
    return { key, operator: operator === '!=' ? 'notin' : 'in', values: [value] };
  }
  return clause.startsWith('!')
    ? { key: clause.slice(1).trim(), operator: 'absent', values: [] }
    : { key: clause, operator: 'exists', values: [] };
}

/** `a=b,c!=d,e in (f,g),h notin (i),j,!k`. @throws StatusError 400 that names the clause */
export function parseLabelSelector(text: string): Requirement[] {
  if (text.trim() === '') return [];
  return clauses(text).map((clause) => {
    const requirement = labelRequirement(clause);
    if (!requirement || !KEY.test(requirement.key) || !requirement.values.every((value) => VALUE.test(value)))
      throw badRequest(
        `unable to parse requirement: ${JSON.stringify(clause)} in the label selector ${JSON.stringify(text)}`,
      );
    return requirement;
  });
}

/** Equality only, as upstream: `a=b`, `a==b`, `a!=b`; a backslash escapes comma, equals and itself. @throws StatusError 400 */
export function parseFieldSelector(text: string): Requirement[] {
  if (text.trim() === '') return [];
  return (text.match(/(?:\\.|[^,\\])+/g) ?? []).map((clause) => {
    const match = /^((?:\\.|[^=!\\])+)(==|!=|=)((?:\\.|[^\\])*)$/.exec(clause);
    if (!match) throw badRequest(`invalid selector: '${text}'; can't understand '${clause}'`);
    const plain = (part: string) => part.replaceAll(/\\(.)/g, '$1').trim();
    return {
      key: plain(match[1]!),
      operator: match[2] === '!=' ? 'notin' : 'in',
      values: [plain(match[3]!)],
    };
  });
}

/** Whether a value (undefined: the key is missing) meets a requirement. As labels.Requirement.Matches. */
export function meets(requirement: Requirement, value: string | undefined): boolean {
  switch (requirement.operator) {
    case 'in':
      return value !== undefined && requirement.values.includes(value);
    case 'notin':
      return value === undefined || !requirement.values.includes(value);
    case 'exists':
      return value !== undefined;
    case 'absent':
      return value === undefined;
    case 'gt':
      return value !== undefined && Number.parseInt(value, 10) > Number(requirement.values[0]);
    case 'lt':
      return value !== undefined && Number.parseInt(value, 10) < Number(requirement.values[0]);
  }
}

/** A metav1.LabelSelector as requirements; undefined selects nothing, an empty one everything. */
export function requirementsOf(selector: unknown): Requirement[] | undefined {
  if (typeof selector !== 'object' || selector === null) return undefined;
  const { matchLabels, matchExpressions } = selector as {
    matchLabels?: Record<string, string>;
    matchExpressions?: { key: string; operator: string; values?: string[] }[];
  };
  const operators: Record<string, Requirement['operator']> = {
    In: 'in',
    NotIn: 'notin',
    Exists: 'exists',
    DoesNotExist: 'absent',
  };
  return [
    ...Object.entries(matchLabels ?? {}).map(
      ([key, value]): Requirement => ({ key, operator: 'in', values: [value] }),
    ),
    ...(matchExpressions ?? []).map(
      ({ key, operator, values }): Requirement => ({
        key,
        operator: operators[operator] ?? 'in',
        values: values ?? [],
      }),
    ),
  ];
}

/**
 * @param fieldOf a field's value as a selector sees it: empty when missing
 */
export function selectionOf(
  labels: readonly Requirement[],
  fields: readonly Requirement[],
  fieldOf: (object: KubeObject, field: string) => string,
): Selection {
  if (labels.length === 0 && fields.length === 0) return EVERYTHING;
  // A stored text holds an equal value in quotes, whatever its field; numbers and booleans stand without.
  const needles = [...labels, ...fields]
    .filter((one) => one.operator === 'in' && one.values.length === 1 && NEEDLE.test(one.values[0]!))
    .map((one) => one.values[0]!);
  const exact = fields.find(({ operator, values }) => operator === 'in' && values.length === 1);
  return {
    all: false,
    only: exact && {
      field: exact.key,
      value: exact.values[0]!,
      fieldOf: (object) => fieldOf(object, exact.key),
    },
    matches: (object) =>
      labels.every((one) => meets(one, object.metadata?.labels?.[one.key])) &&
      fields.every((one) => meets(one, fieldOf(object, one.key))),
    mayMatch: (text) => needles.every((needle) => text.includes(needle)),
  };
}
