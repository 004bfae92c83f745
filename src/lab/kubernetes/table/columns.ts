import type { KubeObject } from '../schema/types.ts';

export interface ColumnDefinition {
  name: string;
  type: string;
  format: string;
  description: string;
  priority: number;
}

export type Cell = string | number | boolean | null;

export interface Context {
  now: Date;
}

/** How a kind is shown: its columns, and the cells of an object in their order. */
export interface Printer {
  columns: ColumnDefinition[];
  cells(object: KubeObject, context: Context): Cell[];
  /** Said beside a row: that a pod has completed. */
  conditions?(object: KubeObject): Record<string, string>[] | undefined;
}

/** Names of columns: `*` behind one that only `-o wide` shows, `#` before one of whole numbers. */
export function columns(...names: string[]): ColumnDefinition[] {
  return names.map((text) => {
    const wide = text.endsWith('*');
    const integer = text.startsWith('#');
    const name = text.slice(integer ? 1 : 0, wide ? -1 : undefined);
    return {
      name,
      type: integer ? 'integer' : 'string',
      format: name === 'Name' ? 'name' : '',
      description: '',
      priority: wide ? 1 : 0,
    };
  });
}

/** Each function knows its own kind; the table of printers is where that is promised. */
export function printer<T>(
  names: string[],
  cells: (object: T, context: Context) => Cell[],
  conditions?: (object: T) => Record<string, string>[] | undefined,
): Printer {
  return {
    columns: columns(...names),
    cells: cells as unknown as Printer['cells'],
    ...(conditions && { conditions: conditions as unknown as NonNullable<Printer['conditions']> }),
  };
}

export const NONE = '<none>';
export const UNSET = '<unset>';
export const UNKNOWN = '<unknown>';

/** The first `max` of a list, and how many more there are. */
export function someOf(items: readonly string[], max: number): string {
  const shown = items.slice(0, max).join(',');
  return items.length > max ? `${shown} + ${items.length - max} more...` : shown;
}
