import type { KindInfo, KubeObject, ObjectMeta } from '../schema/types.ts';
import { metaOf, timestamp } from './metadata.ts';
import { badRequest, conflict } from './status.ts';
import { strategyOf } from './strategy.ts';

/** metav1.DeleteOptions. */
export interface DeleteOptions {
  gracePeriodSeconds?: number;
  propagationPolicy?: string;
  orphanDependents?: boolean;
  preconditions?: { uid?: string; resourceVersion?: string };
  dryRun?: string[];
}

const POLICIES = new Set(['Background', 'Foreground', 'Orphan']);
const FOREGROUND = 'foregroundDeletion';
const ORPHAN = 'orphan';

/** @throws StatusError 400, 409 */
export function checkDeleteOptions(kind: KindInfo, live: KubeObject, options: DeleteOptions): void {
  const policy = options.propagationPolicy;
  if (policy !== undefined && !POLICIES.has(policy))
    throw badRequest(
      `DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: ${JSON.stringify(policy)}: supported values: "Background", "Foreground", "Orphan"`,
    );
  if (policy !== undefined && options.orphanDependents !== undefined)
    throw badRequest('orphanDependents and propagationPolicy cannot be both set');
  const { uid, resourceVersion } = options.preconditions ?? {};
  const meta = live.metadata ?? {};
  const name = meta.name ?? '';
  if (uid && uid !== meta.uid)
    throw conflict(
      kind,
      name,
      `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${meta.uid}`,
    );
  if (resourceVersion && resourceVersion !== meta.resourceVersion)
    throw conflict(
      kind,
      name,
      `Precondition failed: ResourceVersion in precondition: ${resourceVersion}, ResourceVersion in object meta: ${meta.resourceVersion}`,
    );
}

/** The finalizers by which the garbage collector learns what to do with dependents; as upstream's deletionFinalizersForGarbageCollection. */
function finalizersFor(kind: KindInfo, meta: ObjectMeta, options: DeleteOptions): string[] {
  const current = meta.finalizers ?? [];
  const said =
    options.propagationPolicy ??
    (options.orphanDependents === undefined ? undefined : options.orphanDependents ? 'Orphan' : 'Background');
  const orphan =
    said !== undefined
      ? said === 'Orphan'
      : current.includes(ORPHAN) ||
        (!current.includes(FOREGROUND) && strategyOf(kind).defaultPropagation === 'Orphan');
  const foreground = said !== undefined ? said === 'Foreground' : current.includes(FOREGROUND) && !orphan;
  const others = current.filter((one) => one !== ORPHAN && one !== FOREGROUND);
  if (orphan) others.push(ORPHAN);
  else if (foreground) others.push(FOREGROUND);
  return others;
}

/** Whether something still keeps an object that is being deleted. */
export function isHeld(kind: KindInfo, object: KubeObject): boolean {
  const meta = object.metadata ?? {};
  return (
    (meta.finalizers?.length ?? 0) > 0 ||
    (meta.deletionGracePeriodSeconds ?? 0) > 0 ||
    strategyOf(kind).held?.(object) === true
  );
}

/**
 * The object with its deletion begun (or hastened): deletionTimestamp, grace, finalizers. The caller removes it unless `isHeld`.
 * Returns undefined when nothing changes: it is being deleted already.
 */
export function beginDeletion(
  kind: KindInfo,
  live: KubeObject,
  options: DeleteOptions,
  now: Date,
): KubeObject | undefined {
  const strategy = strategyOf(kind);
  const object = structuredClone(live);
  const meta = metaOf(object);
  const finalizers = finalizersFor(kind, meta, options);
  const changed = finalizers.join() !== (meta.finalizers ?? []).join();
  if (finalizers.length > 0) meta.finalizers = finalizers;
  else delete meta.finalizers;
  const asked = options.gracePeriodSeconds;
  if (meta.deletionTimestamp) {
    const before = meta.deletionGracePeriodSeconds ?? 0;
    // Only ever shortened.
    const grace = asked === undefined ? before : Math.min(before, strategy.gracePeriod?.(live, asked) ?? 0);
    if (grace === before && !changed && (before > 0 || isHeld(kind, object))) return undefined;
    if (grace < before) {
      const end = Date.parse(meta.deletionTimestamp) + (grace - before) * 1000;
      meta.deletionTimestamp = timestamp(new Date(end));
      meta.deletionGracePeriodSeconds = grace;
    }
    return object;
  }
  const grace = strategy.gracePeriod?.(live, asked) ?? 0;
  meta.deletionTimestamp = timestamp(new Date(now.getTime() + grace * 1000));
  meta.deletionGracePeriodSeconds = grace;
  if (meta.generation !== undefined) meta.generation += 1;
  strategy.beginDelete?.(object);
  return object;
}
