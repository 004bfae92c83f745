import { type Column, type Format, render } from './output.ts';

/** Prints one thing or a list of them to stdout. A table of nothing is a sentence on stderr instead. */
export function print<T>(
  data: T | readonly T[],
  view: { output: Format; columns: readonly Column<T>[]; none?: string },
): void {
  if (view.output === 'table' && Array.isArray(data) && data.length === 0) {
    process.stderr.write(`${view.none ?? 'nothing to show'}\n`);
    return;
  }
  process.stdout.write(render(data, { format: view.output, columns: view.columns }));
}

/** Prints what was just made: one row as a table, or the thing itself as data. */
export function printMade<T>(made: T, view: { output: Format; columns: readonly Column<T>[] }): void {
  print(view.output === 'table' ? [made] : made, view);
}

/** Says that something was done: a sentence, or the same as data. */
export function printDone(output: Format, sentence: string, data: Record<string, unknown>): void {
  process.stdout.write(output === 'table' ? `${sentence}\n` : render(data, { format: output, columns: [] }));
}
