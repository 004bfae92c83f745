import type { ServiceObject, SliceEndpoint, SliceObject } from './objects.ts';
import type { Frontend, ServiceTranslation } from './types.ts';

type Spec = NonNullable<ServiceObject['spec']>;

/** `default/web` at 10.0.0.20, port 80 to `http`. */
export function service(spec: Partial<Spec> = {}, rest: Omit<ServiceObject, 'spec'> = {}): ServiceObject {
  return {
    metadata: { namespace: 'default', name: 'web' },
    ...rest,
    spec: {
      type: 'ClusterIP',
      clusterIP: '10.0.0.20',
      clusterIPs: ['10.0.0.20'],
      ports: [{ name: 'http', protocol: 'TCP', port: 80 }],
      ...spec,
    },
  };
}

/** A slice of `default/web` at port 8080. */
export function slice(
  endpoints: readonly SliceEndpoint[],
  rest: Partial<SliceObject> & { readonly name?: string } = {},
): SliceObject {
  const { name = 'web-a', ...more } = rest;
  return {
    metadata: { namespace: 'default', name, labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: 'IPv4',
    ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
    ...more,
    endpoints,
  };
}

/**
 * An endpoint in short: `10.244.0.2 here`, `… leaving` (terminating, still serving), `… ending` (terminating, not
 * serving), `… starting` (not ready), `… zone=1`, `… node=n1`; elsewhere without `here`.
 */
export function endpoint(text: string): SliceEndpoint {
  const [address = '', ...words] = text.split(' ');
  const has = (word: string): boolean => words.includes(word);
  const names = (what: string): { name: string }[] =>
    words.flatMap((word) => (word.startsWith(`${what}=`) ? [{ name: word.slice(what.length + 1) }] : []));
  const terminating = has('leaving') || has('ending');
  const forZones = names('zone');
  const forNodes = names('node');
  return {
    addresses: [address],
    nodeName: has('here') ? 'n1' : 'n2',
    conditions: {
      ready: !terminating && !has('starting'),
      serving: !has('ending') && !has('starting'),
      terminating,
    },
    ...(forZones.length + forNodes.length === 0 ? {} : { hints: { forZones, forNodes } }),
  };
}

/** The backends' last numbers, `2 3`; with those for inside after a bar where they differ: `2 | 2 3`. */
export function shortOf({ backends, insideBackends, empty }: Frontend): string {
  const list = (of: Frontend['backends']): string =>
    of.length === 0 ? empty : of.map(({ address }) => address.split(/[.:]/).at(-1)).join(' ');
  return insideBackends === undefined ? list(backends) : `${list(backends)} | ${list(insideBackends)}`;
}

/** The frontends of the first port by kind. */
export function frontendsByKind(translation: ServiceTranslation): Record<string, Frontend> {
  return Object.fromEntries((translation.ports[0]?.frontends ?? []).map((one) => [one.kind, one]));
}
