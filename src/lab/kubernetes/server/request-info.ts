import { parseFieldSelector } from '../../../kube/selector.ts';
import { badRequest } from './status.ts';
import type { RequestInfo } from './types.ts';

const METHODS: Record<string, string> = {
  GET: 'get',
  HEAD: 'get',
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};

/** Below a namespace these are the namespace's own subresources, not resources in it. */
const NAMESPACE_SUBRESOURCES = new Set(['status', 'finalize']);

function decoded(path: string): string[] {
  try {
    return path.split('/').slice(1).map(decodeURIComponent);
  } catch {
    throw badRequest(`the path ${JSON.stringify(path)} is not properly encoded`);
  }
}

/** A query's boolean as Go reads it: present and neither 0 nor false. */
export function flag(query: URLSearchParams, name: string): boolean {
  const value = query.get(name);
  return value !== null && !['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(value);
}

/** Verbs of collections whose field selector may single out one object. */
const BY_SELECTOR = new Set(['list', 'watch', 'deletecollection']);

/**
 * The one name that a collection's field selector `metadata.name=NAME` leaves, as upstream: rules with resourceNames
 * are compared with it. A selector that cannot be read is refused later, by who answers.
 */
export function selectedName(verb: string, query: URLSearchParams): string | undefined {
  const text = query.get('fieldSelector');
  if (!text || !BY_SELECTOR.has(verb)) return undefined;
  try {
    const found = parseFieldSelector(text).find(
      ({ field, operator }) => field === 'metadata.name' && operator === '=',
    );
    return found?.value || undefined;
  } catch {
    return undefined;
  }
}

/**
 * Reads what a request is about from its method, path and query, as k8s.io/apiserver's RequestInfoFactory.
 * @throws StatusError 400 when the path is not properly encoded
 */
export function requestInfo(method: string, path: string, query: URLSearchParams): RequestInfo {
  const parts = decoded(path);
  const other: RequestInfo = {
    verb: method.toLowerCase(),
    isResource: false,
    path,
    group: '',
    version: '',
    resource: '',
  };
  const legacy = parts[0] === 'api';
  if (!legacy && parts[0] !== 'apis') return other;
  const group = legacy ? '' : (parts[1] ?? '');
  const version = (legacy ? parts[1] : parts[2]) ?? '';
  let rest = parts.slice(legacy ? 2 : 3);
  if (!version || rest.length === 0 || rest[0] === '') return other;
  let verb = METHODS[method] ?? '';
  if (rest[0] === 'watch' && rest.length > 1) {
    // Deprecated, but still served: /api/v1/watch/pods
    verb = 'watch';
    rest = rest.slice(1);
  }
  let namespace: string | undefined;
  if (rest[0] === 'namespaces' && rest.length > 1) {
    namespace = rest[1];
    if (rest.length > 2 && !NAMESPACE_SUBRESOURCES.has(rest[2] ?? '')) rest = rest.slice(2);
  }
  const [resource = '', name, subresource, ...below] = rest;
  if (name === '' || subresource === '') return other;
  if (!name) {
    if (verb === 'get') verb = flag(query, 'watch') ? 'watch' : 'list';
    else if (verb === 'delete') verb = 'deletecollection';
  }
  return {
    verb,
    isResource: true,
    path,
    group,
    version,
    resource,
    ...(namespace !== undefined && { namespace }),
    ...(name !== undefined && { name }),
    ...(subresource !== undefined && { subresource }),
    ...(below.length > 0 && { rest: below.join('/') }),
  };
}
