import { type SetSpec, type TableRef, tableText } from './spec.ts';
import type { Operation } from './transaction.ts';

export interface Description {
  /** `add`, `delete`, `flush` or `replace`. */
  readonly operation: string;
  /** `chain pre in table inet flyover`, `element 10.0.0.1 of set s in table ip t`. */
  readonly object: string;
}

/** An operation in words, for errors; `element` names the one of several that was refused. */
export function describe(operation: Operation, element?: string): Description {
  const { op } = operation;
  const verb = op.replace(/[A-Z].*/, '');
  const of = (object: string): Description => ({ operation: verb, object });
  switch (operation.op) {
    case 'addTable':
    case 'deleteTable':
    case 'flushTable':
      return of(tableText(operation.table));
    case 'addChain':
    case 'deleteChain':
    case 'flushChain':
      return of(inTable('chain', operation.chain));
    case 'addRule':
    case 'replaceRule': {
      const { rule } = operation;
      const which = op === 'replaceRule' ? `rule ${operation.handle}` : 'rule';
      const comment = rule.comment === undefined ? '' : ` "${rule.comment}"`;
      const place = inTable('chain', { table: rule.table, name: rule.chain });
      return of(`${which}${comment} in ${place}`);
    }
    case 'deleteRule':
      return of(`rule ${operation.handle} in ${inTable('chain', operation.chain)}`);
    case 'addSet':
    case 'deleteSet': {
      const kind = 'data' in operation.set ? 'map' : 'set';
      return of(inTable(kind, operation.set));
    }
    case 'flushSet':
      return of(inTable('set', operation.set));
    case 'addElements':
    case 'deleteElements': {
      const { table, set, elements } = operation.elements;
      const name = setName(set);
      const which =
        element === undefined && elements.length !== 1
          ? `${elements.length} elements`
          : `element ${element ?? keyText(elements[0]!.key)}`;
      return of(`${which} of ${inTable('set', { table, name })}`);
    }
    case 'addCounter':
    case 'deleteCounter':
      return of(inTable('counter', operation.counter));
  }
}

export function setName(set: string | SetSpec): string {
  return typeof set === 'string' ? set : set.name;
}

/** `eth0 . 10.0.0.1`. */
export function keyText(key: unknown): string {
  return Array.isArray(key) ? key.join(' . ') : String(key);
}

export function inTable(kind: string, object: { table: TableRef; name: string }): string {
  return `${kind} ${object.name} in ${tableText(object.table)}`;
}
