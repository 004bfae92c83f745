import type { ResourceType } from '../../../../kube/resources.ts';
import { timestamp } from '../common/conditions.ts';
import { type Context, create, merge, remove } from '../common/context.ts';
import { ENDPOINT_SLICES, type EndpointSlice, keyOf, type Owned } from '../common/objects.ts';
import { controllerRef } from '../common/owners.ts';
import { namePrefix } from '../common/pods.ts';
import type { AddressType, PortGroup } from './desired.ts';
import { MANAGED_LABEL, planSlices, SERVICE_NAME } from './slices.ts';

export const TRIGGER = 'endpoints.kubernetes.io/last-change-trigger-time';
/** A slice that the cache does not show after so many ms was deleted before it could. */
const UNSEEN_MS = 1000;

/** Whose slices, and what is in all of them. */
export interface SliceOwner {
  readonly type: ResourceType<unknown>;
  readonly object: Owned;
  readonly labels: Record<string, string>;
  readonly annotations?: Record<string, string>;
}

/** Brings the slices that one controller keeps to what they should hold. */
export class SliceWriter {
  readonly #context: Context;
  readonly #manager: string;
  /** Slices we have made that the cache does not show yet, by service key. */
  readonly #unseen = new Map<string, Map<string, number>>();

  /** @param manager - value of the label by which slices say whose they are */
  constructor(context: Context, manager: string) {
    this.#context = context;
    this.#manager = manager;
  }

  /** The controller's slices of a Service. */
  own(key: string): EndpointSlice[] {
    return this.#context.informers
      .of(ENDPOINT_SLICES)
      .byIndex('service', key)
      .filter(({ metadata }) => metadata.labels?.[MANAGED_LABEL] === this.#manager);
  }

  /** Calls back with the key of a Service of whose slices one was changed. */
  onChange(changed: (key: string) => void): void {
    const noted = ({ metadata }: EndpointSlice): void => {
      const name = metadata.labels?.[SERVICE_NAME];
      if (!name || metadata.labels?.[MANAGED_LABEL] !== this.#manager) return;
      const key = `${metadata.namespace}/${name}`;
      this.#unseen.get(key)?.delete(metadata.uid);
      changed(key);
    };
    this.#context.informers.of(ENDPOINT_SLICES).on('add', noted).on('delete', noted).on('update', noted);
  }

  /**
   * Milliseconds to wait when slices of ours are on their way into the cache: each queues the Service again when it comes. Should one have
   * gone before it came, it is time to look anyway.
   */
  wait(key: string): number | undefined {
    const waiting = this.#unseen.get(key);
    const now = this.#context.now();
    for (const [uid, since] of waiting ?? []) if (now - since > UNSEEN_MS) waiting?.delete(uid);
    return waiting?.size ? UNSEEN_MS : undefined;
  }

  /** Removes all slices of a Service. */
  async clear(key: string): Promise<void> {
    this.#unseen.delete(key);
    for (const slice of this.own(key)) await remove(this.#context, ENDPOINT_SLICES, slice);
  }

  /** Slices of families that are not named go. */
  async write(
    key: string,
    owner: SliceOwner,
    families: ReadonlyMap<AddressType, PortGroup[]>,
  ): Promise<void> {
    const own = this.own(key);
    for (const stray of own)
      if (!families.has(stray.addressType as AddressType))
        await remove(this.#context, ENDPOINT_SLICES, stray);
    for (const [type, groups] of families)
      await this.#writeFamily(
        key,
        owner,
        type,
        own.filter(({ addressType }) => addressType === type),
        groups,
      );
  }

  async #writeFamily(
    key: string,
    { object, type: ownerType, labels, annotations: more }: SliceOwner,
    type: AddressType,
    existing: EndpointSlice[],
    groups: PortGroup[],
  ): Promise<void> {
    const context = this.#context;
    const { name, namespace } = object.metadata;
    const plan = planSlices(labels, type, existing, groups);
    const annotations = { ...more, [TRIGGER]: timestamp(context.now()) };
    for (const { ports, endpoints, addressType } of plan.create) {
      const made = await create(context, ENDPOINT_SLICES, {
        metadata: {
          generateName: namePrefix(name),
          namespace,
          labels,
          annotations,
          ownerReferences: [controllerRef(ownerType, object)],
        },
        addressType,
        ports,
        endpoints,
      });
      if (context.informers.of(ENDPOINT_SLICES).get(keyOf(made))) continue;
      const waiting = this.#unseen.get(key) ?? new Map<string, number>();
      this.#unseen.set(key, waiting.set(made.metadata.uid, context.now()));
    }
    for (const { slice, endpoints } of plan.update)
      await merge(context, ENDPOINT_SLICES, slice, {
        metadata: {
          resourceVersion: slice.metadata.resourceVersion,
          labels: withNulls(slice.metadata.labels, labels),
          annotations,
        },
        endpoints,
      });
    for (const slice of plan.delete) await remove(context, ENDPOINT_SLICES, slice);
  }
}

/** For a merge patch that leaves exactly these labels. */
export function withNulls(
  old: Record<string, string> | undefined,
  next: Record<string, string>,
): Record<string, string | null> {
  const result: Record<string, string | null> = { ...next };
  for (const key in old) if (!(key in next)) result[key] = null;
  return result;
}
