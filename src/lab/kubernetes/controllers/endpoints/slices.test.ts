import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Endpoint, type EndpointSlice, live, type Service } from '../common/objects.ts';
import { meta, pod } from '../testing-objects.ts';
import { desiredEndpoints } from './desired.ts';
import { MOST_ENDPOINTS, planSlices, sliceLabels } from './slices.ts';

const service = live<Service>({
  metadata: meta('web'),
  spec: {
    selector: { app: 'web' },
    ports: [{ name: 'http', port: 80, targetPort: 'http' }],
    clusterIP: '10.0.0.9',
  },
});
const PORTS = [{ name: 'http', port: 8080, protocol: 'TCP' }];

const endpoint = (n: number, ready: boolean): Endpoint => ({
  addresses: [`10.244.0.${n}`],
  conditions: { ready, serving: ready, terminating: false },
  targetRef: { kind: 'Pod', uid: `pod-${n}` },
});

/** Carries the plan out. */
function apply(slices: EndpointSlice[], endpoints: Endpoint[]): { slices: EndpointSlice[]; writes: number } {
  const plan = planSlices(
    sliceLabels(service),
    'IPv4',
    slices,
    endpoints.length ? [{ ports: PORTS, endpoints }] : [],
  );
  const next = slices.filter((slice) => !plan.delete.includes(slice));
  for (const { slice, endpoints: list } of plan.update)
    next[next.indexOf(slice)] = {
      ...slice,
      endpoints: list,
      metadata: { ...slice.metadata, labels: sliceLabels(service) },
    };
  for (const { ports, endpoints: list, addressType } of plan.create)
    next.push(
      live({
        metadata: meta('web-x', { labels: sliceLabels(service) }),
        addressType,
        ports,
        endpoints: list,
      }),
    );
  return { slices: next, writes: plan.create.length + plan.update.length + plan.delete.length };
}

test('after each change the slices hold every endpoint once, none too many, and a second look writes nothing', () => {
  const states = fc.array(
    fc.uniqueArray(fc.tuple(fc.integer({ min: 0, max: 400 }), fc.boolean()), {
      selector: ([n]) => n,
      maxLength: 350,
    }),
    { minLength: 1, maxLength: 4 },
  );
  fc.assert(
    fc.property(states, (rounds) => {
      let slices: EndpointSlice[] = [];
      for (const round of rounds) {
        const wanted = round.map(([n, ready]) => endpoint(n, ready));
        ({ slices } = apply(slices, wanted));
        const have = slices.flatMap((slice) => slice.endpoints ?? []);
        const key = (e: Endpoint): string => JSON.stringify(e);
        expect(have.map(key).sort()).toEqual(wanted.map(key).sort());
        expect(Math.max(0, ...slices.map((slice) => slice.endpoints?.length ?? 0))).toBeLessThanOrEqual(
          MOST_ENDPOINTS,
        );
        expect(slices.length).toBeGreaterThanOrEqual(1);
        expect(apply(slices, wanted).writes).toBe(0);
      }
    }),
    { numRuns: 50 },
  );
});

test('one pod more is one write, however many slices there are', () => {
  const many = Array.from({ length: 350 }, (_, n) => endpoint(n, true));
  const { slices } = apply([], many);
  expect(apply(slices, [...many, endpoint(900, true)]).writes).toBe(1);
});

test('endpoints say ready, serving and terminating; named ports are each pod’s own', () => {
  const at = (name: string, ip: string, port: number, ready: boolean, more: object = {}) => {
    const p = pod(name, {
      node: 'n',
      ready,
      labels: { app: 'web' },
      meta: more,
      spec: { containers: [{ name: 'c', image: 'i', ports: [{ name: 'http', containerPort: port }] }] },
    });
    p.status.podIP = ip;
    return p;
  };
  const pods = [
    at('a', '10.244.0.1', 8080, true),
    at('b', '10.244.0.2', 9090, false),
    at('c', '10.244.0.3', 8080, true, { deletionTimestamp: '2026-01-01T00:00:00Z' }),
    at('done', '10.244.0.4', 8080, true),
  ];
  (pods[3] as { status: { phase?: string } }).status.phase = 'Succeeded';
  const groups = desiredEndpoints(service, pods, 'IPv4', () => undefined);
  expect(
    groups.map((g) => [g.ports[0]?.port, g.endpoints.map((e) => [e.addresses[0], e.conditions])]),
  ).toEqual([
    [
      8080,
      [
        ['10.244.0.1', { ready: true, serving: true, terminating: false }],
        ['10.244.0.3', { ready: false, serving: true, terminating: true }],
      ],
    ],
    [9090, [['10.244.0.2', { ready: false, serving: false, terminating: false }]]],
  ]);
  const tolerant = { ...service, spec: { ...service.spec, publishNotReadyAddresses: true } };
  expect(
    desiredEndpoints(tolerant, pods, 'IPv4', () => undefined)
      .flatMap((g) => g.endpoints)
      .every((e) => e.conditions?.ready),
  ).toBe(true);
});
