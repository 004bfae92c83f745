// Conditions of a status: typed flags with reason, message and the time of the last change.

export interface Condition {
  type: string;
  status: string;
  reason?: string;
  message?: string;
  lastTransitionTime?: string;
}

/** Time in the API's form, whole seconds. */
export function timestamp(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

export function conditionOf<C extends Condition>(
  conditions: readonly C[] | undefined,
  type: string,
): C | undefined {
  return conditions?.find((c) => c.type === type);
}

/**
 * The list with the condition set: in its place, `lastTransitionTime` kept while the status stays. The same list when
 * status, reason and message are as before.
 */
export function withCondition<C extends Condition>(
  conditions: readonly C[] | undefined,
  next: C,
  now: number,
): C[] {
  const list = [...(conditions ?? [])];
  const at = list.findIndex((c) => c.type === next.type);
  const old = list[at];
  if (old && old.status === next.status && old.reason === next.reason && old.message === next.message)
    return list;
  const lastTransitionTime =
    old && old.status === next.status && old.lastTransitionTime ? old.lastTransitionTime : timestamp(now);
  const made = { ...next, lastTransitionTime };
  if (at < 0) list.push(made);
  else list[at] = made;
  return list;
}

export function withoutCondition<C extends Condition>(
  conditions: readonly C[] | undefined,
  type: string,
): C[] {
  return (conditions ?? []).filter((c) => c.type !== type);
}
