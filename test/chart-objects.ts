import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import type { KubeObject } from '../src/kube/types.ts';
import { renderTemplate } from './go-template.ts';

const chart = join(import.meta.dirname, '../deploy/chart');

export type Values = Record<string, unknown>;

/** A file of the chart. */
export const chartFile = (path: string): string => readFileSync(join(chart, path), 'utf8');

/** The chart's values with some of them changed, as `helm --set` does. @throws Error for a section that it has not */
export function chartValues(changes: Values = {}): Values {
  const values = parse(chartFile('values.yaml')) as Values;
  for (const [name, change] of Object.entries(changes)) {
    const former = values[name];
    if (former === undefined) throw new Error(`${name} is not in values.yaml`);
    values[name] = typeof former === 'object' ? { ...former, ...(change as object) } : change;
  }
  return values;
}

export const renderChartFile = (path: string, values: Values): string =>
  renderTemplate(chartFile(path), { Values: values });

/** The chart's objects, as `helm template` gives them. @throws Error for what is no YAML */
export function chartObjects(values: Values = chartValues()): KubeObject[] {
  return readdirSync(join(chart, 'templates'))
    .filter((name) => name.endsWith('.yaml'))
    .flatMap((name) =>
      parseAllDocuments(renderChartFile(`templates/${name}`, values)).map((document) => {
        const [error] = document.errors;
        if (error) throw new Error(`templates/${name}: ${error.message}`);
        return document.toJS() as KubeObject;
      }),
    );
}
