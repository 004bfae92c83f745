import type { KindInfo, PrinterColumn } from '../schema/types.ts';
import { since } from './age.ts';
import { type Cell, columns, type Printer } from './columns.ts';
import { findJsonPath, type JsonPath, parseJsonPath } from './json-path.ts';

const AGE: PrinterColumn = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' };

/** The table of a custom kind: its name and the CRD's columns, or its age where it has none. */
export function customPrinter(kind: KindInfo): Printer {
  const own = kind.printerColumns?.length ? kind.printerColumns : [AGE];
  const paths = own.map(({ jsonPath }) => readable(jsonPath));
  return {
    columns: [
      ...columns('Name'),
      ...own.map(({ name, type, format, description, priority }) => ({
        name,
        type,
        format: format ?? '',
        description: description ?? `Custom resource definition column (in JSONPath format): ${name}`,
        priority: priority ?? 0,
      })),
    ],
    cells: (object, { now }) => [
      object.metadata?.name ?? '',
      ...own.map(({ type }, index) => cell(type, paths[index], object, now)),
    ],
  };
}

/** A CRD with a path that cannot be read is refused; here it only shows nothing. */
function readable(text: string): JsonPath | undefined {
  try {
    return parseJsonPath(text);
  } catch {
    return undefined;
  }
}

function cell(type: string, path: JsonPath | undefined, object: unknown, now: Date): Cell {
  const [value] = path ? findJsonPath(path, object) : [];
  if (value === undefined || value === null) return null;
  switch (type) {
    case 'integer':
      return typeof value === 'number' ? Math.trunc(value) : null;
    case 'number':
      return typeof value === 'number' ? value : null;
    case 'boolean':
      return typeof value === 'boolean' ? value : null;
    case 'date':
      return typeof value === 'string' && !Number.isNaN(Date.parse(value)) ? since(value, now) : '<invalid>';
    default:
      return typeof value === 'object' ? JSON.stringify(value) : String(value);
  }
}
