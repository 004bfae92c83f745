import { managerError, managerName } from '../patch/manager.ts';
import type { KubeObject } from '../schema/types.ts';
import { jsonText, mediaType, parseJson } from './body.ts';
import { convert } from './conversion.ts';
import type { DeleteOptions } from './deletion.ts';
import { checkIdentity } from './metadata.ts';
import { negotiate } from './negotiate.ts';
import { representationOf } from './representation.ts';
import { sendText } from './respond.ts';
import type { Runtime } from './runtime.ts';
import { badRequest, invalid, notFound, unsupportedMediaType } from './status.ts';
import { scaleTable } from './subresources/scale-table.ts';
import type { FieldValidation, PatchRequest, RequestContext } from './types.ts';
import type { WriteOptions } from './writer.ts';

const PATCH_TYPES: Record<string, PatchRequest['type']> = {
  'application/json-patch+json': 'json',
  'application/merge-patch+json': 'merge',
  'application/strategic-merge-patch+json': 'strategic',
  'application/apply-patch+yaml': 'apply',
  'application/apply-patch+json': 'apply',
};
const OPTIONS_GROUP = 'meta.k8s.io';

function dryRun(values: readonly string[]): boolean {
  for (const value of values)
    if (value !== 'All')
      throw invalid({ group: OPTIONS_GROUP, kind: 'CreateOptions' }, '', [
        {
          field: 'dryRun',
          type: 'FieldValueNotSupported',
          message: `Unsupported value: ${JSON.stringify(value)}: supported values: "All"`,
        },
      ]);
  return values.length > 0;
}

function fieldValidation(query: URLSearchParams): FieldValidation {
  const value = query.get('fieldValidation') || 'Warn';
  if (value === 'Strict' || value === 'Warn' || value === 'Ignore') return value;
  throw invalid({ group: OPTIONS_GROUP, kind: 'CreateOptions' }, '', [
    {
      field: 'fieldValidation',
      type: 'FieldValueNotSupported',
      message: `Unsupported value: ${JSON.stringify(value)}: supported values: "Ignore", "Strict", "Warn"`,
    },
  ]);
}

/** The name the client gives itself; else the first part of its User-Agent. @throws StatusError 422 */
function managerOf(context: RequestContext): string {
  const asked = context.query.get('fieldManager') ?? '';
  const wrong = managerError(asked);
  if (wrong)
    throw invalid({ group: OPTIONS_GROUP, kind: 'PatchOptions' }, '', [
      { field: 'fieldManager', type: 'FieldValueInvalid', message: wrong },
    ]);
  return managerName(asked, context.request.headers['user-agent']);
}

/** What a write's handlers pass on of its request. @throws StatusError 422 */
export function writeOptions(context: RequestContext): WriteOptions {
  return {
    identity: context.identity,
    manager: managerOf(context),
    dryRun: dryRun(context.query.getAll('dryRun').filter((value) => value !== '')),
    now: context.now,
    warnings: context.warnings,
    subresource: context.subresource,
  };
}

/** Body to object by the kind's schema. @throws StatusError 400 with all that is wrong with it */
export function decode(runtime: Runtime, context: RequestContext, text: string): KubeObject {
  const { object, warnings, errors } = runtime.plugins.decode(context.kind, text, {
    fieldValidation: fieldValidation(context.query),
  });
  if (errors.length > 0) throw badRequest(errors.join(', '));
  context.warnings.push(...warnings);
  return object;
}

/** Answers with an object, in the form that was asked for. */
export function sendObject(
  runtime: Runtime,
  context: RequestContext,
  code: number,
  object: KubeObject,
): void {
  const format = negotiate(context.request);
  // A Status stays what it is.
  if (object.kind !== context.kind.kind) {
    const shown = format.as === 'Table' && object.kind === 'Scale' ? scaleTable(object) : object;
    sendText(context.request, context.response, code, JSON.stringify(shown), format.encoding);
    return;
  }
  const includeObject = context.query.get('includeObject') ?? 'Metadata';
  const representation = representationOf(format, context.kind, runtime.plugins, includeObject);
  const shown = convert(context.kind, object);
  const text = representation.single(JSON.stringify(shown), () => shown);
  sendText(context.request, context.response, code, text, format.encoding);
}

async function text(context: RequestContext): Promise<string> {
  const body = await context.body();
  if (body.length === 0) throw badRequest('the body of the request is empty; it must hold the object');
  return jsonText(body, mediaType(context.request));
}

export async function create(runtime: Runtime, context: RequestContext): Promise<void> {
  negotiate(context.request);
  const object = decode(runtime, context, await text(context));
  const created = await runtime.writer.create(context.kind, context.namespace, object, writeOptions(context));
  sendObject(runtime, context, 201, created);
}

export async function update(runtime: Runtime, context: RequestContext): Promise<void> {
  negotiate(context.request);
  const object = decode(runtime, context, await text(context));
  const { kind, namespace, name = '' } = context;
  // Said before whether the object is there.
  checkIdentity(kind, object, namespace);
  const updated = await runtime.writer.update(kind, namespace, name, () => object, writeOptions(context));
  sendObject(runtime, context, 200, updated);
}

/** The patch of a request. @throws StatusError 415, 400 */
export async function patchOf(
  context: RequestContext,
  options: WriteOptions,
): Promise<Omit<PatchRequest, 'live' | 'kind'>> {
  const type = PATCH_TYPES[mediaType(context.request)];
  if (!type) throw unsupportedMediaType(Object.keys(PATCH_TYPES));
  const body = (await context.body()).toString('utf8');
  const force = context.query.get('force');
  if (type !== 'apply' && force !== null)
    throw invalid({ group: OPTIONS_GROUP, kind: 'PatchOptions' }, '', [
      {
        field: 'force',
        type: 'FieldValueForbidden',
        message: 'Forbidden: may not be specified for non-apply patch',
      },
    ]);
  if (type === 'apply' && !context.query.get('fieldManager'))
    throw invalid({ group: OPTIONS_GROUP, kind: 'PatchOptions' }, '', [
      {
        field: 'fieldManager',
        type: 'FieldValueRequired',
        message: 'Required value: is required for apply patch',
      },
    ]);
  return {
    type,
    body,
    manager: options.manager,
    force: force === 'true',
    subresource: context.subresource,
    now: options.now,
  };
}

export async function patch(runtime: Runtime, context: RequestContext): Promise<void> {
  negotiate(context.request);
  const { kind, namespace, name = '' } = context;
  const options = writeOptions(context);
  const request = await patchOf(context, options);
  const { plugins, writer } = runtime;
  if (request.type === 'apply') options.operation = 'Apply';
  const apply = (live: KubeObject | undefined) =>
    decode(runtime, context, JSON.stringify(plugins.applyPatch({ ...request, kind, live })));
  if (request.type === 'apply' && !context.subresource && !writer.read(kind, namespace, name)) {
    const object = apply(undefined);
    object.metadata = { ...object.metadata, name };
    return sendObject(runtime, context, 201, await writer.create(kind, namespace, object, options));
  }
  sendObject(runtime, context, 200, await writer.update(kind, namespace, name, apply, options));
}

/** DeleteOptions of body and query; the body wins, as upstream. @throws StatusError 400 */
export async function deleteOptions(context: RequestContext): Promise<DeleteOptions> {
  const options: DeleteOptions = {};
  const { query } = context;
  const body = context.request.headers['content-length'] === '0' ? undefined : await readOptional(context);
  if (body !== undefined) {
    if (typeof body !== 'object' || body === null || Array.isArray(body))
      throw badRequest('the body of a delete must be DeleteOptions');
    Object.assign(options, body);
  }
  const grace = query.get('gracePeriodSeconds');
  if (grace !== null && options.gracePeriodSeconds === undefined) options.gracePeriodSeconds = Number(grace);
  const policy = query.get('propagationPolicy');
  if (policy !== null) options.propagationPolicy ??= policy;
  const orphan = query.get('orphanDependents');
  if (orphan !== null) options.orphanDependents ??= orphan === 'true';
  const { gracePeriodSeconds } = options;
  if (gracePeriodSeconds !== undefined && !Number.isSafeInteger(gracePeriodSeconds))
    throw badRequest(`gracePeriodSeconds: ${JSON.stringify(gracePeriodSeconds)} is not a number of seconds`);
  return options;
}

async function readOptional(context: RequestContext): Promise<unknown> {
  const body = await context.body();
  return body.length > 0 ? parseJson(jsonText(body, mediaType(context.request))) : undefined;
}

/** Upstream answers deletions of these with the object, others with a Status. */
const RETURNED = new Set([
  'pods',
  'services',
  'serviceaccounts',
  'podtemplates',
  'persistentvolumes',
  'persistentvolumeclaims',
]);

export async function remove(runtime: Runtime, context: RequestContext): Promise<void> {
  const { kind, namespace, name = '' } = context;
  const options = writeOptions(context);
  const deletion = await deleteOptions(context);
  if (deletion.dryRun?.length) options.dryRun = dryRun(deletion.dryRun);
  const { object, gone } = await runtime.writer.delete(kind, namespace, name, deletion, options);
  if (!gone || (kind.group === '' && RETURNED.has(kind.plural)))
    return sendObject(runtime, context, 200, object);
  const { group, plural } = kind;
  sendObject(runtime, context, 200, {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: { name, ...(group && { group }), kind: plural, uid: object.metadata?.uid },
  });
}

export async function get(runtime: Runtime, context: RequestContext): Promise<void> {
  const { kind, namespace, name = '' } = context;
  negotiate(context.request);
  await runtime.store.durable();
  const object = runtime.writer.read(kind, namespace, name);
  if (!object) throw notFound(kind, name);
  sendObject(runtime, context, 200, object);
}
