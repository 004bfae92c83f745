// What the collector does with one object. Pure.
import type { OwnerReference } from '../common/objects.ts';
import { FOREGROUND, type Item, ORPHAN, type OwnerGraph } from './graph.ts';

export type OwnerState = 'solid' | 'absent' | 'waiting' | 'unresolvable';

export type Action =
  | { do: 'nothing' }
  /** Takes these owners out of the references. */
  | { do: 'release'; uids: string[] }
  | { do: 'delete'; propagationPolicy: 'Background' | 'Foreground' | 'Orphan'; unblock: Item[] }
  /** Its dependents are looked at; `finish` when none blocks it any more. */
  | { do: 'foreground'; dependents: Item[]; finish: boolean }
  | { do: 'orphan'; dependents: Item[] };

/** An object on its way out with a finalizer of ours, or one whose owners are gone. */
export function decide(
  item: Item,
  graph: OwnerGraph,
  stateOf: (owner: OwnerReference) => OwnerState,
): Action {
  if (item.deleting) {
    const dependents = graph.dependentsOf(item.uid);
    if (item.finalizers.includes(ORPHAN)) return { do: 'orphan', dependents };
    if (!item.finalizers.includes(FOREGROUND)) return { do: 'nothing' };
    const blocking = dependents.filter((dependent) => blocks(dependent, item.uid));
    return { do: 'foreground', dependents, finish: blocking.length === 0 };
  }
  if (!item.owners.length) return { do: 'nothing' };
  const states = item.owners.map((owner) => ({ owner, state: stateOf(owner) }));
  // A reference that can never be right is somebody's mistake, no reason to delete.
  if (states.some(({ state }) => state === 'unresolvable')) return { do: 'nothing' };
  const gone = states.filter(({ state }) => state !== 'solid').map(({ owner }) => owner.uid);
  if (gone.length < states.length) return gone.length ? { do: 'release', uids: gone } : { do: 'nothing' };
  if (states.some(({ state }) => state === 'waiting')) {
    const dependents = graph.dependentsOf(item.uid);
    if (dependents.length) {
      // Two that wait for each other would wait for ever.
      const unblock = dependents.filter((d) => d.deleting && d.finalizers.includes(FOREGROUND));
      return { do: 'delete', propagationPolicy: 'Foreground', unblock };
    }
  }
  const propagationPolicy = item.finalizers.includes(ORPHAN)
    ? 'Orphan'
    : item.finalizers.includes(FOREGROUND)
      ? 'Foreground'
      : 'Background';
  return { do: 'delete', propagationPolicy, unblock: [] };
}

/** Whether the dependent keeps an owner with this uid from going. */
export function blocks(dependent: Item, uid: string): boolean {
  return dependent.owners.some((owner) => owner.uid === uid && owner.blockOwnerDeletion === true);
}
