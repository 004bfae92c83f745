import { createHash } from 'node:crypto';
import { type Descriptions, readDescriptions } from '../schema/files.ts';
import type { SchemaRegistry } from '../schema/registry.ts';
import type { KindInfo } from '../schema/types.ts';
import { apiVersionOf, groupsOf } from './groups.ts';
import { pathsOf, USED_BY_PATHS } from './paths.ts';
import { definitionsOf, type OpenApi, SchemaWriter } from './schema.ts';

const COMPONENTS = '#/components/schemas/';
const DEFINITIONS = '#/definitions/';

/** `api/v1` or `apis/GROUP/VERSION`. */
function rootOf({ group, version }: { group: string; version: string }): string {
  return group ? `apis/${apiVersionOf({ group, version })}` : `api/${version}`;
}

/** Changes when the group-version's document does. */
export function hashOf(registry: SchemaRegistry, kinds: readonly KindInfo[]): string {
  const custom = kinds.filter((kind) => !kind.builtin);
  return createHash('sha256')
    .update(registry.hash)
    .update(kinds.map(({ kind }) => kind).join())
    .update(JSON.stringify(custom))
    .digest('hex')
    .toUpperCase();
}

/** GET /openapi/v3: where each group-version's document is; the address changes with its content. */
export function openApiRoot(registry: SchemaRegistry): OpenApi {
  const paths: Record<string, OpenApi> = {};
  for (const { versions } of groupsOf(registry))
    for (const one of versions) {
      const root = rootOf(one);
      paths[root] = { serverRelativeURL: `/openapi/v3/${root}?hash=${hashOf(registry, one.kinds)}` };
    }
  return { paths };
}

/** The kinds of `api/v1` or `apis/GROUP/VERSION`; undefined when there are none. */
export function kindsAt(registry: SchemaRegistry, root: string): KindInfo[] | undefined {
  for (const { versions } of groupsOf(registry))
    for (const one of versions) if (rootOf(one) === root) return one.kinds;
  return undefined;
}

/** GET /openapi/v3/ROOT: a few 10 ms and up to 1 MB; not kept. */
export function openApiDocument(
  registry: SchemaRegistry,
  root: string,
  kinds: readonly KindInfo[],
  descriptions: Descriptions = readDescriptions(),
): OpenApi {
  return {
    openapi: '3.0.0',
    info: { title: 'Kubernetes', version: 'v1.33.0' },
    paths: pathsOf(`/${root}`, kinds, COMPONENTS),
    components: {
      schemas: definitionsOf(registry, kinds, USED_BY_PATHS, new SchemaWriter(COMPONENTS, descriptions)),
    },
  };
}

/** GET /openapi/v2: all definitions and no paths; kubectl reads the third version, this is for older clients. */
export function openApiV2(
  registry: SchemaRegistry,
  descriptions: Descriptions = readDescriptions(),
): OpenApi {
  return {
    swagger: '2.0',
    info: { title: 'Kubernetes', version: 'v1.33.0' },
    paths: {},
    definitions: definitionsOf(registry, registry.kinds(), [], new SchemaWriter(DEFINITIONS, descriptions)),
  };
}

/** The same in gnostic's protobuf (openapi.v2.Document), which older kubectl insists on, with no definitions: they then go by their own. */
export function openApiV2Protobuf(): Buffer {
  const text = (field: number, value: string | Buffer): Buffer => {
    const bytes = Buffer.from(value);
    return Buffer.concat([Buffer.from([(field << 3) | 2, bytes.length]), bytes]);
  };
  const info = Buffer.concat([text(1, 'Kubernetes'), text(2, 'v1.33.0')]);
  return Buffer.concat([text(1, '2.0'), text(2, info), text(8, ''), text(9, '')]);
}
