/** The middle value, or the mean of the two in the middle. @throws RangeError for none */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The value below which a share of the values lies, 0..1, interpolated. @throws RangeError for none */
export function quantile(values: readonly number[], share: number): number {
  if (values.length === 0) throw new RangeError('there is no median of no values');
  const sorted = [...values].sort((a, b) => a - b);
  const at = share * (sorted.length - 1);
  const below = sorted[Math.floor(at)]!;
  const above = sorted[Math.ceil(at)]!;
  return below + (above - below) * (at - Math.floor(at));
}

/**
 * The order of what is compared in one round: every other round the other way about, and turned by one
 * after that, so that none always has the quiet or the busy place.
 */
export function orderOf<T>(subjects: readonly T[], round: number): T[] {
  const shift = Math.floor(round / 2);
  const turned = subjects.map((_, i) => subjects[(i + shift) % subjects.length]!);
  return round % 2 === 0 ? turned : turned.reverse();
}

/** A number as a person wants to read it: three digits that matter. */
export function rounded(value: number): number {
  return value === 0 ? 0 : Number(value.toPrecision(value >= 1000 ? 4 : 3));
}
