import { SchemaRegistry } from '../schema/registry.ts';
import type { KindInfo, KubeObject } from '../schema/types.ts';
import { tableOf } from './index.ts';

export const registry = SchemaRegistry.load();
export const NOW = new Date('2026-01-01T12:00:00Z');
export const ago = (seconds: number) => new Date(NOW.getTime() - seconds * 1000).toISOString();

export interface Table {
  columnDefinitions: { name: string; priority: number; type: string }[];
  rows: { cells: unknown[]; object?: KubeObject; conditions?: object[] }[];
}

/** The cells of an object's row, by the names of their columns. */
export function show(kindName: string, object: object, group = '', version = 'v1'): Record<string, unknown> {
  const kind = registry.byKind({ group, version, kind: kindName }) as KindInfo;
  const whole = {
    ...object,
    metadata: { name: 'x', creationTimestamp: ago(300), ...(object as KubeObject).metadata },
  };
  const table = tableOf(kind, [whole as KubeObject], { now: NOW }) as unknown as Table;
  const [row] = table.rows;
  return Object.fromEntries(table.columnDefinitions.map(({ name }, index) => [name, row?.cells[index]]));
}
