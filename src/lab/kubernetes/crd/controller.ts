// Serves what CustomResourceDefinitions define: accepts their names, adds their kinds to the registry, and removes the objects of
// those that are deleted.

import type { KindInfo } from '../schema/types.ts';
import type { Access } from '../server/types.ts';
import { kindsOf } from './kind.ts';
import { acceptNames, condition } from './names.ts';
import { CLEANUP, CRDS, type Crd, isTrue } from './types.ts';

/** The part of SchemaRegistry that changes. */
export interface KindRegistry {
  kinds(): KindInfo[];
  add(kind: KindInfo): void;
  remove(kind: { group: string; version: string; plural: string }): void;
}

type Log = (message: string, error: unknown) => void;

export class CrdController {
  private readonly registry: KindRegistry;
  private readonly log: Log;
  private access: Access | undefined;
  /** By the CRD's name: what it serves now. */
  private readonly served = new Map<string, { served: string; kinds: KindInfo[] }>();
  /** `plural.group` of CRDs that are going: nothing of theirs is created any more. */
  private readonly terminating = new Set<string>();
  /** By the CRD's name: work that is under way, so that it is done once. */
  private readonly cleaning = new Map<string, () => void>();

  constructor(registry: KindRegistry, log: Log = () => {}) {
    this.registry = registry;
    this.log = log;
  }

  /** Serves what is stored, and follows changes from now on. */
  start(access: Access): void {
    this.access = access;
    for (const crd of access.list(CRDS)) this.apply(crd as Crd);
    access.onChange(CRDS, (change) => {
      if (change.type === 'DELETED') this.forget(change.name);
      else this.apply(change.object() as Crd);
    });
  }

  isTerminating(group: string, plural: string): boolean {
    return this.terminating.has(`${plural}.${group}`);
  }

  private apply(stored: Crd): void {
    const name = stored.metadata?.name ?? '';
    const own = new Set(this.served.get(name)?.kinds);
    const others = this.registry.kinds().filter((kind) => !own.has(kind));
    const crd = acceptNames(stored, others, timeText());
    if (isTrue(crd, 'Established')) this.serve(name, crd);
    if (crd.metadata?.deletionTimestamp) {
      this.clean(name, crd);
      return;
    }
    if (crd !== stored) this.writeStatus(crd);
  }

  private serve(name: string, crd: Crd): void {
    const before = this.served.get(name);
    const kinds = kindsOf(crd);
    const said = JSON.stringify([crd.spec, crd.status?.acceptedNames]);
    if (before && before.served === said) return;
    for (const kind of before?.kinds ?? [])
      if (!kinds.some((one) => one.version === kind.version)) this.registry.remove(kind);
    for (const kind of kinds) this.registry.add(kind);
    this.served.set(name, { served: said, kinds });
  }

  private forget(name: string): void {
    for (const kind of this.served.get(name)?.kinds ?? []) this.registry.remove(kind);
    this.served.delete(name);
    this.terminating.delete(name);
    this.cleaning.get(name)?.();
    this.cleaning.delete(name);
    // A name that this one had may be free now for one that waits for it.
    for (const crd of this.access?.list(CRDS) ?? [])
      if (!isTrue(crd as Crd, 'NamesAccepted')) this.apply(crd as Crd);
  }

  private writeStatus(crd: Crd): void {
    this.access?.update(CRDS, crd, { subresource: 'status', manager: 'kube-apiserver' }).catch((error) => {
      // A conflict comes with a change that is worked on in its turn.
      if ((error as { code?: number }).code !== 409 && (error as { code?: number }).code !== 404)
        this.log(`status of CustomResourceDefinition ${crd.metadata?.name} was not written`, error);
    });
  }

  /** Deletes all objects of the CRD and, when the last has gone, lets the CRD go. */
  private clean(name: string, crd: Crd): void {
    const access = this.access;
    if (!access || !crd.metadata?.finalizers?.includes(CLEANUP)) return;
    this.terminating.add(name);
    if (this.cleaning.has(name)) return;
    const resource = { group: crd.spec.group, plural: crd.spec.names.plural };
    if (!this.served.has(name)) {
      this.release(name);
      return;
    }
    const check = (): void => {
      if (access.list(resource).length > 0) return;
      this.cleaning.get(name)?.();
      this.cleaning.set(name, () => {});
      this.release(name);
    };
    this.cleaning.set(
      name,
      access.onChange(resource, (change) => {
        if (change.type === 'DELETED') queueMicrotask(check);
      }),
    );
    this.deleteAll(name, crd, resource).then(check, (error) => {
      this.log(`objects of CustomResourceDefinition ${name} could not all be deleted`, error);
    });
  }

  private async deleteAll(
    name: string,
    crd: Crd,
    resource: { group: string; plural: string },
  ): Promise<void> {
    const access = this.access!;
    const terminating = condition(
      crd,
      {
        type: 'Terminating',
        status: 'True',
        reason: 'InstanceDeletionInProgress',
        message: 'CustomResource deletion is in progress',
      },
      timeText(),
    );
    const conditions = (crd.status?.conditions ?? []).filter(({ type }) => type !== 'Terminating');
    this.writeStatus({ ...crd, status: { ...crd.status, conditions: [...conditions, terminating] } });
    for (const object of access.list(resource)) {
      const { namespace, name: objectName = '' } = object.metadata ?? {};
      await access.delete(resource, namespace, objectName).catch((error) => {
        if ((error as { code?: number }).code !== 404)
          this.log(`${name}: ${objectName} was not deleted`, error);
      });
    }
  }

  /** Takes the finalizer away, which is the end of the CRD. */
  private release(name: string, tries = 5): void {
    const crd = this.access?.get(CRDS, undefined, name) as Crd | undefined;
    if (!crd?.metadata?.finalizers?.includes(CLEANUP)) return;
    const finalizers = crd.metadata.finalizers.filter((one) => one !== CLEANUP);
    this.access!.update(CRDS, { ...crd, metadata: { ...crd.metadata, finalizers } }).catch((error) => {
      if ((error as { code?: number }).code === 409 && tries > 0) this.release(name, tries - 1);
      else this.log(`CustomResourceDefinition ${name} could not be let go`, error);
    });
  }
}

function timeText(): string {
  return `${new Date().toISOString().slice(0, 19)}Z`;
}
