import { isDeepStrictEqual } from 'node:util';
import { type Family, formatAddress, type IpAddress, isAddress, parseAddress } from '../address/ip.ts';
import { AnchorIndex } from './anchor-index.ts';
import type { Identities, Identity } from './identity.ts';
import { Ids } from './ids.ts';
import type { Labels, NodeObject } from './objects.ts';
import { Partition, without } from './partition.ts';
import type { PortRange, Range } from './policy.ts';
import type { Profile } from './profile.ts';
import { listOf } from './read-parts.ts';
import { selectorMatches } from './selector.ts';
import { type Condition, conditionKey, Term } from './term.ts';

interface NodeEntry {
  readonly labels: Labels;
  readonly addresses: readonly IpAddress[];
}

const NO_PORTS: readonly PortRange[] = [];

/** The terms in use, and who fulfils them. */
export class Conditions {
  readonly partition = new Partition();
  readonly #node: string;
  readonly #identities: Identities;
  readonly #labelsOf: (namespace: string) => Labels;
  readonly #ids = new Ids();
  readonly #terms = new Map<string, Term>();
  readonly #index = new AnchorIndex<Term>();
  readonly #byPort = new Map<string, Set<Term>>();
  readonly #nodes = new Map<string, NodeEntry>();
  #nodesChanged = false;
  /** Their terms are to be found anew. */
  readonly #unknown = new Set<Identity>();
  /** Their terms are others than when they were settled. */
  readonly #changed = new Set<Identity>();
  readonly #fresh = new Set<Term>();

  constructor(node: string, identities: Identities, labelsOf: (namespace: string) => Labels) {
    this.#node = node;
    this.#identities = identities;
    this.#labelsOf = labelsOf;
  }

  get pending(): boolean {
    return this.#unknown.size > 0 || this.#nodesChanged;
  }

  get size(): number {
    return this.#terms.size;
  }

  /** The addresses of the node that the tables are for. */
  ownAddresses(): readonly string[] {
    return (this.#nodes.get(this.#node)?.addresses ?? []).map(formatAddress);
  }

  setNode(name: string, node: NodeObject | undefined): void {
    const entry = node && nodeEntry(node);
    // A node tells its state every few seconds
    if (isDeepStrictEqual(entry, this.#nodes.get(name))) return;
    this.#nodesChanged = true;
    if (entry) this.#nodes.set(name, entry);
    else this.#nodes.delete(name);
  }

  /** The identity is new, or its namespace has other labels. */
  ask(identity: Identity): void {
    this.#unknown.add(identity);
  }

  forget(identity: Identity): void {
    this.#unknown.delete(identity);
    this.#changed.delete(identity);
    for (const term of identity.terms.keys()) term.members.delete(identity);
  }

  termOf(condition: Condition): Term {
    const key = conditionKey(condition);
    const held = this.#terms.get(key);
    if (held) return held;
    const term = new Term(this.#ids.give(), key, condition);
    this.#terms.set(key, term);
    this.#fresh.add(term);
    return term;
  }

  /** Takes out the terms that nobody names any more. */
  drop(profile: Profile): void {
    for (const term of profile.terms) {
      term.profiles.delete(profile);
      if (term.profiles.size > 0) continue;
      this.#terms.delete(term.key);
      this.#ids.release(term.id);
      if (!this.#fresh.delete(term)) this.#deactivate(term);
    }
  }

  /** Brings everything up to date: identities whose terms are others now, and ranges where intervals may be. */
  settle(): { readonly identities: readonly Identity[]; readonly ranges: readonly Range[] } {
    for (const term of this.#fresh) this.#activate(term);
    this.#fresh.clear();
    for (const identity of this.#unknown) this.#find(identity);
    this.#unknown.clear();
    if (this.#nodesChanged)
      for (const term of [...this.#terms.values()]) {
        const { kind } = term.condition;
        if (kind === 'nodes' || kind === 'own node') this.partition.set(term, this.#rangesOf(term.condition));
      }
    this.#nodesChanged = false;
    const identities = [...this.#changed].filter((identity) => {
      const key = termKey(identity);
      if (key === identity.termKey) return false;
      identity.termKey = key;
      return true;
    });
    this.#changed.clear();
    return { identities, ranges: this.partition.settle() };
  }

  /** Numbers of terms that are gone may be given again. */
  forgetNumbers(): void {
    this.#ids.settle();
  }

  #activate(term: Term): void {
    const { condition } = term;
    if (condition.kind === 'pods') {
      this.#index.add(condition, term);
      for (const identity of this.#identities.matching(condition, this.#labelsOf))
        this.#join(identity, term, NO_PORTS);
    } else if (condition.kind === 'port') {
      const held = this.#byPort.get(condition.port.name);
      if (held) held.add(term);
      else this.#byPort.set(condition.port.name, new Set([term]));
      for (const identity of this.#identities.withPort(condition.port)) {
        const ports = identity.portsNamed(condition.port);
        if (ports.length > 0) this.#join(identity, term, ports);
      }
    } else this.partition.set(term, this.#rangesOf(condition));
  }

  #deactivate(term: Term): void {
    const { condition } = term;
    if (condition.kind === 'pods') this.#index.delete(condition, term);
    else if (condition.kind === 'port') {
      const held = this.#byPort.get(condition.port.name);
      held?.delete(term);
      if (held?.size === 0) this.#byPort.delete(condition.port.name);
    } else this.partition.delete(term);
    for (const identity of term.members) {
      identity.terms.delete(term);
      this.#changed.add(identity);
    }
    term.members.clear();
  }

  #join(identity: Identity, term: Term, ports: readonly PortRange[]): void {
    identity.terms.set(term, ports);
    term.members.add(identity);
    this.#changed.add(identity);
  }

  #find(identity: Identity): void {
    for (const term of identity.terms.keys()) term.members.delete(identity);
    identity.terms = new Map();
    this.#changed.add(identity);
    const { namespace, labels } = identity;
    for (const term of this.#index.matching(namespace, labels, this.#labelsOf(namespace)))
      this.#join(identity, term, NO_PORTS);
    for (const name of new Set(identity.ports.map((port) => port.name)))
      for (const term of this.#byPort.get(name) ?? []) {
        if (term.condition.kind !== 'port') continue;
        const ports = identity.portsNamed(term.condition.port);
        if (ports.length > 0) this.#join(identity, term, ports);
      }
  }

  #rangesOf(condition: Condition): readonly Range[] {
    switch (condition.kind) {
      case 'block':
        return without(condition.block, condition.except);
      case 'nodes':
        return this.#addressesOf(({ labels }) => selectorMatches(condition.nodes, labels));
      case 'own node':
        return this.#addressesOf((_, name) => name === this.#node);
      default:
        return [];
    }
  }

  /** Nodes may share an address for a while, when one takes the place of another. */
  #addressesOf(wanted: (node: NodeEntry, name: string) => boolean): readonly Range[] {
    const found = new Map<string, Range>();
    for (const [name, node] of this.#nodes) {
      if (!wanted(node, name)) continue;
      for (const { family, value } of node.addresses)
        found.set(addressKey(family, value), { family, first: value, last: value });
    }
    return [...found.values()];
  }
}

function nodeEntry({ metadata, status }: NodeObject): NodeEntry {
  const found = new Map<string, IpAddress>();
  for (const { address } of listOf(status?.addresses)) {
    if (typeof address !== 'string' || !isAddress(address)) continue;
    const parsed = parseAddress(address);
    found.set(formatAddress(parsed), parsed);
  }
  return { labels: metadata?.labels ?? {}, addresses: [...found.values()] };
}

function addressKey(family: Family, value: bigint): string {
  return `${family}/${value}`;
}

function termKey({ terms }: Identity): string {
  const parts = [...terms].sort(([a], [b]) => a.id - b.id);
  return parts.map(([{ id }, ports]) => (ports.length === 0 ? id : `${id}${portsText(ports)}`)).join(',');
}

function portsText(ports: readonly PortRange[]): string {
  return `:${[...new Set(ports.map(({ protocol, first }) => `${protocol}${first}`))].sort().join('+')}`;
}
