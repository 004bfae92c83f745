import type { MapSpec, SetSpec } from '../../../kernel/nft/index.ts';
import { BY_SOURCE, CHECK_SOURCE, DROP_NO_LOCAL, REFUSE, rememberChain, spreadChain } from './chains.ts';
import {
  ALLOWED,
  BACKENDS,
  CLUSTER_IPS,
  type Family,
  FRONTENDS,
  HAIRPINS,
  INSIDE,
  INSIDE_BACKENDS,
  KEEPING_SOURCE,
  OUTSIDE,
  REMEMBERED,
  RESTRICTED,
  TRACKED,
  WEARING_NODE,
} from './layout.ts';
import type { Mirror } from './mirror.ts';
import { arrange } from './slots.ts';
import type { Way } from './way.ts';

type PerFamily<T extends SetSpec = SetSpec> = Readonly<Record<Family, T>>;

/** Keys of ways. */
export interface ChangedWays {
  readonly all: Set<string>;
  /** Those that remember their clients. */
  readonly sticky: Set<string>;
}

/** Elements that several ways may need: there while one does. */
class Shared {
  readonly #counts = new Map<string, number>();
  readonly #set: PerFamily;
  readonly #mirror: Mirror;

  constructor(mirror: Mirror, set: PerFamily) {
    this.#mirror = mirror;
    this.#set = set;
  }

  add(family: Family, key: string): void {
    const count = (this.#counts.get(key) ?? 0) + 1;
    this.#counts.set(key, count);
    if (count === 1) this.#mirror.put(this.#set[family], key, '');
  }

  /** @returns whether nobody needs it any more */
  drop(key: string): boolean {
    const count = (this.#counts.get(key) ?? 0) - 1;
    if (count > 0) this.#counts.set(key, count);
    else this.#counts.delete(key);
    return count <= 0;
  }

  has(key: string): boolean {
    return this.#counts.has(key);
  }
}

/**
 * Which ways are in force, and their elements. Two Services that claim the same address, protocol and port: the one whose
 * key sorts first has it, whichever came first, so that a restart decides as before.
 */
export class ServicePlan {
  readonly #mirror: Mirror;
  readonly #claims = new Map<string, string[]>();
  readonly #wanted = new Map<string, ReadonlyMap<string, Way>>();
  readonly #ways = new Map<string, Way>();
  readonly #hairpins: Shared;
  readonly #clusterIps: Shared;
  readonly #tracked: Shared;
  readonly #tracking: boolean;
  #changed: ChangedWays = { all: new Set(), sticky: new Set() };

  /** @param tracking whether there is a pod table that has to know all backends */
  constructor(mirror: Mirror, tracking: boolean) {
    this.#mirror = mirror;
    this.#tracking = tracking;
    this.#hairpins = new Shared(mirror, HAIRPINS);
    this.#clusterIps = new Shared(mirror, CLUSTER_IPS);
    this.#tracked = new Shared(mirror, TRACKED);
  }

  /** What is in force, by key. */
  get ways(): ReadonlyMap<string, Way> {
    return this.#ways;
  }

  /** Ways that came, went, or lost a backend since this was asked the last time. */
  takeChanged(): ChangedWays {
    const changed = this.#changed;
    this.#changed = { all: new Set(), sticky: new Set() };
    return changed;
  }

  /** Whether a way in force leads to this backend (`10.244.0.5 . tcp . 8080`). */
  leadsTo(backend: string): boolean {
    return this.#tracked.has(backend);
  }

  /** The ways of a Service; none when it is gone. */
  set(service: string, ways: ReadonlyMap<string, Way>): void {
    const before = this.#wanted.get(service);
    if (ways.size > 0) this.#wanted.set(service, ways);
    else this.#wanted.delete(service);
    for (const key of before?.keys() ?? []) {
      if (ways.has(key)) continue;
      this.#release(key, service);
      this.#resolve(key);
    }
    for (const key of ways.keys()) {
      if (!before?.has(key)) this.#claim(key, service);
      this.#resolve(key);
    }
  }

  #claim(key: string, service: string): void {
    const claims = this.#claims.get(key);
    if (claims === undefined) this.#claims.set(key, [service]);
    else {
      claims.push(service);
      claims.sort();
    }
  }

  #release(key: string, service: string): void {
    const left = this.#claims.get(key)?.filter((one) => one !== service) ?? [];
    if (left.length > 0) this.#claims.set(key, left);
    else this.#claims.delete(key);
  }

  #resolve(key: string): void {
    const owner = this.#claims.get(key)?.[0];
    const way = owner === undefined ? undefined : this.#wanted.get(owner)?.get(key);
    const before = this.#ways.get(key);
    if (way === before) return;
    if (way === undefined) this.#ways.delete(key);
    else this.#ways.set(key, way);
    if (lost(before, way)) {
      this.#changed.all.add(key);
      if (before?.affinitySeconds || way?.affinitySeconds) this.#changed.sticky.add(key);
    }
    const { family } = (way ?? before)!;
    this.#place(family, key, way, before);
    this.#share(family, way, before);
  }

  #place(family: Family, key: string, way: Way | undefined, before: Way | undefined): void {
    const put = (set: PerFamily<SetSpec | MapSpec>, value: string | undefined): void => {
      if (value === undefined) this.#mirror.delete(set[family], key);
      else this.#mirror.put(set[family], key, value, set === FRONTENDS ? way?.comment : undefined);
    };
    this.#backends(BACKENDS[family], key, way?.backends ?? []);
    this.#backends(INSIDE_BACKENDS[family], key, way?.inside ?? []);
    const outside = way && leads(way, way.backends, false);
    const behindCheck = way?.inside ? `goto ${BY_SOURCE}` : outside;
    put(INSIDE, way?.inside && leads(way, way.inside, true));
    put(OUTSIDE, way?.inside ? outside : undefined);
    put(RESTRICTED, way?.ranges ? behindCheck : undefined);
    put(FRONTENDS, way?.ranges ? `goto ${CHECK_SOURCE}` : behindCheck);
    put(REMEMBERED, way?.affinitySeconds ? `jump ${rememberChain(way.affinitySeconds)}` : undefined);
    put(WEARING_NODE, way?.masquerade ? '' : undefined);
    put(KEEPING_SOURCE, way && !way.masquerade && way.kind !== 'cluster-ip' ? '' : undefined);
    const allowed = ALLOWED[family];
    const ranges = new Set(way?.ranges);
    for (const range of before?.ranges ?? [])
      if (!ranges.has(range)) this.#mirror.delete(allowed, `${key} . ${range}`);
    for (const range of ranges) this.#mirror.put(allowed, `${key} . ${range}`, '');
  }

  #backends(set: MapSpec, key: string, wanted: readonly string[]): void {
    const old: string[] = [];
    for (let i = 0; ; i++) {
      const one = this.#mirror.get(set, `${key} . ${i}`);
      if (one === undefined) break;
      old.push(one);
    }
    const places = arrange(old, wanted);
    for (const [i, one] of places.entries()) this.#mirror.put(set, `${key} . ${i}`, one);
    for (let i = places.length; i < old.length; i++) this.#mirror.delete(set, `${key} . ${i}`);
  }

  /** New needs first, so that what both have stays. */
  #share(family: Family, way: Way | undefined, before: Way | undefined): void {
    if (way?.kind === 'cluster-ip') this.#clusterIps.add(family, way.address);
    for (const address of way?.here ?? []) this.#hairpins.add(family, `${address} . ${address}`);
    for (const backend of way ? trackedOf(way) : []) {
      if (this.#tracking) this.#tracked.add(family, backend);
    }
    if (before?.kind === 'cluster-ip' && this.#clusterIps.drop(before.address))
      this.#mirror.delete(CLUSTER_IPS[family], before.address);
    for (const address of before?.here ?? []) {
      const hairpin = `${address} . ${address}`;
      if (this.#hairpins.drop(hairpin)) this.#mirror.delete(HAIRPINS[family], hairpin);
    }
    // Stays in the kernel: connections that are established need it to the end. See `collectTracked`.
    if (before && this.#tracking) for (const backend of trackedOf(before)) this.#tracked.drop(backend);
  }
}

/** Where a packet goes that may use this way. */
function leads(way: Way, backends: readonly string[], inside: boolean): string {
  if (backends.length > 0)
    return `goto ${spreadChain(backends.length, { inside, sticky: way.affinitySeconds !== undefined })}`;
  // From inside every endpoint may be used: none means that there is none at all.
  return `goto ${way.empty === 'reject' || inside ? REFUSE : DROP_NO_LOCAL}`;
}

/** All backends of a way as the pod table names them, each once. */
function trackedOf({ backends, inside, protocol }: Way): Set<string> {
  const all = inside ? [...backends, ...inside] : backends;
  return new Set(all.map((one) => one.replace(' . ', ` . ${protocol} . `)));
}

/** Whether connections may exist that should not: to a backend that is gone, or made before the first one came. */
function lost(before: Way | undefined, way: Way | undefined): boolean {
  if (before === undefined || way === undefined) return true;
  const old = [...before.backends, ...(before.inside ?? [])];
  const now = new Set([...way.backends, ...(way.inside ?? [])]);
  return old.length === 0 ? now.size > 0 : old.some((one) => !now.has(one));
}
