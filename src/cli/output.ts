import { styleText } from 'node:util';
import { Option } from 'commander';
import { stringify } from 'yaml';

export type Format = 'table' | 'json' | 'yaml';
export type Colour = 'green' | 'yellow' | 'red' | 'dim' | 'bold';

/** One column of a table, or one line when the data is a single object. */
export interface Column<T> {
  /** In capitals, as kubectl writes them. */
  header: string;
  /** What the cell shows. Undefined, null and '' become '-'; lists are joined by commas. */
  value: (row: T) => unknown;
  align?: 'left' | 'right';
  /** Text that may be broken into several lines when the terminal is narrow. Other cells are never broken. */
  wrap?: boolean;
  colour?: (row: T) => Colour | undefined;
}

export interface RenderOptions<T> {
  format: Format;
  columns: readonly Column<T>[];
  /** Columns of the terminal. Default: the terminal's; without a terminal no line is ever broken. */
  width?: number | undefined;
  /** Default: only on a terminal, and not when NO_COLOR is set. */
  colour?: boolean | undefined;
}

/** The `-o, --output` option that every listing command has. */
export function outputOption(): Option {
  return new Option('-o, --output <format>', 'how to print the result')
    .choices(['table', 'json', 'yaml'] satisfies Format[])
    .default('table');
}

/**
 * Data as text that ends with a newline. Json and yaml show the data as it is, all of it; a table shows the
 * columns, one line for each row of a list or one for each column of a single object.
 */
export function render<T>(data: T | readonly T[], options: RenderOptions<T>): string {
  if (options.format === 'json') return `${JSON.stringify(data, undefined, 2)}\n`;
  if (options.format === 'yaml') return stringify(data, { lineWidth: 0, aliasDuplicateObjects: false });
  const width = options.width ?? process.stdout.columns ?? Number.POSITIVE_INFINITY;
  const colour = options.colour ?? wantsColour(process.stdout.isTTY === true, process.env);
  const isList = (value: T | readonly T[]): value is readonly T[] => Array.isArray(value);
  return isList(data)
    ? renderRows(data, options.columns, width, colour)
    : renderOne(data, options.columns, width, colour);
}

/** The convention of no-color.org, and of terminals that cannot. */
export function wantsColour(terminal: boolean, env: NodeJS.ProcessEnv): boolean {
  return terminal && !env.NO_COLOR && env.TERM !== 'dumb';
}

const GAP = '  ';
/** Below this a broken text is harder to read than a line that runs over the edge. */
const NARROWEST = 16;

interface Cell {
  text: string;
  colour: Colour | undefined;
}

function renderRows<T>(
  rows: readonly T[],
  columns: readonly Column<T>[],
  width: number,
  colour: boolean,
): string {
  const body = rows.map((row) =>
    columns.map((column): Cell => ({ text: cellText(column.value(row)), colour: column.colour?.(row) })),
  );
  const head = columns.map((column): Cell => ({ text: column.header, colour: 'bold' }));
  return layOut([head, ...body], columns, width, colour);
}

function renderOne<T>(row: T, columns: readonly Column<T>[], width: number, colour: boolean): string {
  const lines = columns.map((column): Cell[] => [
    { text: `${column.header}:`, colour: 'bold' },
    { text: cellText(column.value(row)), colour: column.colour?.(row) },
  ]);
  return layOut(lines, [{}, { wrap: columns.some((column) => column.wrap) }], width, colour);
}

type Layout = Pick<Column<never>, 'align' | 'wrap'>;

function layOut(rows: Cell[][], layout: readonly Layout[], width: number, colour: boolean): string {
  const widths = columnWidths(rows, layout, width);
  return rows
    .map((row) => {
      const cells = row.map((cell, i) => (layout[i]?.wrap ? breakLines(cell.text, widths[i]!) : [cell.text]));
      const height = Math.max(1, ...cells.map((lines) => lines.length));
      let text = '';
      for (let line = 0; line < height; line++) {
        const parts = cells.map((lines, i) => {
          const part = lines[line] ?? '';
          const padding = ' '.repeat(Math.max(0, widths[i]! - displayWidth(part)));
          const paint = row[i]!.colour;
          const painted = colour && paint && part ? styleText(paint, part, { validateStream: false }) : part;
          return layout[i]?.align === 'right' ? padding + painted : painted + padding;
        });
        text += `${parts.join(GAP).trimEnd()}\n`;
      }
      return text;
    })
    .join('');
}

/** Columns are as wide as their widest cell; what is too much for the terminal comes off those that may wrap. */
function columnWidths(rows: Cell[][], layout: readonly Layout[], width: number): number[] {
  const widths = layout.map((_, i) => Math.max(...rows.map((row) => displayWidth(row[i]!.text))));
  let excess = widths.reduce((sum, each) => sum + each, GAP.length * (widths.length - 1)) - width;
  while (excess > 0) {
    const flexible = widths.map((each, i) => ({ each, i })).filter(({ i }) => layout[i]?.wrap);
    const widest = flexible.reduce((a, b) => (b.each > a.each ? b : a), { each: 0, i: -1 });
    if (widest.each <= NARROWEST) break;
    widths[widest.i]!--;
    excess--;
  }
  return widths;
}

/** Breaks at spaces; a word longer than the line stays whole. */
function breakLines(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line && displayWidth(line) + 1 + displayWidth(word) > width) {
      lines.push(line);
      line = word;
    } else {
      line = line ? `${line} ${word}` : word;
    }
  }
  lines.push(line);
  return lines;
}

function cellText(value: unknown): string {
  if (value === undefined || value === null || value === '') return '-';
  if (Array.isArray(value)) return value.length === 0 ? '-' : value.map(cellText).join(',');
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return printable(typeof value === 'object' ? JSON.stringify(value) : String(value));
}

/** Control characters are shown, never sent: a name must not be able to move the reader's cursor. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) =>
    character === '\n' || character === '\t' ? ' ' : `\\u{${character.codePointAt(0)!.toString(16)}}`,
  );
}

function displayWidth(text: string): number {
  let width = 0;
  for (const { segment } of graphemes.segment(text)) width += WIDE.test(segment) ? 2 : 1;
  return width;
}

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });
/** Scripts and pictures that terminals draw two cells wide. */
const WIDE =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\uFF01-\uFF60]/u;
