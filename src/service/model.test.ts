import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ServiceModel } from './model.ts';
import { keyOf, type NodeView, type ServiceObject, type SliceObject, serviceOfSlice } from './objects.ts';
import { endpoint, service, slice } from './testing.ts';
import { translateService } from './translate.ts';

const NODE: NodeView = { name: 'n1', zone: '1' };

const addresses = fc.integer({ min: 1, max: 6 }).map((n) => `10.244.0.${n}`);
const words = fc.subarray(['here', 'leaving', 'ending', 'starting', 'zone=1', 'zone=2', 'node=n1']);
const endpoints = fc.array(
  fc.tuple(addresses, words).map(([address, rest]) => endpoint([address, ...rest].join(' '))),
  { maxLength: 4 },
);
const names = fc.constantFrom('web', 'api', 'db');
const slices = fc
  .record({
    name: fc.constantFrom('a', 'b', 'c', 'd'),
    owner: fc.option(names, { nil: undefined }),
    endpoints,
  })
  .map(({ name, owner, endpoints: of }) => {
    const labels: Record<string, string> = owner === undefined ? {} : { 'kubernetes.io/service-name': owner };
    return slice(of, { metadata: { namespace: 'default', name, labels } });
  });
const policies = fc.constantFrom('Local', 'Cluster', undefined);
const services = fc
  .record({
    name: names,
    internalTrafficPolicy: policies,
    externalTrafficPolicy: policies,
    headless: fc.boolean(),
  })
  .map(({ name, headless, ...spec }) =>
    service(
      {
        externalIPs: ['203.0.113.9'],
        ...spec,
        ...(headless ? { clusterIP: 'None', clusterIPs: ['None'] } : {}),
      },
      { metadata: { namespace: 'default', name } },
    ),
  );
const nodes = fc.constantFrom<NodeView[]>(NODE, { name: 'n1', zone: '2' }, { name: 'n1' });

type Step =
  | { readonly set: ServiceObject }
  | { readonly slice: SliceObject }
  | { readonly gone: string }
  | { readonly sliceGone: string }
  | { readonly node: NodeView }
  | 'take';
const steps = fc.array(
  fc.oneof<fc.Arbitrary<Step>[]>(
    services.map((set) => ({ set })),
    slices.map((one) => ({ slice: one })),
    names.map((name) => ({ gone: `default/${name}` })),
    fc.constantFrom('a', 'b', 'c', 'd').map((name) => ({ sliceGone: `default/${name}` })),
    nodes.map((node) => ({ node })),
    fc.constant('take' as const),
  ),
  { maxLength: 40 },
);

test('whatever comes in whatever order, translations are those of what is there, and what is told adds up', () => {
  fc.assert(
    fc.property(steps, (run) => {
      const model = new ServiceModel(NODE);
      const heldServices = new Map<string, ServiceObject>();
      const heldSlices = new Map<string, SliceObject>();
      const told = new Map<string, unknown>();
      let node = NODE;
      for (const step of [...run, 'take' as const]) {
        if (step === 'take') {
          const { changed, gone } = model.take();
          for (const one of changed) {
            expect(told.get(one.key)).not.toEqual(one);
            told.set(one.key, one);
          }
          for (const key of gone) expect(told.delete(key)).toBe(true);
        } else if ('set' in step) {
          model.setService(step.set);
          heldServices.set(keyOf(step.set), step.set);
        } else if ('slice' in step) {
          model.setSlice(step.slice);
          heldSlices.set(keyOf(step.slice), step.slice);
        } else if ('gone' in step) {
          model.deleteService(step.gone);
          heldServices.delete(step.gone);
        } else if ('sliceGone' in step) {
          model.deleteSlice(step.sliceGone);
          heldSlices.delete(step.sliceGone);
        } else {
          model.setNode(step.node);
          node = step.node;
        }
      }
      const wanted = [...heldServices].flatMap(([key, one]) => {
        const own = [...heldSlices.values()].filter((each) => serviceOfSlice(each) === key);
        const { translation } = translateService(one, own, node);
        return translation.ports.length > 0 ? [[key, translation] as const] : [];
      });
      expect(new Map(wanted)).toEqual(told);
      expect(model.size).toBe(told.size);
      expect(model.pending).toBe(false);
    }),
    { numRuns: 300 },
  );
});

test('what an API server would never send is survived', () => {
  const junk = fc.oneof(
    fc.anything(),
    fc.constantFrom('None', '10.0.0.1', 'fd00::1', 'LoadBalancer', 'ClientIP', 80, -1),
  );
  const metadata = fc
    .record({ labels: junk, annotations: junk })
    .map((rest) => ({ namespace: 'default', name: 'web', ...rest }));
  const lists = fc.oneof(junk, fc.array(junk));
  const broken = fc.record({
    metadata,
    spec: fc.record({
      type: junk,
      clusterIP: junk,
      clusterIPs: fc.oneof(lists, fc.constant(['10.0.0.20', 'fd00::1'])),
      ports: fc.oneof(lists, fc.array(fc.record({ name: junk, port: junk, protocol: junk, nodePort: junk }))),
      externalIPs: lists,
      sessionAffinity: junk,
      sessionAffinityConfig: junk,
      internalTrafficPolicy: junk,
      externalTrafficPolicy: junk,
      healthCheckNodePort: junk,
      loadBalancerSourceRanges: lists,
    }),
    status: fc.oneof(junk, fc.record({ loadBalancer: fc.oneof(junk, fc.record({ ingress: lists })) })),
  });
  const brokenSlice = fc.record({
    metadata,
    addressType: fc.oneof(junk, fc.constantFrom('IPv4', 'constructor', { toString: 0 })),
    ports: fc.oneof(lists, fc.array(fc.record({ name: junk, port: junk, protocol: junk }))),
    endpoints: fc.oneof(
      lists,
      fc.array(
        fc.record({
          addresses: lists,
          conditions: junk,
          hints: fc.oneof(junk, fc.record({ forZones: lists })),
          nodeName: junk,
        }),
      ),
    ),
  });
  fc.assert(
    fc.property(broken, fc.array(brokenSlice, { maxLength: 2 }), (one, some) => {
      const { translation } = translateService(one as ServiceObject, some as SliceObject[], NODE);
      for (const { frontends } of translation.ports)
        for (const { port, backends } of frontends) {
          expect(port >= 1 && port <= 65_535).toBe(true);
          for (const backend of backends) expect(backend.port >= 1 && backend.port <= 65_535).toBe(true);
        }
    }),
    { numRuns: 300 },
  );
});

describe('costs', () => {
  test('one endpoint that changes touches one Service', () => {
    const model = new ServiceModel(NODE);
    for (let i = 0; i < 1000; i++) {
      const metadata = { namespace: 'default', name: `s${i}` };
      model.setService(service({}, { metadata }));
      const labels = { 'kubernetes.io/service-name': `s${i}` };
      model.setSlice(slice([endpoint('10.244.0.2')], { metadata: { ...metadata, labels } }));
    }
    expect(model.take().changed).toHaveLength(1000);
    const labels = { 'kubernetes.io/service-name': 's7' };
    model.setSlice(
      slice([endpoint('10.244.0.3')], { metadata: { namespace: 'default', name: 's7', labels } }),
    );
    const { changed } = model.take();
    expect(changed.map(({ key }) => key)).toEqual(['default/s7']);
    // An object that is there again as it was is no news.
    model.setService(service({}, { metadata: { namespace: 'default', name: 's8' } }));
    expect(model.take()).toEqual({ changed: [], gone: [], problems: new Map() });
  });

  test('problems are told when they come, and when they are solved', () => {
    const model = new ServiceModel(NODE);
    const bad = service({ externalIPs: ['all'] });
    model.setService(bad);
    expect(model.take().problems.get('default/web')).toHaveLength(1);
    model.setSlice(slice([endpoint('10.244.0.3')]));
    expect(model.take().problems.size).toBe(0);
    model.setService(service());
    expect(model.take().problems.get('default/web')).toEqual([]);
  });
});
