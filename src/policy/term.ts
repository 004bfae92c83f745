import type { PodClass } from './classes.ts';
import type { Identity } from './identity.ts';
import type { NamedPort, Peer, Range } from './policy.ts';
import type { Profile } from './profile.ts';

/** Something that a rule says about the other end of a connection. */
export type Condition =
  | Peer
  /** Is the node that the tables are for. */
  | { readonly kind: 'own node' }
  /** Has a port of this name. */
  | { readonly kind: 'port'; readonly port: NamedPort };

/** A condition that rules of this node's pods name; the same for all that spell it alike. */
export class Term {
  readonly id: number;
  readonly key: string;
  readonly condition: Condition;
  /** Every pod fulfils it: what follows from that is the row of the pods' base class. */
  readonly universal: boolean;
  readonly profiles = new Set<Profile>();
  readonly classes = new Set<PodClass>();
  /** Identities that fulfil it; always empty for conditions about addresses. */
  readonly members = new Set<Identity>();

  constructor(id: number, key: string, condition: Condition) {
    this.id = id;
    this.key = key;
    this.condition = condition;
    this.universal = isUniversal(condition);
  }
}

function isUniversal(condition: Condition): boolean {
  return (
    condition.kind === 'pods' &&
    typeof condition.namespaces !== 'string' &&
    condition.namespaces.requirements.length + condition.pods.requirements.length === 0
  );
}

export function conditionKey(condition: Condition): string {
  switch (condition.kind) {
    case 'pods': {
      const { namespaces, pods } = condition;
      const where = typeof namespaces === 'string' ? `in ${namespaces}` : `where ${namespaces.text}`;
      return `pods ${where} ${pods.text}`;
    }
    case 'block':
      return `block ${rangeText(condition.block)} except ${condition.except.map(rangeText).sort().join(' ')}`;
    case 'nodes':
      return `nodes ${condition.nodes.text}`;
    case 'own node':
      return condition.kind;
    case 'port':
      return `port ${condition.port.name} ${condition.port.protocol ?? 'any'}`;
  }
}

function rangeText({ family, first, last }: Range): string {
  return `${family}/${first}-${last}`;
}
