import { isDeepStrictEqual } from 'node:util';
import type { ManifestProblem } from '../manifest/problem.ts';
import { AddressBook } from './address-book.ts';
import { AnchorIndex, peerIsPod } from './anchor-index.ts';
import { Classes } from './classes.ts';
import { Conditions } from './conditions.ts';
import type { Direction } from './decision.ts';
import { Identities, Identity } from './identity.ts';
import { Ids } from './ids.ts';
import {
  type ClusterPolicy,
  keyOf,
  type Labels,
  NAMESPACE_NAME_LABEL,
  type NamespaceObject,
  type NetworkPolicy,
  type NodeObject,
  type PodObject,
  type PolicyKind,
  policyKey,
} from './objects.ts';
import { type PodAddress, type PodEntry, podAddresses, takesPart, traitsOf } from './pod-entry.ts';
import type { Policy } from './policy.ts';
import type { Profile } from './profile.ts';
import { Profiles } from './profiles.ts';
import { readClusterPolicy } from './read-cluster-policy.ts';
import { readNetworkPolicy } from './read-network-policy.ts';
import { Rows } from './rows.ts';
import { type Network, OPEN_PROFILE, type PolicyChange, type PolicyTables } from './tables.ts';
import { TrackedMap } from './tracked-map.ts';

interface PolicyEntry {
  readonly spec: unknown;
  readonly policy: Policy;
}

const DIRECTIONS = ['ingress', 'egress'] as const;
const NO_LABELS: Labels = {};

/**
 * The tables of one node, kept up to date: what changes costs as much as what it concerns on this node (see tables.ts),
 * however many pods and policies there are. Policies are kept as they are given and must not be changed.
 *
 * A pod's address may be known before the API has it: give the pod with `status.podIPs` from the CNI's ADD.
 */
export class PolicyModel {
  readonly #node: string;
  readonly #namespaces = new Map<string, Labels>();
  readonly #pods = new Map<string, PodEntry>();
  readonly #localPods = new Set<PodEntry>();
  readonly #policies = new Map<string, PolicyEntry>();
  readonly #selecting = new AnchorIndex<Policy>();
  readonly #identities = new Identities();
  readonly #book = new AddressBook();
  readonly #conditions: Conditions;
  readonly #outcomeIds = new Ids();
  readonly #profiles: Profiles;
  readonly #classes = new Classes();
  readonly #rows = new Rows(this.#outcomeIds);

  readonly #own = new TrackedMap<string, true>();
  readonly #subjects = {
    ingress: new TrackedMap<string, number>(),
    egress: new TrackedMap<string, number>(),
  };
  readonly #addresses = new TrackedMap<string, number>();
  readonly #networks = new TrackedMap<string, Network>((a, b) => a.class === b.class);

  /** Local pods whose profiles are to be found anew. */
  readonly #touchedPods = new Set<PodEntry>();
  /** Addresses whose class, or whose holder, may be another. */
  readonly #touchedAddresses = new Set<string>();
  readonly #problems = new Map<string, readonly ManifestProblem[]>();
  #changedProblems = new Map<string, readonly ManifestProblem[]>();

  /** @param node the name of the node that the tables are for */
  constructor(node: string) {
    this.#node = node;
    this.#conditions = new Conditions(node, this.#identities, (namespace) => this.#labelsOf(namespace));
    this.#profiles = new Profiles(this.#conditions);
  }

  /** Whether there may be something to {@link take}. */
  get pending(): boolean {
    return (
      this.#touchedPods.size + this.#touchedAddresses.size + this.#changedProblems.size > 0 ||
      this.#conditions.pending
    );
  }

  /** How much there is of what. */
  get sizes(): Readonly<
    Record<'pods' | 'identities' | 'policies' | 'profiles' | 'terms' | 'classes', number>
  > {
    return {
      pods: this.#pods.size,
      identities: this.#identities.size,
      policies: this.#policies.size,
      profiles: this.#profiles.size,
      terms: this.#conditions.size,
      classes: this.#classes.size,
    };
  }

  /** As of the last {@link take}; a view that changes with the next. */
  get tables(): PolicyTables {
    return {
      node: this.#own.view,
      ingress: this.#subjects.ingress.view,
      egress: this.#subjects.egress.view,
      addresses: this.#addresses.view,
      networks: this.#networks.view,
      rows: this.#rows.rows.view,
      outcomes: this.#rows.outcomes.view,
    };
  }

  /** The NetworkPolicies that isolate whoever has the address, local or not: who is meant by `isolated`. */
  isolating(direction: Direction, address: string): readonly string[] {
    const identity = this.#book.at(address)?.pod.identity;
    if (identity === undefined) return [];
    const { namespace, labels } = identity;
    return [...this.#selecting.matching(namespace, labels, this.#labelsOf(namespace))]
      .filter((policy) => policy.tier === 'network-policy' && policy[direction] !== undefined)
      .map(({ key }) => key)
      .sort();
  }

  setPod(pod: PodObject): void {
    const key = keyOf(pod);
    const addresses = takesPart(pod) ? podAddresses(pod) : [];
    const old = this.#pods.get(key);
    if (addresses.length === 0) {
      if (old) this.#removePod(old);
      return;
    }
    const traits = traitsOf(pod);
    const local = pod.spec?.nodeName === this.#node;
    const created = pod.metadata?.creationTimestamp ?? '';
    if (old) {
      const same =
        old.identity.key === traits.key &&
        old.local === local &&
        old.created === created &&
        sameAddresses(old.addresses, addresses);
      if (same) return;
    }
    let identity = this.#identities.get(traits.key);
    if (identity === undefined) {
      identity = new Identity(traits.key, traits.namespace, traits.labels, traits.ports);
      this.#identities.add(identity);
      this.#conditions.ask(identity);
    }
    const entry: PodEntry = {
      key,
      identity,
      addresses,
      local,
      created,
      ingress: undefined,
      egress: undefined,
    };
    identity.pods.add(entry);
    if (old) this.#removePod(old);
    this.#pods.set(key, entry);
    this.#book.add(entry);
    for (const { text } of addresses) this.#touchedAddresses.add(text);
    if (local) {
      this.#localPods.add(entry);
      this.#touchedPods.add(entry);
    }
  }

  /** @param key `namespace/name` */
  deletePod(key: string): void {
    const entry = this.#pods.get(key);
    if (entry) this.#removePod(entry);
  }

  setNamespace({ metadata }: NamespaceObject): void {
    this.#relabel(metadata?.name ?? '', metadata?.labels ?? NO_LABELS);
  }

  deleteNamespace(name: string): void {
    this.#relabel(name, undefined);
  }

  setNode(node: NodeObject): void {
    this.#conditions.setNode(node.metadata?.name ?? '', node);
  }

  deleteNode(name: string): void {
    this.#conditions.setNode(name, undefined);
  }

  setPolicy(kind: 'NetworkPolicy', policy: NetworkPolicy): void;
  setPolicy(kind: PolicyKind, policy: ClusterPolicy | NetworkPolicy): void;
  setPolicy(kind: PolicyKind, object: ClusterPolicy | NetworkPolicy): void {
    const key = policyKey(kind, object);
    const old = this.#policies.get(key);
    if (old && isDeepStrictEqual(old.spec, object.spec)) return;
    const { policy, problems } =
      kind === 'NetworkPolicy'
        ? readNetworkPolicy(object as NetworkPolicy)
        : readClusterPolicy(kind, object as ClusterPolicy);
    this.#removePolicy(old?.policy);
    this.#policies.set(key, { spec: object.spec, policy });
    if (policy.subject) this.#selecting.add(policy.subject, policy);
    this.#touchSelected(policy);
    this.#tell(key, problems.found);
  }

  /** @param key as {@link policyKey} has it: `NetworkPolicy default/web`, `ClusterNetworkPolicy web` */
  deletePolicy(key: string): void {
    const old = this.#policies.get(key);
    if (!old) return;
    this.#policies.delete(key);
    this.#removePolicy(old.policy);
    this.#tell(key, []);
  }

  /** Brings the tables up to date, and says what is another now. */
  take(): PolicyChange {
    this.#settleOwn();
    const fresh = this.#settleProfiles();
    const { identities, ranges } = this.#conditions.settle();
    if (ranges.length > 0) this.#settleNetworks();
    for (const { pods } of identities)
      for (const { addresses } of pods) for (const { text } of addresses) this.#touchedAddresses.add(text);
    for (const range of ranges)
      for (const { text } of this.#book.within(range)) this.#touchedAddresses.add(text);
    this.#settleAddresses();
    this.#settleRows(fresh);
    return this.#changes();
  }

  #labelsOf(namespace: string): Labels {
    return this.#namespaces.get(namespace) ?? { [NAMESPACE_NAME_LABEL]: namespace };
  }

  #relabel(name: string, labels: Labels | undefined): void {
    const before = this.#labelsOf(name);
    if (labels) this.#namespaces.set(name, labels);
    else this.#namespaces.delete(name);
    if (isDeepStrictEqual(before, this.#labelsOf(name))) return;
    for (const identity of this.#identities.inNamespace(name)) this.#conditions.ask(identity);
    for (const pod of this.#localPods) if (pod.identity.namespace === name) this.#touchedPods.add(pod);
  }

  #removePod(entry: PodEntry): void {
    this.#pods.delete(entry.key);
    this.#book.delete(entry);
    for (const { text } of entry.addresses) this.#touchedAddresses.add(text);
    this.#localPods.delete(entry);
    this.#touchedPods.delete(entry);
    for (const direction of DIRECTIONS) this.#profiles.give(entry, direction, undefined);
    const { identity } = entry;
    identity.pods.delete(entry);
    if (identity.pods.size > 0) return;
    this.#identities.delete(identity);
    this.#conditions.forget(identity);
  }

  #removePolicy(policy: Policy | undefined): void {
    if (!policy?.subject) return;
    this.#selecting.delete(policy.subject, policy);
    this.#touchSelected(policy);
  }

  /** A node has at most some hundred pods, so that asking each is cheaper than an index. */
  #touchSelected({ subject }: Policy): void {
    if (!subject) return;
    for (const pod of this.#localPods) {
      const { namespace, labels } = pod.identity;
      if (peerIsPod(subject, namespace, labels, this.#labelsOf(namespace))) this.#touchedPods.add(pod);
    }
  }

  #tell(key: string, problems: readonly ManifestProblem[]): void {
    if (isDeepStrictEqual(problems, this.#problems.get(key) ?? [])) return;
    if (problems.length > 0) this.#problems.set(key, problems);
    else this.#problems.delete(key);
    this.#changedProblems.set(key, problems);
  }

  #settleOwn(): void {
    const now = new Set(this.#conditions.ownAddresses());
    for (const address of [...this.#own.view.keys()]) if (!now.has(address)) this.#own.delete(address);
    for (const address of now) this.#own.set(address, true);
  }

  /** Profiles that are new. Those that nobody has any more are gone, with their rows. */
  #settleProfiles(): readonly Profile[] {
    for (const pod of this.#touchedPods) {
      const { namespace, labels } = pod.identity;
      const selecting = this.#selecting.matching(namespace, labels, this.#labelsOf(namespace));
      for (const direction of DIRECTIONS) this.#profiles.give(pod, direction, selecting);
      for (const { text } of pod.addresses) this.#touchedAddresses.add(text);
    }
    this.#touchedPods.clear();
    const { fresh, gone } = this.#profiles.settle();
    for (const profile of gone) {
      this.#rows.delete(profile);
      this.#profiles.drop(profile);
    }
    return fresh;
  }

  #settleNetworks(): void {
    const left = new Map(this.#networks.view);
    for (const interval of this.#conditions.partition.intervals) {
      const { family, first, last } = interval;
      const held = this.#classes.hold(undefined, interval)!;
      const key = `${family}/${first}-${last}`;
      this.#networks.set(key, { family, first, last, class: held.id });
      const old = left.get(key);
      if (old === undefined) continue;
      left.delete(key);
      this.#classes.release(this.#classes.get(old.class)!);
    }
    for (const [key, network] of left) {
      this.#networks.delete(key);
      this.#classes.release(this.#classes.get(network.class)!);
    }
  }

  #settleAddresses(): void {
    for (const text of this.#touchedAddresses) {
      const holder = this.#book.at(text);
      const old = this.#classes.get(this.#addresses.view.get(text));
      const now = holder && this.#classOf(holder.pod, holder.address);
      if (now) this.#addresses.set(text, now.id);
      else this.#addresses.delete(text);
      if (old) this.#classes.release(old);
      for (const direction of DIRECTIONS) {
        if (holder?.pod.local) this.#subjects[direction].set(text, holder.pod[direction]?.id ?? OPEN_PROFILE);
        else this.#subjects[direction].delete(text);
      }
    }
    this.#touchedAddresses.clear();
  }

  #classOf({ identity }: PodEntry, { family, value }: PodAddress) {
    return this.#classes.hold(identity, this.#conditions.partition.at(family, value));
  }

  #settleRows(freshProfiles: readonly Profile[]): void {
    const { fresh, gone } = this.#classes.settle();
    for (const one of gone) this.#rows.deleteClass(one);
    for (const profile of freshProfiles) this.#rows.add(profile);
    for (const one of fresh) this.#rows.addClass(one);
  }

  #changes(): PolicyChange {
    const problems = this.#changedProblems;
    this.#changedProblems = new Map();
    this.#outcomeIds.settle();
    this.#classes.forgetNumbers();
    this.#profiles.forgetNumbers();
    this.#conditions.forgetNumbers();
    return {
      node: this.#own.take(),
      ingress: this.#subjects.ingress.take(),
      egress: this.#subjects.egress.take(),
      addresses: this.#addresses.take(),
      networks: this.#networks.take(),
      rows: this.#rows.rows.take(),
      outcomes: this.#rows.outcomes.take(),
      problems,
    };
  }
}

function sameAddresses(a: readonly PodAddress[], b: readonly PodAddress[]): boolean {
  return a.length === b.length && a.every(({ text }, i) => text === b[i]?.text);
}
