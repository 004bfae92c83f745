import { peerIsPod } from './anchor-index.ts';
import type { Labels } from './objects.ts';
import type { PodEntry } from './pod-entry.ts';
import type { NamedPort, PodPeer, PortRange } from './policy.ts';
import { anchorsOf, pairOf, selectorMatches } from './selector.ts';
import type { Term } from './term.ts';

/** A port of a container that has a name. */
export type ContainerPort = PortRange & { readonly name: string };

/** Pods that no selector can tell apart: same namespace, labels and named ports. */
export class Identity {
  readonly key: string;
  readonly namespace: string;
  readonly labels: Labels;
  readonly ports: readonly ContainerPort[];
  readonly pods = new Set<PodEntry>();
  /** The terms it fulfils; of a named port the numbers behind it. */
  terms = new Map<Term, readonly PortRange[]>();
  /** Says the same for identities with the same terms. */
  termKey = '';

  constructor(key: string, namespace: string, labels: Labels, ports: readonly ContainerPort[]) {
    this.key = key;
    this.namespace = namespace;
    this.labels = labels;
    this.ports = ports;
  }

  portsNamed({ name, protocol }: NamedPort): readonly PortRange[] {
    return this.ports.filter(
      (port) => port.name === name && (protocol === undefined || port.protocol === protocol),
    );
  }
}

/** What tells whether two pods are of one identity. */
export function identityKey(namespace: string, labels: Labels, ports: readonly ContainerPort[]): string {
  let text = namespace;
  for (const key of Object.keys(labels).sort()) text += `\n${key}=${labels[key]}`;
  if (ports.length === 0) return text;
  const named = ports.map(({ name, protocol, first }) => `\n:${name} ${protocol} ${first}`);
  return text + [...new Set(named)].sort().join('');
}

/** All identities that have pods, found by what selectors ask for. */
export class Identities {
  readonly #all = new Map<string, Identity>();
  readonly #byNamespace = new Map<string, Set<Identity>>();
  readonly #byPair = new Map<string, Set<Identity>>();
  readonly #byPort = new Map<string, Set<Identity>>();

  get size(): number {
    return this.#all.size;
  }

  get(key: string): Identity | undefined {
    return this.#all.get(key);
  }

  add(identity: Identity): void {
    this.#all.set(identity.key, identity);
    for (const [index, key] of this.#places(identity)) {
      const held = index.get(key);
      if (held) held.add(identity);
      else index.set(key, new Set([identity]));
    }
  }

  delete(identity: Identity): void {
    this.#all.delete(identity.key);
    for (const [index, key] of this.#places(identity)) {
      const held = index.get(key);
      held?.delete(identity);
      if (held?.size === 0) index.delete(key);
    }
  }

  inNamespace(namespace: string): Iterable<Identity> {
    return this.#byNamespace.get(namespace) ?? [];
  }

  withPort({ name }: NamedPort): Iterable<Identity> {
    return this.#byPort.get(name) ?? [];
  }

  *matching(peer: PodPeer, labelsOf: (namespace: string) => Labels): Generator<Identity> {
    for (const identity of this.#candidates(peer, labelsOf))
      if (peerIsPod(peer, identity.namespace, identity.labels, labelsOf(identity.namespace))) yield identity;
  }

  *#candidates({ namespaces, pods }: PodPeer, labelsOf: (namespace: string) => Labels): Generator<Identity> {
    const pairs = anchorsOf(pods);
    // The pairs have one key, so that nobody has two of them
    if (pairs) for (const pair of pairs) yield* this.#byPair.get(pair) ?? [];
    else if (typeof namespaces === 'string') yield* this.inNamespace(namespaces);
    else
      for (const [namespace, held] of this.#byNamespace)
        if (selectorMatches(namespaces, labelsOf(namespace))) yield* held;
  }

  *#places({ namespace, labels, ports }: Identity): Generator<[Map<string, Set<Identity>>, string]> {
    yield [this.#byNamespace, namespace];
    for (const key of Object.keys(labels)) yield [this.#byPair, pairOf(key, labels[key]!)];
    for (const { name } of ports) yield [this.#byPort, name];
  }
}
