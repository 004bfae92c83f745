/** A list in a random order, every one equally likely (Fisher and Yates): clients take the first address. */
export function shuffled<T>(list: readonly T[]): readonly T[] {
  if (list.length < 2) return list;
  const result = [...list];
  for (let last = result.length - 1; last > 0; last--) {
    const other = Math.floor(Math.random() * (last + 1));
    [result[last], result[other]] = [result[other]!, result[last]!];
  }
  return result;
}
