import { expect, test } from 'vitest';
import { type Endpoints, live, type Service } from '../common/objects.ts';
import { meta } from '../testing-objects.ts';
import { isMirrored, mirrorAnnotations, mirroredEndpoints, mirrorLabels } from './mirror.ts';

const endpoints = (more: object = {}): Endpoints =>
  live<Endpoints>({
    metadata: meta('db', {
      labels: { team: 'a' },
      annotations: { note: 'kept', 'kubectl.kubernetes.io/last-applied-configuration': '{}' },
    }),
    subsets: [
      {
        addresses: [{ ip: '192.0.2.1', hostname: 'one' }, { ip: '192.0.2.2' }, { ip: '2001:db8::1' }],
        notReadyAddresses: [{ ip: '192.0.2.3' }],
        ports: [{ name: 'sql', port: 5432, protocol: 'TCP' }],
      },
      { addresses: [{ ip: '192.0.2.1' }], ports: [{ port: 9000 }] },
      { addresses: [{ ip: '192.0.2.1' }], ports: [{ name: 'sql', port: 5432 }] },
    ],
    ...more,
  });
const service = (spec: object): Service => live<Service>({ metadata: meta('db'), spec });

test('only Endpoints of a Service without a selector are mirrored, and none that say no', () => {
  const asks = (more: object) => live<Endpoints>({ ...endpoints(), metadata: meta('db', more) });
  expect(isMirrored(endpoints(), service({}))).toBe(true);
  expect(isMirrored(endpoints(), service({ selector: { a: 'b' } }))).toBe(false);
  expect(isMirrored(endpoints(), undefined)).toBe(false);
  expect(
    isMirrored(asks({ labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' } }), service({})),
  ).toBe(false);
  expect(
    isMirrored(asks({ annotations: { 'control-plane.alpha.kubernetes.io/leader': '{}' } }), service({})),
  ).toBe(false);
});

test('subsets become groups by family and ports, each address once, not ready ones said so', () => {
  const families = mirroredEndpoints(endpoints());
  const shown = (family: 'IPv4' | 'IPv6') =>
    families
      .get(family)
      ?.map(({ ports, endpoints: list }) => [
        ports.map(({ name, port }) => `${name}:${port}`),
        list.map((e) => `${e.addresses[0]} ${e.conditions?.ready} ${e.hostname ?? ''}`.trim()),
      ]);
  expect(shown('IPv4')).toEqual([
    [['sql:5432'], ['192.0.2.1 true one', '192.0.2.2 true', '192.0.2.3 false']],
    [[':9000'], ['192.0.2.1 true']],
  ]);
  expect(shown('IPv6')).toEqual([[['sql:5432'], ['2001:db8::1 true']]]);
  expect([...mirroredEndpoints(endpoints({ subsets: [] }))]).toEqual([]);
});

test('slices wear the labels and annotations of the Endpoints, and say whose they are', () => {
  expect(mirrorLabels(endpoints())).toEqual({
    team: 'a',
    'kubernetes.io/service-name': 'db',
    'endpointslice.kubernetes.io/managed-by': 'endpointslicemirroring-controller.k8s.io',
  });
  expect(mirrorAnnotations(endpoints())).toEqual({ note: 'kept' });
});
