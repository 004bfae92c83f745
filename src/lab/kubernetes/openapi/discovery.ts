// What the server has: the old one-request-a-version discovery, and the aggregated one that kubectl 1.27 and later ask for.
import type { SchemaRegistry } from '../schema/registry.ts';
import type { KindInfo, Subresource } from '../schema/types.ts';
import { apiVersionOf, type Group, type GroupVersionKinds, groupsOf } from './groups.ts';

type Answer = Record<string, unknown>;

const ANY_CLIENT = '0.0.0.0/0';

/** GET /api. `serverAddress` is `host:port`. */
export function apiVersions(serverAddress: string): Answer {
  return {
    kind: 'APIVersions',
    versions: ['v1'],
    serverAddressByClientCIDRs: [{ clientCIDR: ANY_CLIENT, serverAddress }],
  };
}

function groupAnswer({ name, versions }: Group): Answer {
  const all = versions.map(({ group, version }) => ({
    groupVersion: apiVersionOf({ group, version }),
    version,
  }));
  return { name, versions: all, preferredVersion: all[0] };
}

/** GET /apis. */
export function apiGroups(registry: SchemaRegistry): Answer {
  const groups = groupsOf(registry).filter(({ name }) => name !== '');
  return { kind: 'APIGroupList', apiVersion: 'v1', groups: groups.map(groupAnswer) };
}

/** GET /apis/GROUP. Undefined when there is none. */
export function apiGroup(registry: SchemaRegistry, name: string): Answer | undefined {
  const group = name === '' ? undefined : groupsOf(registry).find((one) => one.name === name);
  return group && { kind: 'APIGroup', apiVersion: 'v1', ...groupAnswer(group) };
}

/** GET /api/v1 and /apis/GROUP/VERSION. Undefined when there is none. */
export function apiResources(registry: SchemaRegistry, group: string, version: string): Answer | undefined {
  const kinds = groupsOf(registry)
    .find(({ name }) => name === group)
    ?.versions.find((one) => one.version === version)?.kinds;
  if (!kinds) return undefined;
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: apiVersionOf({ group, version }),
    resources: kinds.flatMap((kind) => [
      {
        name: kind.plural,
        singularName: kind.singular,
        namespaced: kind.namespaced,
        kind: kind.kind,
        verbs: kind.verbs,
        ...(kind.shortNames.length > 0 && { shortNames: kind.shortNames }),
        ...(kind.categories.length > 0 && { categories: kind.categories }),
      },
      ...kind.subresources.map((sub) => subresource(kind, sub)),
    ]),
  };
}

function subresource(kind: KindInfo, { name, kind: other, verbs }: Subresource): Answer {
  return {
    name: `${kind.plural}/${name}`,
    singularName: '',
    namespaced: kind.namespaced,
    ...(other && (other.group !== kind.group || other.version !== kind.version)
      ? { group: other.group, version: other.version }
      : {}),
    kind: other?.kind ?? kind.kind,
    verbs,
  };
}

/** The aggregated form of /api (`core`) or /apis; `version` is the one of apidiscovery.k8s.io. */
export function aggregated(registry: SchemaRegistry, core: boolean, version: 'v2' | 'v2beta1'): Answer {
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion: `apidiscovery.k8s.io/${version}`,
    metadata: {},
    items: groupsOf(registry)
      .filter(({ name }) => (name === '') === core)
      .map(({ name, versions }) => ({
        metadata: { ...(name && { name }), creationTimestamp: null },
        versions: versions.map(aggregatedVersion),
      })),
  };
}

function aggregatedVersion({ version, kinds }: GroupVersionKinds): Answer {
  return {
    version,
    resources: kinds.map((kind) => ({
      resource: kind.plural,
      responseKind: { group: kind.group, version: kind.version, kind: kind.kind },
      scope: kind.namespaced ? 'Namespaced' : 'Cluster',
      singularResource: kind.singular,
      verbs: kind.verbs,
      ...(kind.shortNames.length > 0 && { shortNames: kind.shortNames }),
      ...(kind.categories.length > 0 && { categories: kind.categories }),
      ...(kind.subresources.length > 0 && {
        subresources: kind.subresources.map((sub) => ({
          subresource: sub.name,
          responseKind: sub.kind ?? { group: kind.group, version: kind.version, kind: kind.kind },
          verbs: sub.verbs,
        })),
      }),
    })),
    freshness: 'Current',
  };
}
