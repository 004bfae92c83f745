import type { Cidr } from '../../../address/cidr.ts';
import type { FieldError, KindInfo, KubeObject } from '../schema/types.ts';
import { RevisionConflict, type Store } from '../store/store.ts';
import { convert, storedText } from './conversion.ts';
import { beginDeletion, checkDeleteOptions, type DeleteOptions, isHeld } from './deletion.ts';
import { keyOf } from './keys.ts';
import {
  checkIdentity,
  countGeneration,
  generatedName,
  metadataForCreate,
  metadataForUpdate,
  metaOf,
  unchanged,
} from './metadata.ts';
import type { Reservations } from './reservations.ts';
import { alreadyExists, conflict, generateNameConflict, invalid, notFound } from './status.ts';
import type { StrategyContext } from './strategies/types.ts';
import { prepareCreate, prepareUpdate, strategyOf } from './strategy.ts';
import type { Access, Identity, Plugins } from './types.ts';

export interface WriteOptions {
  identity: Identity;
  /** The field manager. */
  manager: string;
  dryRun: boolean;
  now: Date;
  warnings: string[];
  subresource?: string | undefined;
  operation?: 'Apply' | 'Update';
}

export interface WriterParts {
  store: Store;
  plugins: Plugins;
  access: Access;
  reservations: Reservations;
  serviceCidr: Cidr;
}

/** How often a generated name that exists is tried anew, as upstream. */
const NAME_TRIES = 8;

/**
 * Writes objects: identity, metadata, admission, strategy, validation, managed fields, reservations, store. Each method is one turn of the
 * event loop up to its promise, which resolves when the write is on disk.
 */
export class Writer {
  readonly #parts: WriterParts;

  constructor(parts: WriterParts) {
    this.#parts = parts;
  }

  /** The object as it is stored, freshly parsed, in the kind's version. */
  read(kind: KindInfo, namespace: string | undefined, name: string): KubeObject | undefined {
    const stored = this.#parts.store.get(keyOf(kind, namespace, name));
    return stored && convert(kind, JSON.parse(stored.value) as KubeObject);
  }

  #context(options: WriteOptions): StrategyContext {
    const { access, reservations, serviceCidr } = this.#parts;
    return { access, reservations, serviceCidr, dryRun: options.dryRun, now: options.now };
  }

  #admit(
    operation: 'CREATE' | 'UPDATE' | 'DELETE',
    kind: KindInfo,
    object: KubeObject | undefined,
    old: KubeObject | undefined,
    options: WriteOptions,
  ): void {
    const meta = (object ?? old)?.metadata;
    for (const step of this.#parts.plugins.admission)
      step(
        {
          operation,
          kind,
          namespace: kind.namespaced ? meta?.namespace : undefined,
          name: meta?.name ?? '',
          subresource: options.subresource,
          ...(object && { object }),
          ...(old && { oldObject: old }),
          identity: options.identity,
          dryRun: options.dryRun,
          warnings: options.warnings,
        },
        this.#parts.access,
      );
  }

  #refuse(kind: KindInfo, object: KubeObject, errors: FieldError[]): void {
    if (errors.length > 0) throw invalid(kind, object.metadata?.name ?? '', errors);
  }

  #track(kind: KindInfo, before: KubeObject | undefined, after: KubeObject, options: WriteOptions): void {
    const fields = this.#parts.plugins.trackManagedFields({
      kind,
      before,
      after,
      manager: options.manager,
      operation: options.operation ?? 'Update',
      subresource: options.subresource,
      now: options.now,
    });
    if (fields && fields.length > 0) metaOf(after).managedFields = fields;
    else delete metaOf(after).managedFields;
  }

  /** @throws StatusError */
  async create(
    kind: KindInfo,
    namespace: string | undefined,
    object: KubeObject,
    options: WriteOptions,
  ): Promise<KubeObject> {
    const { store, plugins } = this.#parts;
    checkIdentity(kind, object, namespace);
    const generate = !object.metadata?.name && object.metadata?.generateName;
    plugins.applyDefaults(kind, object);
    metadataForCreate(kind, object, options.now);
    const meta = metaOf(object);
    this.#admit('CREATE', kind, object, undefined, options);
    prepareCreate(kind, object, this.#context(options));
    plugins.applyDefaults(kind, object);
    this.#refuse(kind, object, plugins.validateCreate(kind, object));
    const key = () => keyOf(kind, kind.namespaced ? meta.namespace : undefined, meta.name ?? '');
    for (let tries = 1, other = store.get(key()); other; tries++, other = store.get(key())) {
      if (!generate) {
        const { metadata } = JSON.parse(other.value) as KubeObject;
        throw alreadyExists(kind, meta.name ?? '', metadata?.deletionTimestamp !== undefined);
      }
      if (tries === NAME_TRIES) throw generateNameConflict(kind, meta.name ?? '');
      meta.name = generatedName(generate);
    }
    this.#track(kind, undefined, object, options);
    strategyOf(kind).reserve?.(object, undefined, this.#context(options));
    if (options.dryRun) return object;
    const { revision, done } = store.put(key(), 0, (at) => storedText(object, at));
    await done;
    meta.resourceVersion = String(revision);
    return object;
  }

  /**
   * @param change gives the wanted object from the live one, which it must not change
   * @throws StatusError
   */
  async update(
    kind: KindInfo,
    namespace: string | undefined,
    name: string,
    change: (live: KubeObject) => KubeObject,
    options: WriteOptions,
  ): Promise<KubeObject> {
    const { store, plugins } = this.#parts;
    const live = this.read(kind, namespace, name);
    if (!live) throw notFound(kind, name);
    const wanted = change(live);
    checkIdentity(kind, wanted, namespace);
    if (!kind.builtin && !wanted.metadata?.resourceVersion)
      throw invalid(kind, name, [
        {
          field: 'metadata.resourceVersion',
          type: 'FieldValueInvalid',
          message: 'Invalid value: 0: must be specified for an update',
        },
      ]);
    metadataForUpdate(kind, wanted, live);
    const context = this.#context(options);
    const object = prepareUpdate(kind, wanted, live, options.subresource, context);
    plugins.applyDefaults(kind, object);
    this.#admit('UPDATE', kind, object, live, options);
    this.#refuse(kind, object, plugins.validateUpdate(kind, object, live));
    countGeneration(kind, object, live);
    this.#track(kind, live, object, options);
    strategyOf(kind).reserve?.(object, live, context);
    if (metaOf(object).deletionTimestamp && !isHeld(kind, object)) {
      // The last thing that kept it has gone.
      return this.#remove(kind, object, live, options);
    }
    if (options.dryRun) return object;
    if (unchanged(object, live)) {
      await store.durable();
      return live;
    }
    const at = Number(live.metadata?.resourceVersion);
    const { revision, done } = store.put(keyOf(kind, namespace, name), at, (next) =>
      storedText(object, next),
    );
    await done;
    metaOf(object).resourceVersion = String(revision);
    return object;
  }

  /**
   * @returns the object as it is left, or as it was, and whether it has gone
   * @throws StatusError
   */
  async delete(
    kind: KindInfo,
    namespace: string | undefined,
    name: string,
    deletion: DeleteOptions,
    options: WriteOptions,
  ): Promise<{ object: KubeObject; gone: boolean }> {
    const { store } = this.#parts;
    const live = this.read(kind, namespace, name);
    if (!live) throw notFound(kind, name);
    checkDeleteOptions(kind, live, deletion);
    strategyOf(kind).checkDelete?.(live);
    this.#admit('DELETE', kind, undefined, live, options);
    const object = beginDeletion(kind, live, deletion, options.now);
    if (!object) {
      await store.durable();
      return { object: live, gone: false };
    }
    if (!isHeld(kind, object)) return { object: await this.#remove(kind, object, live, options), gone: true };
    if (options.dryRun) return { object, gone: false };
    const at = Number(live.metadata?.resourceVersion);
    const { revision, done } = store.put(keyOf(kind, namespace, name), at, (next) =>
      storedText(object, next),
    );
    await done;
    metaOf(object).resourceVersion = String(revision);
    return { object, gone: false };
  }

  async #remove(
    kind: KindInfo,
    object: KubeObject,
    live: KubeObject,
    options: WriteOptions,
  ): Promise<KubeObject> {
    if (options.dryRun) return object;
    const { namespace, name = '', resourceVersion } = live.metadata ?? {};
    const key = keyOf(kind, kind.namespaced ? namespace : undefined, name);
    try {
      const { revision, done } = this.#parts.store.remove(key, Number(resourceVersion), (at) =>
        storedText(object, at),
      );
      strategyOf(kind).release?.(live, this.#context(options));
      await done;
      metaOf(object).resourceVersion = String(revision);
      return object;
    } catch (error) {
      if (error instanceof RevisionConflict) throw conflict(kind, name);
      throw error;
    }
  }
}
