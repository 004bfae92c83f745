/** Whether the labels hold each pair of `wanted`. */
export function hasLabels(
  labels: Record<string, string> | undefined,
  wanted: Record<string, string> | undefined,
): boolean {
  for (const key in wanted) if (labels?.[key] !== wanted[key]) return false;
  return true;
}

/** Whether a selector has no terms at all: it would select every object. */
export function isEmptySelector(
  selector: { matchLabels?: object | undefined; matchExpressions?: unknown[] | undefined } | undefined,
): boolean {
  return !Object.keys(selector?.matchLabels ?? {}).length && !selector?.matchExpressions?.length;
}
