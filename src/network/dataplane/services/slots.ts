/**
 * Puts the wanted into numbered places 0 up to their count, moving as few as possible: who has a place that still
 * exists keeps it.
 *
 * @param old by place; undefined where there is a hole
 */
export function arrange(old: readonly (string | undefined)[], wanted: readonly string[]): string[] {
  const places = new Array<string | undefined>(wanted.length).fill(undefined);
  const left = new Set(wanted);
  for (let i = 0; i < wanted.length && i < old.length; i++) {
    const one = old[i];
    if (one !== undefined && left.delete(one)) places[i] = one;
  }
  const rest = left.values();
  return places.map((one) => one ?? rest.next().value!);
}
