import { stringify } from 'yaml';

/** A piece of a template: text, or an action between `{{` and `}}`. */
type Piece = { readonly text: string } | { readonly action: string };

/** Text and actions in turn; `{{-` and `-}}` take the white space on their side with them. */
function piecesOf(template: string): Piece[] {
  const pieces: Piece[] = [];
  let trim = false;
  let at = 0;
  const text = (upTo: number, trimEnd: boolean): void => {
    let value = template.slice(at, upTo);
    if (trim) value = value.trimStart();
    if (trimEnd) value = value.trimEnd();
    pieces.push({ text: value });
  };
  for (const found of template.matchAll(/\{\{(- )?\s*(.*?)\s*( -)?\}\}/g)) {
    text(found.index, found[1] !== undefined);
    pieces.push({ action: found[2]! });
    trim = found[3] !== undefined;
    at = found.index + found[0].length;
  }
  text(template.length, false);
  return pieces;
}

function lookUp(path: string, data: unknown): unknown {
  if (!/^(\.\w+)+$/.test(path)) throw new Error(`${path} is more than this renderer knows`);
  let found = data;
  for (const part of path.slice(1).split('.')) found = (found as Record<string, unknown> | undefined)?.[part];
  if (found === undefined) throw new Error(`${path} is in no value`);
  return found;
}

const FILTERS: Record<string, (value: unknown, argument: string | undefined) => unknown> = {
  quote: (value) => JSON.stringify(String(value)),
  toYaml: (value) => stringify(value).trimEnd(),
  nindent: (value, by) =>
    `\n${String(value)
      .split('\n')
      .map((line) => ' '.repeat(Number(by)) + line)
      .join('\n')}`,
};

/** `.Values.a.b | quote`, `toYaml .Values.a | nindent 8`. */
function evaluate(pipeline: string, data: unknown): unknown {
  const [first = '', ...rest] = pipeline.split('|').map((step) => step.trim());
  const [name = '', argument] = first.split(/\s+/);
  const apply = (filter: string, value: unknown, more?: string): unknown => {
    const known = FILTERS[filter];
    if (!known) throw new Error(`${filter} is more than this renderer knows`);
    return known(value, more);
  };
  let value = argument === undefined ? lookUp(name, data) : apply(name, lookUp(argument, data));
  for (const step of rest) {
    const [filter = '', more] = step.split(/\s+/);
    value = apply(filter, value, more);
  }
  return value;
}

/**
 * What of Go's templates our chart uses, and no more: values, `quote`, `toYaml`, `nindent`, `if`, `else`, `end`. For tests on
 * machines without Helm.
 *
 * @throws Error for what it does not know, and for values that are not there
 */
export function renderTemplate(template: string, data: unknown): string {
  let result = '';
  /** Of each `if` around: whether its present branch is rendered. */
  const branches: boolean[] = [];
  for (const piece of piecesOf(template)) {
    const active = !branches.includes(false);
    if ('text' in piece) {
      if (active) result += piece.text;
      continue;
    }
    const [word, condition] = piece.action.split(/\s+/);
    if (word === 'if') branches.push(!active || Boolean(lookUp(condition ?? '', data)));
    else if (word === 'else') branches.push(!branches.pop());
    else if (word === 'end') branches.pop();
    else if (active) result += String(evaluate(piece.action, data));
  }
  if (branches.length > 0) throw new Error('an if has no end');
  return result;
}
