// The part of JSONPath that printer columns and scale paths may use: fields, indices, `[*]`, and filters by equality.

type Step =
  | { kind: 'field'; name: string }
  | { kind: 'index'; index: number }
  | { kind: 'all' }
  | { kind: 'filter'; path: Step[]; operator: '==' | '!='; value: string | number | boolean };

export type JsonPath = readonly Step[];

const FIELD = /\.((?:[^.[\]\\]|\\.)+)/y;
const BRACKET =
  /\[(?:'([^']*)'|"([^"]*)"|(-?\d+)|(\*)|\?\(\s*@((?:[^=!'"\\]|\\.)+?)\s*(==|!=)\s*(?:'([^']*)'|"([^"]*)"|([^)\s]+))\s*\))\]/y;

/** Reads `.status.conditions[?(@.type=="Ready")].status`; braces round it are allowed. @throws Error that shows where it ends to make sense */
export function parseJsonPath(text: string): JsonPath {
  const source = /^\{(.*)\}$/s.exec(text)?.[1] ?? text;
  const steps: Step[] = [];
  let at = 0;
  if (source === '.' || source === '') return steps;
  while (at < source.length) {
    FIELD.lastIndex = at;
    BRACKET.lastIndex = source[at] === '.' && source[at + 1] === '[' ? at + 1 : at;
    const field = FIELD.exec(source);
    if (field) {
      const name = (field[1] as string).replace(/\\(.)/g, '$1');
      steps.push(name === '*' ? { kind: 'all' } : { kind: 'field', name });
      at = FIELD.lastIndex;
      continue;
    }
    const bracket = BRACKET.exec(source);
    if (!bracket)
      throw new Error(
        `invalid JSONPath ${JSON.stringify(text)}: cannot read ${JSON.stringify(source.slice(at))}`,
      );
    at = BRACKET.lastIndex; // before a filter's own path uses the expression again
    steps.push(bracketStep(bracket));
  }
  return steps;
}

function bracketStep(match: RegExpExecArray): Step {
  const [, single, double, index, all, path, operator, singleValue, doubleValue, bare] = match;
  const name = single ?? double;
  if (name !== undefined) return { kind: 'field', name };
  if (index !== undefined) return { kind: 'index', index: Number(index) };
  if (all) return { kind: 'all' };
  const text = singleValue ?? doubleValue;
  const value = text ?? (bare === 'true' ? true : bare === 'false' ? false : Number(bare));
  return { kind: 'filter', path: [...parseJsonPath(path as string)], operator: operator as '==', value };
}

/** Everything that the path leads to, in order; nothing when something on the way is missing. */
export function findJsonPath(path: JsonPath, value: unknown): unknown[] {
  let found = [value];
  for (const step of path) found = found.flatMap((one) => take(step, one));
  return found;
}

function take(step: Step, value: unknown): unknown[] {
  if (typeof value !== 'object' || value === null) return [];
  switch (step.kind) {
    case 'field': {
      if (!Object.hasOwn(value, step.name)) return [];
      return [(value as Record<string, unknown>)[step.name]];
    }
    case 'index': {
      const item = Array.isArray(value) ? value.at(step.index) : undefined;
      return item === undefined ? [] : [item];
    }
    case 'all':
      return Object.values(value);
    case 'filter':
      return Object.values(value).filter((item) => {
        const [left] = findJsonPath(step.path, item);
        return step.operator === '==' ? left === step.value : left !== step.value;
      });
  }
}
