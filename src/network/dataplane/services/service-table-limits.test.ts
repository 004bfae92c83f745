import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { FakeConntrack } from '../../../kernel/conntrack/index.ts';
import type { ServiceTranslation } from '../../../service/types.ts';
import { tableModel } from '../table.ts';
import { syncTable } from '../table-sync.ts';
import { TABLE } from './layout.ts';
import { ServiceTable } from './service-table.ts';
import { backendsOf, frontend, network, podNetwork, service, simple, WatchedNft } from './testing.ts';

let nft: WatchedNft;
let conntrack: FakeConntrack;
let table: ServiceTable;
const elements = (set: string, of = TABLE) => nft.elements(set, of);
const restart = () => new ServiceTable(nft, conntrack, network);

beforeEach(() => {
  nft = new WatchedNft();
  conntrack = new FakeConntrack();
  syncTable(nft, tableModel(podNetwork, []));
  table = restart();
});

describe('what cannot be used', () => {
  it.each([
    ['an address', frontend({ address: '10.0.0.300', backends: [] }), /default\/bad:http: address/],
    ['a port', frontend({ port: 0, backends: [] }), /port 0 must be/],
    ['a backend', frontend({ backends: [{ address: 'x', port: 1, local: true }] }), /backend/],
    ['a timeout', frontend({ affinitySeconds: 1e9, backends: [] }), /affinitySeconds/],
    ['a range', frontend({ sourceRanges: ['10.0.0.1/8'], backends: [] }), /10.0.0.1\/8/],
    ['a protocol', frontend({ protocol: 'QUIC' as never, backends: [] }), /QUIC/],
  ])('is told, and stops nobody else: %s', (_, bad, said) => {
    const { problems } = table.sync([service('bad', bad), simple('web', '10.0.0.11', '10.244.0.5:80')]);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(said);
    expect(elements('frontends')).toEqual(['10.0.0.11 . tcp . 80 : goto to_1']);
  });

  it('are more backends than the bound', () => {
    const backends = Array.from({ length: 10_001 }, (_, i) => ({
      address: `10.244.${i >> 8}.${i & 255}`,
      port: 80,
      local: false,
    }));
    const { problems } = table.sync([service('big', frontend({ backends }))]);
    expect(problems[0]).toContain('only the first 10000');
    expect(elements('frontends')).toEqual(['10.0.0.10 . tcp . 80 : goto to_10000']);
  });
});

describe('stale UDP connections', () => {
  const entry = (id: number, destination: string, backend: string, port = 53) => ({
    family: 4 as const,
    id,
    status: 0,
    mark: 0,
    zone: 0,
    original: {
      source: '10.244.0.9',
      destination,
      protocol: 17,
      sourcePort: 4000 + id,
      destinationPort: port,
    },
    reply: {
      source: backend,
      destination: '10.244.0.9',
      protocol: 17,
      sourcePort: 53,
      destinationPort: 4000 + id,
    },
  });
  const dns = (...backends: string[]) =>
    service('dns', frontend({ protocol: 'UDP', port: 53, backends: backendsOf(...backends) }));
  const left = () => [...conntrack.connections].map(({ id }) => id).toSorted();

  it('are forgotten with the backend, with the Service, and when the first backend comes', () => {
    table.sync([dns('10.244.0.5:53', '10.244.0.6:53')]);
    conntrack.add(entry(1, '10.0.0.10', '10.244.0.5')).add(entry(2, '10.0.0.10', '10.244.0.6'));
    conntrack.add(entry(3, '10.0.0.99', '10.244.0.5')).add(entry(4, '10.0.0.10', '10.244.0.5', 54));
    expect(table.update([dns('10.244.0.6:53')], []).forgotten).toBe(1);
    expect(left()).toEqual([2, 3, 4]);
    expect(table.update([], ['default/dns']).forgotten).toBe(1);
    conntrack.add(entry(5, '10.0.0.10', '10.0.0.10'));
    expect(table.update([dns('10.244.0.7:53')], []).forgotten).toBe(1);
    expect(left()).toEqual([3, 4]);
  });

  it('are forgotten after a restart too', () => {
    table.sync([dns('10.244.0.5:53'), simple('web', '10.0.0.11', '10.244.0.5:80')]);
    conntrack.add(entry(1, '10.0.0.10', '10.244.0.5'));
    expect(restart().sync([dns('10.244.0.6:53')]).forgotten).toBe(1);
    conntrack.add(entry(2, '10.0.0.10', '10.244.0.6'));
    expect(restart().sync([]).forgotten).toBe(1);
    expect(left()).toEqual([]);
  });
});

it('whatever happens, increments lead to where a complete comparison leads', () => {
  const backend = fc.constantFrom(
    '10.244.0.1:80',
    '10.244.0.2:80*',
    '10.244.0.3:81',
    '10.244.0.4:80',
    '[fd12::1]:80',
  );
  const list = fc.uniqueArray(backend, { maxLength: 4 }).map((texts) => backendsOf(...texts));
  const front = fc
    .record({
      kind: fc.constantFrom('cluster-ip', 'load-balancer', 'node-port' as const),
      address: fc.constantFrom('10.0.0.1', '10.0.0.2', 'fd00::1'),
      port: fc.constantFrom(80, 81),
      protocol: fc.constantFrom('TCP', 'UDP' as const),
      backends: list,
      masquerade: fc.boolean(),
      empty: fc.constantFrom('reject', 'drop' as const),
      insideBackends: fc.option(list, { nil: undefined }),
      affinitySeconds: fc.option(fc.constantFrom(60, 600), { nil: undefined }),
      sourceRanges: fc.option(fc.constantFrom(['10.0.0.0/8'], ['0.0.0.0/0'], ['fd00::/8']), {
        nil: undefined,
      }),
    })
    .map((one) => frontend(one as never));
  const step = fc.record({
    name: fc.constantFrom('a', 'b', 'c'),
    fronts: fc.option(fc.array(front, { maxLength: 3 }), { nil: undefined }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      const one = new WatchedNft();
      const stepwise = new ServiceTable(one, conntrack, network);
      stepwise.sync([]);
      const now = new Map<string, ServiceTranslation>();
      for (const { name, fronts } of steps) {
        const next = fronts && service(name, ...fronts);
        if (next) now.set(next.key, next);
        else now.delete(`default/${name}`);
        stepwise.update(next ? [next] : [], next ? [] : [`default/${name}`]);
        expect(new ServiceTable(one, conntrack, network).sync(now.values()).changes).toBe(0);
      }
    }),
    { numRuns: 60 },
  );
});
