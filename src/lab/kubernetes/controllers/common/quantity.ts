// Quantities as the scheduler and the controllers count them: whole numbers.
import { tryQuantity } from '../../../../kube/quantity.ts';

// Manifests repeat a handful of texts; parsing each once keeps a scheduling round free of it.
const parsed = new Map<string, number>();
const MOST_PARSED = 4096;

/**
 * A quantity as a number, rounded up: thousandths of a core for cpu, else bytes or pieces. 0 for what is no quantity (the API server has
 * validated it).
 */
export function units(resource: string, text: string | number | undefined): number {
  if (text === undefined) return 0;
  const key = `${resource === 'cpu' ? 'm' : ''}:${text}`;
  let value = parsed.get(key);
  if (value === undefined) {
    const amount = tryQuantity(text);
    value = (resource === 'cpu' ? amount?.milliValue() : amount?.value()) ?? 0;
    if (parsed.size >= MOST_PARSED) parsed.clear();
    parsed.set(key, value);
  }
  return value;
}

/** A number, or `25%` of `total`. */
export function scaled(value: number | string | undefined, total: number, round: 'up' | 'down'): number {
  if (value === undefined) return 0;
  if (typeof value === 'number') return value;
  const percent = Number(/^([0-9]+)%$/.exec(value)?.[1] ?? Number.NaN);
  if (Number.isNaN(percent)) return Number(value) || 0;
  const exact = (percent * total) / 100;
  return round === 'up' ? Math.ceil(exact) : Math.floor(exact);
}
