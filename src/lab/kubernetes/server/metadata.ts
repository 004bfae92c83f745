import { randomBytes, randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { KindInfo, KubeObject, ObjectMeta } from '../schema/types.ts';
import { apiVersionOf } from './keys.ts';
import { badRequest, conflict, invalid, qualified } from './status.ts';

/** No vowels, so that no words appear; as upstream's names.SimpleNameGenerator. */
const ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';

/** Five random characters behind a base of at most 58. */
export function generatedName(base: string): string {
  const suffix = [...randomBytes(5)].map((byte) => ALPHABET[byte % ALPHABET.length]).join('');
  return base.slice(0, 58) + suffix;
}

/** As metav1.Time is written: whole seconds. */
export function timestamp(now: Date): string {
  return `${now.toISOString().slice(0, 19)}Z`;
}

/** The object's metadata, made when it has none. */
export function metaOf(object: KubeObject): ObjectMeta {
  object.metadata ??= {};
  return object.metadata;
}

/** Refuses a body of another kind or for another namespace than the request. @throws StatusError 400 */
export function checkIdentity(kind: KindInfo, object: KubeObject, namespace: string | undefined): void {
  const apiVersion = apiVersionOf(kind);
  // What is missing is taken from the path.
  object.apiVersion ??= apiVersion;
  object.kind ??= kind.kind;
  if (object.kind !== kind.kind)
    throw badRequest(
      `${object.kind} in version ${JSON.stringify(object.apiVersion)} cannot be handled as a ${kind.kind}: converting (${object.apiVersion}.${object.kind}) to (${apiVersion}.${kind.kind}): unknown conversion`,
    );
  if (object.apiVersion !== apiVersion)
    throw badRequest(
      `the API version in the data (${object.apiVersion}) does not match the expected API version (${apiVersion})`,
    );
  const meta = metaOf(object);
  if (!kind.namespaced) {
    // Manifests often name one all the same; upstream lets it fall.
    delete meta.namespace;
    return;
  }
  if (meta.namespace && namespace && meta.namespace !== namespace)
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  meta.namespace = namespace ?? meta.namespace ?? '';
}

/** Metadata of a new object: what the system sets is set, whatever the client said. */
export function metadataForCreate(kind: KindInfo, object: KubeObject, now: Date): void {
  const meta = metaOf(object);
  if (meta.resourceVersion) throw badRequest('resourceVersion should not be set on objects to be created');
  if (!meta.name && meta.generateName) meta.name = generatedName(meta.generateName);
  if (!meta.name)
    throw invalid(kind, '', [
      {
        field: 'metadata.name',
        type: 'FieldValueRequired',
        message: 'Required value: name or generateName is required',
      },
    ]);
  delete meta.resourceVersion;
  delete meta.deletionTimestamp;
  delete meta.deletionGracePeriodSeconds;
  delete meta.selfLink;
  meta.uid = randomUUID();
  meta.creationTimestamp = timestamp(now);
  if (hasGeneration(kind)) meta.generation = 1;
  else delete meta.generation;
}

/**
 * Metadata of a changed object: what the system keeps is kept.
 * @throws StatusError 400 for another name, 409 for an old resourceVersion or another uid
 */
export function metadataForUpdate(kind: KindInfo, object: KubeObject, live: KubeObject): void {
  const meta = metaOf(object);
  const old = live.metadata ?? {};
  const name = old.name ?? '';
  meta.name ??= name;
  if (meta.name !== name)
    throw badRequest(`the name of the object (${meta.name}) does not match the name on the URL (${name})`);
  if (meta.resourceVersion && meta.resourceVersion !== '0' && meta.resourceVersion !== old.resourceVersion)
    throw conflict(kind, name);
  if (meta.uid && meta.uid !== old.uid)
    throw conflict(
      kind,
      name,
      `Precondition failed: UID in precondition: ${meta.uid}, UID in object meta: ${old.uid}`,
    );
  for (const field of [
    'uid',
    'creationTimestamp',
    'deletionTimestamp',
    'deletionGracePeriodSeconds',
    'resourceVersion',
    'generation',
    'generateName',
  ] as const) {
    if (old[field] === undefined) delete meta[field];
    else Object.assign(meta, { [field]: old[field] });
  }
  delete meta.selfLink;
}

const GENERATIONS = new Set([
  'deployments.apps',
  'replicasets.apps',
  'statefulsets.apps',
  'daemonsets.apps',
  'replicationcontrollers',
  'jobs.batch',
  'cronjobs.batch',
  'ingresses.networking.k8s.io',
  'networkpolicies.networking.k8s.io',
  'poddisruptionbudgets.policy',
  'customresourcedefinitions.apiextensions.k8s.io',
  'validatingwebhookconfigurations.admissionregistration.k8s.io',
  'mutatingwebhookconfigurations.admissionregistration.k8s.io',
  'priorityclasses.scheduling.k8s.io',
]);

/** Kinds whose metadata.generation counts changes of what is wanted. */
export function hasGeneration(kind: KindInfo): boolean {
  return !kind.builtin || GENERATIONS.has(qualified(kind));
}

/** Everything but names, metadata and status. */
function wanted({ apiVersion: _a, kind: _k, metadata: _m, status: _s, ...rest }: KubeObject): unknown {
  return rest;
}

/** One more when what is wanted differs. */
export function countGeneration(kind: KindInfo, object: KubeObject, live: KubeObject): void {
  if (!hasGeneration(kind) || isDeepStrictEqual(normal(wanted(object)), normal(wanted(live)))) return;
  metaOf(object).generation = (live.metadata?.generation ?? 0) + 1;
}

/** Whether a write would change nothing but the times in managedFields. */
export function unchanged(object: KubeObject, live: KubeObject): boolean {
  const plain = (one: KubeObject) => ({
    ...one,
    metadata: {
      ...one.metadata,
      managedFields: one.metadata?.managedFields?.map(({ time: _, ...entry }) => entry),
    },
  });
  return isDeepStrictEqual(normal(plain(object)), normal(plain(live)));
}

/** As stored: without what JSON leaves out. */
function normal(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}
