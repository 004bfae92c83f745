import { createHash } from 'node:crypto';
import type { SchemaRegistry } from '../schema/registry.ts';
import { aggregated, apiGroup, apiGroups, apiResources, apiVersions } from './discovery.ts';
import { hashOf, kindsAt, openApiDocument, openApiRoot, openApiV2, openApiV2Protobuf } from './documents.ts';

export interface DocumentRequest {
  /** Without query. */
  path: string;
  query: URLSearchParams;
  accept: string | undefined;
  ifNoneMatch: string | undefined;
  /** `host:port` as clients reach it. */
  serverAddress: string;
}

export interface DocumentAnswer {
  status: 200 | 304 | 404 | 406;
  headers: Record<string, string>;
  /** Undefined for 304, and for 404 and 406, which the server words itself. */
  body?: string | Buffer;
}

const JSON_TYPE = 'application/json';
/** What clients ask for; `@` is in no media type, so the answer calls it by its other name. */
const V2_PROTOBUF = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf';
const V2_PROTOBUF_TYPE = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';
const V3_PROTOBUF = 'application/com.github.proto-openapi.spec.v3@v1.0+protobuf';

/**
 * Answers /api, /apis, /apis/G, /api/v1, /apis/G/V, /openapi/v2, /openapi/v3 and below; undefined for every other path, those of
 * objects too. All answers have an ETag. Authorization comes before: all of these are for everyone who is authenticated.
 */
export function documentAnswer(
  registry: SchemaRegistry,
  request: DocumentRequest,
): DocumentAnswer | undefined {
  const segments = request.path.split('/').filter(Boolean);
  if (segments[0] === 'openapi') return openApi(registry, segments.slice(1), request);
  if (segments[0] !== 'api' && segments[0] !== 'apis') return undefined;
  const core = segments[0] === 'api';
  if (segments.length > (core ? 2 : 3)) return undefined;
  if (segments.length === 1) {
    const version = aggregatedVersion(request.accept);
    if (version) {
      const type = `${JSON_TYPE};g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`;
      return answer(request, aggregated(registry, core, version), type, { Vary: 'Accept' });
    }
    const plain = core ? apiVersions(request.serverAddress) : apiGroups(registry);
    return answer(request, plain, JSON_TYPE, { Vary: 'Accept' });
  }
  const [, first = '', second] = segments;
  const found = core
    ? apiResources(registry, '', first)
    : second === undefined
      ? apiGroup(registry, first)
      : apiResources(registry, first, second);
  return found ? answer(request, found) : { status: 404, headers: {} };
}

/** The version of apidiscovery.k8s.io that the client asks for first, if it does. */
function aggregatedVersion(accept: string | undefined): 'v2' | 'v2beta1' | undefined {
  for (const clause of (accept ?? '').split(',')) {
    const [type, ...parameters] = clause.split(';').map((part) => part.trim());
    if (type !== JSON_TYPE) continue;
    if (!parameters.includes('as=APIGroupDiscoveryList')) return undefined;
    if (parameters.includes('v=v2')) return 'v2';
    if (parameters.includes('v=v2beta1')) return 'v2beta1';
  }
  return undefined;
}

function openApi(
  registry: SchemaRegistry,
  segments: string[],
  request: DocumentRequest,
): DocumentAnswer | undefined {
  const [version, ...rest] = segments;
  const types = (request.accept ?? '*/*').split(',').map((clause) => (clause.split(';')[0] as string).trim());
  const json = types.some((type) => type === JSON_TYPE || type === '*/*' || type === 'application/*');
  if (version === 'v2' && rest.length === 0) {
    if (json && !types[0]?.endsWith('protobuf')) return answer(request, openApiV2(registry));
    return types.includes(V2_PROTOBUF)
      ? answer(request, openApiV2Protobuf(), V2_PROTOBUF_TYPE)
      : json
        ? answer(request, openApiV2(registry))
        : { status: 406, headers: {} };
  }
  if (version !== 'v3') return { status: 404, headers: {} };
  if (!json && types.includes(V3_PROTOBUF)) return { status: 406, headers: {} };
  if (rest.length === 0) return answer(request, openApiRoot(registry));
  const root = rest.join('/');
  const kinds = kindsAt(registry, root);
  if (!kinds) return { status: 404, headers: {} };
  const hash = hashOf(registry, kinds);
  // The address says which content it is, so a cache may keep it for ever
  const asked = request.query.get('hash');
  const headers: Record<string, string> = asked === hash ? { 'Cache-Control': 'public, immutable' } : {};
  const etag = `"${hash}"`;
  if (matches(request.ifNoneMatch, etag)) return { status: 304, headers: { ...headers, ETag: etag } };
  return {
    status: 200,
    headers: { ...headers, ETag: etag, 'Content-Type': JSON_TYPE, Vary: 'Accept' },
    body: JSON.stringify(openApiDocument(registry, root, kinds)),
  };
}

function answer(
  { ifNoneMatch }: DocumentRequest,
  content: Record<string, unknown> | Buffer,
  type = JSON_TYPE,
  headers: Record<string, string> = {},
): DocumentAnswer {
  const body = Buffer.isBuffer(content) ? content : JSON.stringify(content);
  const etag = `"${createHash('sha256').update(body).digest('hex').toUpperCase()}"`;
  if (matches(ifNoneMatch, etag)) return { status: 304, headers: { ...headers, ETag: etag } };
  return { status: 200, headers: { ...headers, ETag: etag, 'Content-Type': type }, body };
}

function matches(ifNoneMatch: string | undefined, etag: string): boolean {
  return ifNoneMatch?.split(',').some((one) => one.trim() === etag) ?? false;
}
