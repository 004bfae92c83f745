// The operations of a group-version. Clients read of them: which kinds take `fieldValidation` and `dryRun`, and which patches.
import type { GroupVersionKind, KindInfo } from '../schema/types.ts';
import { nameOf, type OpenApi } from './schema.ts';

const STATUS = 'io.k8s.apimachinery.pkg.apis.meta.v1.Status';
const DELETE_OPTIONS = 'io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions';
/** Definitions that paths refer to. */
export const USED_BY_PATHS = [STATUS, DELETE_OPTIONS];

function query(name: string, type: string, description: string): OpenApi {
  return { name, in: 'query', description, schema: { type, uniqueItems: true } };
}

const DRY_RUN = query(
  'dryRun',
  'string',
  'When present, indicates that modifications should not be persisted. An invalid or unrecognized dryRun directive will result in an error response and no further processing of the request. Valid values are: - All: all dry run stages will be processed',
);
const FIELD_MANAGER = query(
  'fieldManager',
  'string',
  'fieldManager is a name associated with the actor or entity that is making these changes.',
);
const FIELD_VALIDATION = query(
  'fieldValidation',
  'string',
  'fieldValidation instructs the server on how to handle objects in the request containing unknown or duplicate fields: Ignore, Warn (the default) or Strict.',
);
const WRITE = [DRY_RUN, FIELD_MANAGER, FIELD_VALIDATION];
const FORCE = query(
  'force',
  'boolean',
  'Force is going to "force" Apply requests: it takes fields from other managers.',
);
const LIST = [
  query('allowWatchBookmarks', 'boolean', 'allowWatchBookmarks requests watch events with type "BOOKMARK".'),
  query('continue', 'string', 'The continue token of the page before.'),
  query('fieldSelector', 'string', 'A selector to restrict the list of returned objects by their fields.'),
  query('labelSelector', 'string', 'A selector to restrict the list of returned objects by their labels.'),
  query('limit', 'integer', 'limit is a maximum number of responses to return for a list call.'),
  query(
    'resourceVersion',
    'string',
    'resourceVersion sets a constraint on what resource versions a request may be served from.',
  ),
  query('resourceVersionMatch', 'string', 'How resourceVersion is applied to list calls.'),
  query('sendInitialEvents', 'boolean', 'Begin a watch with synthetic events of what is there.'),
  query('timeoutSeconds', 'integer', 'Timeout for the list/watch call.'),
  query('watch', 'boolean', 'Watch for changes to the described resources.'),
];
const DELETE = [
  DRY_RUN,
  query('gracePeriodSeconds', 'integer', 'The duration in seconds before the object should be deleted.'),
  query(
    'propagationPolicy',
    'string',
    'Whether and how garbage collection will be performed: Orphan, Background or Foreground.',
  ),
];
const PRETTY = query('pretty', 'string', "If 'true', then the output is pretty printed.");
const path = (name: string, description: string): OpenApi => ({
  name,
  in: 'path',
  required: true,
  description,
  schema: { type: 'string', uniqueItems: true },
});

const PATCHES = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/apply-patch+yaml',
];
const STRATEGIC = 'application/strategic-merge-patch+json';

interface Target {
  kind: KindInfo;
  gvk: GroupVersionKind;
  base: string;
  /** The name in operation ids: `CoreV1NamespacedPodStatus`. */
  label: string;
}

function reference(base: string, name: string): OpenApi {
  return { schema: { $ref: base + name } };
}

function operation(
  target: Target,
  action: string,
  id: string,
  parameters: OpenApi[],
  response: string,
  body?: OpenApi,
): OpenApi {
  return {
    description: `${id} ${target.kind.kind}`,
    operationId: `${id}${target.label}`,
    tags: [tagOf(target.kind)],
    ...(parameters.length > 0 && { parameters }),
    ...(body && { requestBody: { content: body, required: true } }),
    responses: {
      200: { description: 'OK', content: { 'application/json': reference(target.base, response) } },
      401: { description: 'Unauthorized' },
    },
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': target.gvk,
  };
}

function tagOf({ group, version }: KindInfo): string {
  return `${(group || 'core').replace(/\.k8s\.io$/, '').replace(/\W/g, '')}_${version}`;
}

function patchBody(target: Target): OpenApi {
  const types = target.kind.builtin ? [...PATCHES, STRATEGIC] : PATCHES;
  return Object.fromEntries(types.map((type) => [type, { schema: { type: 'object' } }]));
}

function itemOperations(target: Target, verbs: readonly string[], name: string): OpenApi {
  const body = { 'application/json': reference(target.base, name) };
  const found: OpenApi = {};
  if (verbs.includes('get')) found.get = operation(target, 'get', 'read', [], name);
  if (verbs.includes('update')) found.put = operation(target, 'put', 'replace', WRITE, name, body);
  if (verbs.includes('patch'))
    found.patch = operation(target, 'patch', 'patch', [...WRITE, FORCE], name, patchBody(target));
  return found;
}

/** `/api/v1/…` or `/apis/GROUP/VERSION/…` -> operations, of all the group-version's kinds. `base` is what references begin with. */
export function pathsOf(root: string, kinds: readonly KindInfo[], base: string): Record<string, OpenApi> {
  const paths: Record<string, OpenApi> = {};
  for (const kind of kinds) {
    const gvk = { group: kind.group, version: kind.version, kind: kind.kind };
    const scope = kind.namespaced ? 'Namespaced' : '';
    const label = `${camel(kind)}${scope}${kind.kind}`;
    const target: Target = { kind, gvk, base, label };
    const collection = `${root}${kind.namespaced ? '/namespaces/{namespace}' : ''}/${kind.plural}`;
    const namespace = kind.namespaced
      ? [path('namespace', 'object name and auth scope, such as for teams and projects')]
      : [];
    const name = nameOf(kind);
    const list = kind.builtin ? `${name}List` : nameOf({ ...kind, schema: {}, kind: kind.listKind });
    const has = (verb: string) => kind.verbs.includes(verb);
    const body = { 'application/json': reference(base, name) };
    paths[collection] = {
      ...(has('list') && { get: operation(target, 'list', 'list', LIST, list) }),
      ...(has('create') && { post: operation(target, 'post', 'create', WRITE, name, body) }),
      ...(has('deletecollection') && {
        delete: operation(target, 'deletecollection', 'deletecollection', [...LIST, ...DELETE], STATUS),
      }),
      parameters: [...namespace, PRETTY],
    };
    if (kind.namespaced && has('list'))
      paths[`${root}/${kind.plural}`] = {
        get: operation(
          { ...target, label: `${camel(kind)}${kind.kind}ForAllNamespaces` },
          'list',
          'list',
          [],
          list,
        ),
        parameters: [...LIST, PRETTY],
      };
    const item = itemOperations(target, kind.verbs, name);
    if (has('delete'))
      item.delete = operation(target, 'delete', 'delete', DELETE, STATUS, {
        'application/json': reference(base, DELETE_OPTIONS),
      });
    const own = [path('name', `name of the ${kind.kind}`), ...namespace, PRETTY];
    if (Object.keys(item).length) paths[`${collection}/{name}`] = { ...item, parameters: own };
    for (const sub of kind.subresources) {
      if (sub.kind || !/^(status|resize|ephemeralcontainers|finalize)$/.test(sub.name)) continue;
      const part = { ...target, label: `${label}${sub.name[0]?.toUpperCase()}${sub.name.slice(1)}` };
      paths[`${collection}/{name}/${sub.name}`] = {
        ...itemOperations(part, sub.verbs, name),
        parameters: own,
      };
    }
  }
  return paths;
}

function camel({ group, version }: KindInfo): string {
  const words = (group || 'core').replace(/\.k8s\.io$/, '').split(/[.-]/);
  return [...words, version].map((word) => `${word[0]?.toUpperCase() ?? ''}${word.slice(1)}`).join('');
}
