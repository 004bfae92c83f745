import { same } from '../controllers/common/hash.ts';
import type { Node, Pod } from '../controllers/common/objects.ts';

/** Whether an update of a pod or node can change where pods fit. Heartbeats and most status do not. */
export function schedulingChange(now: Pod | Node, old: Pod | Node): boolean {
  if (now.metadata.deletionTimestamp !== old.metadata.deletionTimestamp) return true;
  if (!same(now.metadata.labels, old.metadata.labels) || !same(now.spec, old.spec)) return true;
  const { allocatable: a, capacity: c } = now.status as Node['status'];
  const { allocatable: oldA, capacity: oldC } = old.status as Node['status'];
  return !same(a, oldA) || !same(c, oldC);
}
