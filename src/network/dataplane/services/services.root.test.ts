import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Frontend } from '../../../service/types.ts';
import { HAIRPINS, TABLE } from './layout.ts';
import { backendsOf, frontend, service, simple } from './testing.ts';
import { TestCluster } from './testing-cluster.ts';
import type { TestHost } from './testing-host.ts';

let cluster: TestCluster;
let [a, b, c, d, a4, a5, b4]: TestHost[] = [];

const WEB = '10.0.0.10';
const EVERYWHERE = ['10.244.0.4:8080', '10.244.0.5:8080', '10.244.1.4:8080'];
const all = (): string[] => [...EVERYWHERE];
/** Who answers, in so many attempts. */
async function answers(ask: () => Promise<string>, times = 16): Promise<Set<string>> {
  const found = new Set<string>();
  for (let i = 0; i < times; i++) found.add(await ask());
  return found;
}
const external = (change: Partial<Frontend> & Pick<Frontend, 'backends'>): Frontend =>
  frontend({ kind: 'load-balancer', address: '198.19.0.7', ...change });
const nodePort = (change: Partial<Frontend> & Pick<Frontend, 'backends'>): Frontend =>
  frontend({ kind: 'node-port', port: 30080, ...change });

beforeAll(async () => {
  cluster = await TestCluster.start();
  [a, b, c, d, a4, a5, b4] = ['a', 'b', 'c', 'd', 'a4', 'a5', 'b4'].map((name) =>
    cluster.host(name),
  ) as TestHost[];
});
afterAll(() => cluster.close());
beforeEach(() => cluster.sync());

describe('a cluster address', () => {
  it('is spread over all backends, and pods keep their source, on every node', async () => {
    cluster.sync(simple('web', WEB, ...all()));
    // A pod that is its own backend wears the node's address, else it would answer itself past the translation.
    expect([...(await answers(() => a4!.tcp(WEB, 80), 40))].toSorted()).toEqual([
      'a4 10.0.1.4',
      'a5 10.244.0.4',
      'b4 10.244.0.4',
    ]);
    expect([...(await answers(() => b4!.tcp(WEB, 80), 40))].toSorted()).toEqual([
      'a4 10.244.1.4',
      'a5 10.244.1.4',
      'b4 10.0.2.4',
    ]);
  });

  it('is there for nodes too, by their own address, also where the backend is a node', async () => {
    cluster.sync(
      simple('web', WEB, '10.244.0.4:8080', '10.244.1.4:8080'),
      simple('host', '10.0.0.11', '10.0.2.4:7070'),
    );
    expect([...(await answers(() => a!.tcp(WEB, 80)))].toSorted()).toEqual(['a4 10.0.1.4', 'b4 10.0.1.4']);
    expect(await a!.tcp('10.0.0.11', 80)).toBe('b 10.0.1.4');
    expect(await b!.tcp('10.0.0.11', 80)).toBe('b 10.0.2.4');
    // Pods leave the cluster's pod range under their node's address, Service or not.
    expect(await a4!.tcp('10.0.0.11', 80)).toBe('b 10.0.1.4');
  });

  it('works over UDP and IPv6', async () => {
    const six = 'fd00:99::10';
    cluster.sync(
      service('dns', frontend({ protocol: 'UDP', port: 53, backends: backendsOf('10.244.1.4:8080') })),
      service(
        'six',
        frontend({ address: six, backends: backendsOf('[fd12::4]:8080', '[fd12::104]:8080') }),
        frontend({ address: six, protocol: 'UDP', backends: backendsOf('[fd12::104]:8080') }),
      ),
    );
    expect(await a4!.udp(WEB, 53)).toBe('b4 10.244.0.4');
    expect(await a!.udp(WEB, 53)).toBe('b4 10.0.1.4');
    expect([...(await answers(() => a4!.tcp(six, 80)))].toSorted()).toEqual(['a4 fd00:1::4', 'b4 fd12::4']);
    expect(await a4!.udp(six, 80)).toBe('b4 fd12::4');
    expect(await a!.tcp(six, 80)).toMatch(/4 fd00:1::4$/);
  });

  it('refuses other ports at once, and unknown addresses of the range lead nowhere', async () => {
    cluster.sync(simple('web', WEB, ...all()));
    expect(await a4!.tcp(WEB, 81)).toBe('ECONNREFUSED');
    expect(await a!.udp(WEB, 80)).toBe('ECONNREFUSED');
    expect(await a4!.silent('tcp', '10.0.0.99', 80)).toBe('timeout');
    expect(cluster.a.table.counters().get('unknown_address')?.packets).toBeGreaterThan(0);
  });

  it('tells the client when a backend refuses UDP', async () => {
    cluster.sync(service('dns', frontend({ protocol: 'UDP', backends: backendsOf('10.244.1.4:9999') })));
    expect(await a4!.udp(WEB, 80)).toBe('ECONNREFUSED');
  });

  it('leaves direct connections between pods alone, also to the port of a backend', async () => {
    cluster.sync(simple('web', WEB, ...all()));
    expect(await a4!.tcp('10.244.1.4', 8080)).toBe('b4 10.244.0.4');
    expect(await b4!.udp('10.244.0.5', 8080)).toBe('a5 10.244.1.4');
    expect(await a4!.tcp('fd12::104', 8080)).toBe('b4 fd12::4');
  });
});

describe('without backends', () => {
  it.each(['cluster-ip', 'load-balancer', 'node-port'] as const)(
    'a %s refuses TCP and UDP at once',
    async (kind) => {
      const ways = (['TCP', 'UDP'] as const).map((protocol) =>
        frontend({
          kind,
          protocol,
          port: 30080,
          backends: [],
          ...(kind === 'node-port' ? {} : { address: kind === 'cluster-ip' ? WEB : '198.19.0.7' }),
        }),
      );
      cluster.sync(service('web', ...ways));
      const address = ways[0]!.address ?? '10.0.1.4';
      const askers = kind === 'cluster-ip' ? [a!, a4!] : [a!, a4!, c!];
      for (const one of askers) {
        expect(await one.tcp(address, 30080)).toBe('ECONNREFUSED');
        expect(await one.udp(address, 30080)).toBe('ECONNREFUSED');
      }
      expect(cluster.a.table.counters().get('refused')?.packets).toBeGreaterThan(0);
    },
  );

  it('that the policy allows here there is silence', async () => {
    cluster.sync(
      service(
        'web',
        external({
          backends: [],
          empty: 'drop',
          insideBackends: backendsOf('10.244.1.4:8080'),
          masquerade: false,
        }),
      ),
    );
    expect(await c!.silent('tcp', '198.19.0.7', 80)).toBe('timeout');
    expect(await a4!.tcp('198.19.0.7', 80)).toBe('b4 10.244.0.4');
    expect(await a!.tcp('198.19.0.7', 80)).toBe('b4 10.0.1.4');
    expect(cluster.a.table.counters().get('no_local_backend')?.packets).toBeGreaterThan(0);
  });
});

describe('from outside', () => {
  it('a node port wears the address of the node, whoever asks from elsewhere', async () => {
    cluster.sync(service('web', nodePort({ backends: backendsOf('10.244.1.4:8080') })));
    expect(await c!.tcp('10.0.1.4', 30080)).toBe('b4 10.0.1.4');
    expect(await c!.tcp('10.0.2.4', 30080)).toBe('b4 10.0.2.4');
    expect(await c!.tcp('fd00:1::4', 30080)).toBe('ECONNREFUSED');
    expect(await a!.tcp('10.0.1.4', 30080)).toBe('b4 10.0.1.4');
    expect(await b!.tcp('10.0.1.4', 30080)).toBe('b4 10.0.1.4');
    expect(await a4!.tcp('10.0.1.4', 30080)).toBe('b4 10.244.0.4');
    // At another node it comes by the network, under its own node's address.
    expect(await a4!.tcp('10.0.2.4', 30080)).toBe('b4 10.0.2.4');
  });

  it("keeps the client's address with the policy Local, and reaches backends here only", async () => {
    const backends = backendsOf('10.244.0.4:8080', '10.244.1.4:8080');
    cluster.sync(
      service('web', nodePort({ backends, insideBackends: backends, masquerade: false, empty: 'drop' })),
    );
    expect(await answers(() => c!.tcp('10.0.1.4', 30080))).toEqual(new Set(['a4 203.0.113.9']));
    expect(await answers(() => c!.tcp('10.0.2.4', 30080))).toEqual(new Set(['b4 203.0.113.9']));
    expect((await answers(() => a5!.tcp('10.0.1.4', 30080))).size).toBe(2);
  });

  it('a balanced address is translated where it arrives', async () => {
    cluster.sync(service('web', external({ backends: backendsOf('10.244.1.4:8080') })));
    expect(await c!.tcp('198.19.0.7', 80)).toBe('b4 10.0.1.4');
    expect(await a4!.tcp('198.19.0.7', 80)).toBe('b4 10.244.0.4');
  });

  it('lets in whom the source ranges name', async () => {
    const sourceRanges = ['203.0.113.0/24', '10.244.0.4/32'];
    cluster.sync(service('web', external({ sourceRanges, backends: backendsOf('10.244.1.4:8080') })));
    expect(await c!.tcp('198.19.0.7', 80)).toBe('b4 10.0.1.4');
    expect(await a4!.tcp('198.19.0.7', 80)).toBe('b4 10.244.0.4');
    expect(await d!.silent('tcp', '198.19.0.7', 80)).toBe('timeout');
    expect(await a5!.silent('tcp', '198.19.0.7', 80)).toBe('timeout');
    expect(cluster.a.table.counters().get('denied_source')?.packets).toBeGreaterThan(0);
    cluster.update([
      service('web', external({ sourceRanges: ['203.0.114.9/32'], backends: backendsOf('10.244.1.4:8080') })),
    ]);
    expect(await d!.tcp('198.19.0.7', 80)).toBe('b4 10.0.1.4');
    expect(await c!.silent('tcp', '198.19.0.7', 80)).toBe('timeout');
  });
});

it('a backend of this node can reach itself by every way', async () => {
  const backends = backendsOf('10.244.0.4:8080');
  cluster.sync(service('web', frontend({ backends }), external({ backends }), nodePort({ backends })));
  expect(cluster.a.nft.listElements(TABLE, HAIRPINS[4].name)).toHaveLength(1);
  for (const [address, port] of [
    [WEB, 80],
    ['198.19.0.7', 80],
    ['10.0.1.4', 30080],
  ] as const) {
    expect(await a4!.tcp(address, port)).toBe('a4 10.0.1.4');
  }
});
