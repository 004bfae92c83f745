// Label selectors (`app=web,tier in (a,b),!old`), LabelSelector objects, and field selectors (`spec.nodeName=n1`).

export type Operator = 'In' | 'NotIn' | 'Exists' | 'DoesNotExist' | 'Gt' | 'Lt';

export interface Requirement {
  key: string;
  operator: Operator;
  values: string[];
}

/** As in apps, networking and policy objects. */
export interface LabelSelector {
  matchLabels?: Record<string, string> | undefined;
  matchExpressions?: { key: string; operator: string; values?: string[] | undefined }[] | undefined;
}

export type Labels = Readonly<Record<string, string>> | undefined | null;

export class SelectorError extends Error {
  override name = 'SelectorError';
}

const NAME = /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const NAME_RULE =
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";

/** What is wrong with a label's or annotation's key, in upstream's words; empty when it is right. */
export function qualifiedNameErrors(key: string): string[] {
  const parts = key.split('/');
  const name = parts.at(-1) as string;
  const errors: string[] = [];
  if (parts.length > 2)
    return [
      `a qualified name ${NAME_RULE} (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
    ];
  if (parts.length === 2) {
    const prefix = parts[0] as string;
    if (prefix === '') errors.push('prefix part must be non-empty');
    else if (prefix.length > 253) errors.push('prefix part must be no more than 253 bytes');
    else if (!SUBDOMAIN.test(prefix))
      errors.push(
        "prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
      );
  }
  if (name === '') errors.push('name part must be non-empty');
  else if (name.length > 63) errors.push('name part must be no more than 63 bytes');
  if (!NAME.test(name))
    errors.push(
      `name part ${NAME_RULE} (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`,
    );
  return errors;
}

/** What is wrong with a label's value; empty when it is right. */
export function labelValueErrors(value: string): string[] {
  const errors: string[] = [];
  if (value.length > 63) errors.push('must be no more than 63 bytes');
  if (value !== '' && !NAME.test(value))
    errors.push(
      `a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')`,
    );
  return errors;
}

const TOKEN = /\s*(?:(!=|==|[=!(),<>])|([^\s=!(),<>]+))/y;

function tokens(text: string): string[] {
  const found: string[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const match = TOKEN.exec(text);
    if (!match) break; // only white space is left
    found.push((match[1] ?? match[2]) as string);
  }
  return found;
}

const PUNCTUATION = new Set(['=', '==', '!=', '!', '(', ')', ',', '<', '>']);

class Parser {
  private readonly tokens: string[];
  private at = 0;
  constructor(text: string) {
    this.tokens = tokens(text);
  }

  all(): Requirement[] {
    const found: Requirement[] = [];
    if (this.tokens.length === 0) return found;
    for (;;) {
      found.push(this.one());
      const next = this.tokens[this.at++];
      if (next === undefined) return found;
      if (next !== ',') throw this.expected(next, `',' or 'end of string'`);
      if (this.tokens[this.at] === undefined) throw this.expected('', "identifier after ','");
    }
  }

  private one(): Requirement {
    const negated = this.tokens[this.at] === '!';
    if (negated) this.at++;
    const key = this.word("!, identifier, or 'end of string'");
    check(qualifiedNameErrors(key), 'key', key);
    if (negated) return { key, operator: 'DoesNotExist', values: [] };
    const operator = this.tokens[this.at];
    if (operator === undefined || operator === ',') return { key, operator: 'Exists', values: [] };
    this.at++;
    switch (operator) {
      case '=':
      case '==':
        return this.exact(key, 'In');
      case '!=':
        return this.exact(key, 'NotIn');
      case 'in':
        return { key, operator: 'In', values: this.set(key) };
      case 'notin':
        return { key, operator: 'NotIn', values: this.set(key) };
      case '<':
      case '>': {
        const value = this.word('identifier');
        if (!/^-?\d{1,19}$/.test(value))
          throw new SelectorError(
            `unable to parse requirement: values[0][${key}]: Invalid value: "${value}": for 'Gt', 'Lt' operators, the value must be an integer`,
          );
        return { key, operator: operator === '<' ? 'Lt' : 'Gt', values: [value] };
      }
      default:
        throw this.expected(operator, `in, notin, =, ==, !=, gt, lt`);
    }
  }

  private exact(key: string, operator: Operator): Requirement {
    const next = this.tokens[this.at];
    let value = '';
    if (next !== undefined && next !== ',') value = this.word('identifier');
    check(labelValueErrors(value), `values[0][${key}]`, value);
    return { key, operator, values: [value] };
  }

  private set(key: string): string[] {
    const open = this.tokens[this.at++];
    if (open !== '(') throw this.expected(open ?? '', `'('`);
    const values = new Set<string>();
    let value = '';
    for (;;) {
      const token = this.tokens[this.at++];
      if (token === undefined) throw this.expected('', `',' or ')'`);
      if (token === ',' || token === ')') {
        check(labelValueErrors(value), `values[${values.size}][${key}]`, value);
        values.add(value);
        value = '';
        if (token === ')') return [...values].sort();
      } else if (PUNCTUATION.has(token) || value !== '') throw this.expected(token, `',', or ')'`);
      else value = token;
    }
  }

  private word(expected: string): string {
    const token = this.tokens[this.at++];
    if (token === undefined || PUNCTUATION.has(token)) throw this.expected(token ?? '', expected);
    return token;
  }

  private expected(found: string, what: string): SelectorError {
    return new SelectorError(`unable to parse requirement: found '${found}', expected: ${what}`);
  }
}

function check(errors: string[], field: string, value: string): void {
  if (errors.length)
    throw new SelectorError(
      `unable to parse requirement: ${field}: Invalid value: ${JSON.stringify(value)}: ${errors.join('; ')}`,
    );
}

/** Reads the query parameter `labelSelector`; empty selects everything. Throws SelectorError. */
export function parseLabelSelector(text: string): Requirement[] {
  return new Parser(text).all();
}

/** True when all requirements hold. */
export function matchRequirements(requirements: readonly Requirement[], labels: Labels): boolean {
  for (const requirement of requirements) if (!matchRequirement(requirement, labels)) return false;
  return true;
}

function matchRequirement({ key, operator, values }: Requirement, labels: Labels): boolean {
  const value = labels && Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
    case 'Lt': {
      const bound = values[0];
      if (!isInteger(value) || !isInteger(bound)) return false;
      return operator === 'Gt' ? BigInt(value) > BigInt(bound) : BigInt(value) < BigInt(bound);
    }
    default:
      // Types say that there is no other. Objects of a cluster that is newer than we are may know one: it holds for nothing.
      return false;
  }
}

function isInteger(text: string | undefined): text is string {
  return text !== undefined && /^-?\d+$/.test(text);
}

/** The requirements of a LabelSelector object; undefined when it selects nothing (null, or an operator that does not exist). */
export function requirementsOf(selector: LabelSelector | undefined | null): Requirement[] | undefined {
  if (!selector) return undefined;
  const found: Requirement[] = Object.entries(selector.matchLabels ?? {}).map(([key, value]) => ({
    key,
    operator: 'In',
    values: [value],
  }));
  for (const { key, operator, values } of selector.matchExpressions ?? []) {
    if (operator !== 'In' && operator !== 'NotIn' && operator !== 'Exists' && operator !== 'DoesNotExist')
      return undefined;
    found.push({ key, operator, values: values ?? [] });
  }
  return found;
}

/** Null selects nothing, `{}` everything, as upstream. */
export function matchLabelSelector(selector: LabelSelector | undefined | null, labels: Labels): boolean {
  const requirements = requirementsOf(selector);
  return requirements !== undefined && matchRequirements(requirements, labels);
}

/** The text form, as `status.selector` of a Scale has it: sorted by key. */
export function formatRequirements(requirements: readonly Requirement[]): string {
  return [...requirements]
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map(({ key, operator, values }) => {
      switch (operator) {
        case 'In':
          return values.length === 1 ? `${key}=${values[0]}` : `${key} in (${[...values].sort().join(',')})`;
        case 'NotIn':
          return values.length === 1
            ? `${key}!=${values[0]}`
            : `${key} notin (${[...values].sort().join(',')})`;
        case 'Exists':
          return key;
        case 'DoesNotExist':
          return `!${key}`;
        default:
          return `${key}${operator === 'Gt' ? '>' : '<'}${values[0]}`;
      }
    })
    .join(',');
}

/** As `metav1.FormatLabelSelector`: `<none>` for nothing and for an empty one, `<error>` for a bad one. */
export function formatLabelSelector(selector: LabelSelector | undefined | null): string {
  if (!selector) return '<none>';
  const requirements = requirementsOf(selector);
  if (!requirements) return '<error>';
  const exact = Object.keys(selector.matchLabels ?? {}).length;
  const terms = requirements.map((requirement, index) => ({
    key: requirement.key,
    // Unlike in a query an expression stays a set, even of one
    text:
      index < exact || requirement.values.length === 0
        ? formatRequirements([requirement])
        : `${requirement.key} ${requirement.operator.toLowerCase()} (${[...requirement.values].sort().join(',')})`,
  }));
  terms.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  return terms.map(({ text }) => text).join(',') || '<none>';
}

export interface FieldRequirement {
  field: string;
  operator: '=' | '!=';
  value: string;
}

/** Reads the query parameter `fieldSelector`; `\,`, `\=` and `\\` escape. Throws SelectorError. */
export function parseFieldSelector(text: string): FieldRequirement[] {
  return splitTerms(text)
    .filter((term) => term !== '')
    .map((term) => {
      const match = /^((?:[^\\=!]|\\.|!(?!=))*?)(!=|==|=)(.*)$/s.exec(term);
      if (!match) throw new SelectorError(`invalid selector: '${text}'; can't understand '${term}'`);
      const [, field = '', operator, value = ''] = match;
      return { field, operator: operator === '!=' ? '!=' : '=', value: unescapeValue(value) };
    });
}

function splitTerms(text: string): string[] {
  const terms: string[] = [];
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === ',') {
      terms.push(text.slice(start, i));
      start = i + 1;
    }
  }
  terms.push(text.slice(start));
  return terms;
}

function unescapeValue(value: string): string {
  return value.replace(/\\([\\,=])|\\(.?)|([,=])/gs, (whole, escaped: string | undefined) => {
    if (escaped !== undefined) return escaped;
    throw new SelectorError(
      `invalid field selector: value ${JSON.stringify(value)} has an unescaped ${whole}`,
    );
  });
}
