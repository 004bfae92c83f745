import { isDeepStrictEqual } from 'node:util';
import type { ManifestProblem } from '../manifest/problem.ts';
import {
  isExcluded,
  keyOf,
  type NodeView,
  type ServiceObject,
  type SliceObject,
  serviceOfSlice,
} from './objects.ts';
import { translateService } from './translate.ts';
import type { ServiceTranslation } from './types.ts';

/** What became different since it was asked the last time. */
export interface ServiceChanges {
  readonly changed: readonly ServiceTranslation[];
  /** Keys of translations that are no more. */
  readonly gone: readonly string[];
  /** Of Services whose problems are others than before; empty where they are solved. */
  readonly problems: ReadonlyMap<string, readonly ManifestProblem[]>;
}

/**
 * The translations of all Services on one node, kept up to date: what changes costs as much as the Service that it
 * belongs to, however many others there are. Objects are kept as they are given and must not be changed.
 */
export class ServiceModel {
  #node: NodeView;
  readonly #services = new Map<string, ServiceObject>();
  /** By Service: one or a few each. A slice may be there before its Service. */
  readonly #slices = new Map<string, readonly SliceObject[]>();
  /** The Service that each slice belongs to. */
  readonly #owners = new Map<string, string>();
  readonly #translations = new Map<string, ServiceTranslation>();
  readonly #problems = new Map<string, readonly ManifestProblem[]>();
  readonly #touched = new Set<string>();

  constructor(node: NodeView) {
    this.#node = node;
  }

  /** Services that have a translation. */
  get size(): number {
    return this.#translations.size;
  }

  /** Whether there is something to {@link take}. */
  get pending(): boolean {
    return this.#touched.size > 0;
  }

  service(key: string): ServiceObject | undefined {
    return this.#services.get(key);
  }

  /** As of the last {@link take}. */
  translations(): IterableIterator<ServiceTranslation> {
    return this.#translations.values();
  }

  setService(service: ServiceObject): void {
    const key = keyOf(service);
    this.#services.set(key, service);
    this.#touched.add(key);
  }

  /** @param key `namespace/name` */
  deleteService(key: string): void {
    if (this.#services.delete(key)) this.#touched.add(key);
  }

  setSlice(slice: SliceObject): void {
    const key = keyOf(slice);
    const owner = isExcluded(slice) ? undefined : serviceOfSlice(slice);
    if (this.#owners.get(key) !== owner) this.deleteSlice(key);
    if (owner === undefined) return;
    this.#slices.set(owner, [...this.#others(owner, key), slice]);
    this.#owners.set(key, owner);
    this.#touched.add(owner);
  }

  deleteSlice(key: string): void {
    const owner = this.#owners.get(key);
    if (owner === undefined) return;
    this.#owners.delete(key);
    const left = this.#others(owner, key);
    if (left.length === 0) this.#slices.delete(owner);
    else this.#slices.set(owner, left);
    this.#touched.add(owner);
  }

  /** A zone that changes concerns every Service with hints; the name never changes. */
  setNode(node: NodeView): void {
    if (isDeepStrictEqual(node, this.#node)) return;
    this.#node = node;
    for (const key of this.#services.keys()) this.#touched.add(key);
  }

  /** Brings the translations up to date, and says which are others now. */
  take(): ServiceChanges {
    const changed: ServiceTranslation[] = [];
    const gone: string[] = [];
    const problems = new Map<string, readonly ManifestProblem[]>();
    for (const key of this.#touched) {
      const service = this.#services.get(key);
      const slices = this.#slices.get(key) ?? [];
      const now = service ? translateService(service, slices, this.#node) : undefined;
      this.#compareProblems(key, now?.problems ?? [], problems);
      const translation = now?.translation.ports.length ? now.translation : undefined;
      if (translation === undefined) {
        if (this.#translations.delete(key)) gone.push(key);
      } else if (!isDeepStrictEqual(translation, this.#translations.get(key))) {
        this.#translations.set(key, translation);
        changed.push(translation);
      }
    }
    this.#touched.clear();
    return { changed, gone, problems };
  }

  /** The slices of a Service without this one. */
  #others(owner: string, key: string): readonly SliceObject[] {
    return (this.#slices.get(owner) ?? []).filter((slice) => keyOf(slice) !== key);
  }

  #compareProblems(
    key: string,
    now: readonly ManifestProblem[],
    found: Map<string, readonly ManifestProblem[]>,
  ): void {
    if (isDeepStrictEqual(now, this.#problems.get(key) ?? [])) return;
    if (now.length === 0) this.#problems.delete(key);
    else this.#problems.set(key, now);
    found.set(key, now);
  }
}
