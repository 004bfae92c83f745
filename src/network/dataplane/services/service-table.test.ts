import { beforeEach, describe, expect, it } from 'vitest';
import { FakeConntrack } from '../../../kernel/conntrack/index.ts';
import { KernelError } from '../../../kernel/errno.ts';
import { Transaction } from '../../../kernel/nft/index.ts';
import type { ServiceTranslation } from '../../../service/types.ts';
import { TABLE as POD_TABLE, tableModel } from '../table.ts';
import { syncTable } from '../table-sync.ts';
import { TABLE } from './layout.ts';
import { ServiceTable } from './service-table.ts';
import {
  backendsOf,
  frontend,
  network,
  operationTexts,
  podNetwork,
  service,
  simple,
  WatchedNft,
} from './testing.ts';

let nft: WatchedNft;
let conntrack: FakeConntrack;
let table: ServiceTable;
const elements = (set: string, of = TABLE) => nft.elements(set, of);
const chains = () =>
  nft
    .listChains(TABLE)
    .map(({ name }) => name)
    .filter((name) => /_\d|remember/.test(name))
    .toSorted();
/** What the last change did. */
const done = () => operationTexts(nft.last);
const restart = () => new ServiceTable(nft, conntrack, network);

beforeEach(() => {
  nft = new WatchedNft();
  conntrack = new FakeConntrack();
  syncTable(nft, tableModel(podNetwork, []));
  table = restart();
});

describe('a Service', () => {
  it('is elements of shared maps, and a chain for each count of backends', () => {
    const findings = table.sync([
      simple('web', '10.0.0.10', '10.244.0.5:8080*', '10.244.1.5:8080'),
      simple('api', '10.0.0.11', '10.244.0.5:9090*'),
    ]);
    expect(findings).toMatchObject({ created: true, forgotten: 0, problems: [] });
    expect(elements('frontends')).toEqual([
      '10.0.0.10 . tcp . 80 : goto to_2',
      '10.0.0.11 . tcp . 80 : goto to_1',
    ]);
    expect(elements('backends')).toEqual([
      '10.0.0.10 . tcp . 80 . 0 : 10.244.0.5 . 8080',
      '10.0.0.10 . tcp . 80 . 1 : 10.244.1.5 . 8080',
      '10.0.0.11 . tcp . 80 . 0 : 10.244.0.5 . 9090',
    ]);
    expect(chains()).toEqual(['to_1', 'to_2']);
    expect(elements('hairpins')).toEqual(['10.244.0.5 . 10.244.0.5']);
    expect(elements('cluster_ips')).toEqual(['10.0.0.10', '10.0.0.11']);
    expect(elements('service_backends', POD_TABLE)).toHaveLength(3);
    expect(nft.toString()).toContain('comment "default/web:http"');
  });

  it('without backends is refused or dropped, with them translated again', () => {
    const web = (empty: 'reject' | 'drop', ...backends: string[]) =>
      service('web', frontend({ empty, backends: backendsOf(...backends) }));
    table.sync([web('reject')]);
    expect(elements('frontends')).toEqual(['10.0.0.10 . tcp . 80 : goto refuse']);
    table.update([web('drop')], []);
    expect(elements('frontends')).toEqual(['10.0.0.10 . tcp . 80 : goto drop_no_local_backend']);
    table.update([web('reject', '10.244.0.5:80')], []);
    expect(elements('frontends')).toEqual(['10.0.0.10 . tcp . 80 : goto to_1']);
  });

  it('has its node port at every address of the node, with backends of that family', () => {
    table.sync([
      service(
        'web',
        frontend({ kind: 'node-port', port: 30080, backends: backendsOf('10.244.0.5:80', '[fd12::5]:80') }),
      ),
    ]);
    expect(elements('backends')).toEqual(['10.0.1.4 . tcp . 30080 . 0 : 10.244.0.5 . 80']);
    expect(elements('backends6')).toEqual(['fd00::4 . tcp . 30080 . 0 : fd12::5 . 80']);
    expect(elements('masqueraded_frontends6')).toEqual(['fd00::4 . tcp . 30080']);
  });

  it('takes the families of a node port also as two frontends', () => {
    const port = (...backends: string[]) =>
      frontend({ kind: 'node-port', port: 30080, backends: backendsOf(...backends) });
    table.sync([service('web', port('10.244.0.5:80'), port('[fd12::5]:80'))]);
    expect(elements('frontends')).toEqual(['10.0.1.4 . tcp . 30080 : goto to_1']);
    expect(elements('frontends6')).toEqual(['fd00::4 . tcp . 30080 : goto to_1']);
  });

  it('may lead elsewhere from inside, restrict its sources, and remember its clients', () => {
    const balanced = frontend({
      kind: 'load-balancer',
      address: '198.19.0.7',
      backends: [],
      insideBackends: backendsOf('10.244.1.5:80', '10.244.1.6:80'),
      sourceRanges: ['203.0.113.0/24', '203.0.113.7/32', '10.0.0.0/8', 'fd00::/8'],
      affinitySeconds: 600,
      masquerade: false,
      empty: 'drop',
    });
    table.sync([service('web', balanced)]);
    const key = '198.19.0.7 . tcp . 80';
    expect(elements('frontends')).toEqual([`${key} : goto check_source`]);
    expect(elements('allowed_sources')).toEqual([`${key} . 10.0.0.0/8`, `${key} . 203.0.113.0/24`]);
    expect(elements('restricted_frontends')).toEqual([`${key} : goto by_source`]);
    expect(elements('outside_frontends')).toEqual([`${key} : goto drop_no_local_backend`]);
    expect(elements('inside_frontends')).toEqual([`${key} : goto inside_sticky_to_2`]);
    expect(elements('inside_backends')).toHaveLength(2);
    expect(elements('remembered')).toEqual([`${key} : jump remember_600s`]);
    expect(elements('source_kept_frontends')).toEqual([key]);
    expect(chains()).toEqual(['inside_sticky_to_2', 'remember_600s']);
    table.update([], ['default/web']);
    expect(chains()).toEqual([]);
    for (const set of nft.listSets(TABLE))
      if (!/node_addresses|cidrs/.test(set.name)) expect(elements(set.name), set.name).toEqual([]);
  });

  it('that nobody may use checks the source all the same', () => {
    const backends = backendsOf('10.244.0.5:80', '[fd12::5]:80');
    const six = { address: 'fd00::10', backends };
    for (const sourceRanges of [[], ['10.0.0.0/8']]) {
      table.sync([service('web', frontend({ sourceRanges, backends }), frontend({ sourceRanges, ...six }))]);
      expect(elements('frontends')).toEqual(['10.0.0.10 . tcp . 80 : goto check_source']);
      expect(elements('frontends6')).toEqual(['fd00::10 . tcp . 80 : goto check_source']);
      expect(elements('allowed_sources')).toHaveLength(sourceRanges.length);
      expect(elements('allowed_sources6')).toEqual([]);
    }
  });

  it('that everybody may use is not restricted', () => {
    const open = frontend({
      kind: 'load-balancer',
      sourceRanges: ['0.0.0.0/0'],
      backends: backendsOf('10.244.0.5:80'),
    });
    table.sync([service('web', open)]);
    expect(elements('frontends')).toEqual(['10.0.0.10 . tcp . 80 : goto to_1']);
  });
});

describe('a change', () => {
  const many = (): ServiceTranslation[] =>
    Array.from({ length: 300 }, (_, i) =>
      simple(
        `s${i}`,
        `10.0.2.${i % 250}`.replace('.2.', `.${2 + Math.floor(i / 250)}.`),
        `10.244.1.${i % 250}:80`,
        `10.244.2.${i % 250}:80`,
      ),
    );

  it('of one endpoint touches only its own elements', () => {
    table.sync(many());
    table.update([simple('s7', '10.0.2.7', '10.244.1.7:80', '10.244.3.7:80')], []);
    expect(done()).toEqual([
      '- backends 10.0.2.7 . tcp . 80 . 1',
      '+ backends 10.0.2.7 . tcp . 80 . 1 : 10.244.3.7 . 80',
      '+ service_backends 10.244.3.7 . tcp . 80',
    ]);
  });

  it('of the number of endpoints touches its frontends too', () => {
    table.sync(many());
    table.update([simple('s7', '10.0.2.7', '10.244.2.7:80')], []);
    expect(done()).toEqual([
      'addChain to_1',
      '- backends 10.0.2.7 . tcp . 80 . 0',
      '- backends 10.0.2.7 . tcp . 80 . 1',
      '- frontends 10.0.2.7 . tcp . 80',
      '+ backends 10.0.2.7 . tcp . 80 . 0 : 10.244.2.7 . 80',
      '+ frontends 10.0.2.7 . tcp . 80 : goto to_1',
    ]);
  });

  it('of nothing does nothing', () => {
    table.sync(many());
    const before = nft.commits;
    expect(table.update(many().slice(0, 20), ['default/none'])).toMatchObject({ changes: 0 });
    expect(nft.commits).toBe(before);
  });

  it('of many is one transaction', () => {
    table.sync(many());
    const before = nft.commits;
    table.update([simple('new', '10.0.9.9', '10.244.0.9:80')], ['default/s1', 'default/s2']);
    expect(nft.commits).toBe(before + 1);
    expect(elements('frontends')).toHaveLength(299);
  });

  it('keeps the answers of a backend tracked until its connections have ended', () => {
    table.sync([simple('web', '10.0.0.10', '10.244.0.5:80', '10.244.0.6:80')]);
    conntrack.add({
      family: 4,
      id: 1,
      status: 1 << 5,
      mark: 0,
      zone: 0,
      original: {
        source: '10.244.0.9',
        destination: '10.0.0.10',
        protocol: 6,
        sourcePort: 4000,
        destinationPort: 80,
      },
      reply: {
        source: '10.244.0.5',
        destination: '10.244.0.9',
        protocol: 6,
        sourcePort: 80,
        destinationPort: 4000,
      },
    });
    table.update([simple('web', '10.0.0.10')], []);
    const left = () => elements('service_backends', POD_TABLE);
    expect(left()).toHaveLength(2);
    table.sync([simple('web', '10.0.0.10')]);
    expect(left()).toEqual(['10.244.0.5 . tcp . 80']);
    conntrack.connections.clear();
    restart().sync([simple('web', '10.0.0.10')]);
    expect(left()).toEqual([]);
  });
});

describe('two Services that claim the same', () => {
  it('get it in the order of their names, also when the other comes first or goes', () => {
    const [a, b] = [simple('a', '198.19.0.5', '10.244.0.1:80'), simple('b', '198.19.0.5', '10.244.0.2:80')];
    const leads = () => elements('backends').map((text) => text.split(' : ')[1]);
    table.sync([b]);
    table.update([a], []);
    expect(leads()).toEqual(['10.244.0.1 . 80']);
    table.update([], ['default/a']);
    expect(leads()).toEqual(['10.244.0.2 . 80']);
    restart().sync([b, a]);
    expect(leads()).toEqual(['10.244.0.1 . 80']);
    table = restart();
    table.sync([a, b]);
    table.update([], ['default/b']);
    expect(leads()).toEqual(['10.244.0.1 . 80']);
  });
});

describe('a restart', () => {
  it('changes nothing when nothing has changed', () => {
    const all = [
      simple('web', '10.0.0.10', '10.244.0.5:8080*', '10.244.1.5:8080'),
      simple('six', 'fd00:0::10', '[fd12::5]:80', '[FD12::0:6]:80'),
      service(
        'lb',
        frontend({
          kind: 'load-balancer',
          address: '198.19.0.7',
          affinitySeconds: 60,
          sourceRanges: ['10.0.0.0/8'],
          insideBackends: backendsOf('10.244.0.9:1'),
          backends: [],
        }),
      ),
      service('none', frontend({ address: '10.0.0.12', protocol: 'SCTP', backends: [] })),
    ];
    table.sync(all);
    const before = nft.commits;
    // Places in the maps are kept, in whatever order the backends come now.
    const turned = all.map((one) => ({
      ...one,
      ports: one.ports.map((port) => ({
        ...port,
        frontends: port.frontends.map((f) => ({ ...f, backends: f.backends.toReversed() })),
      })),
    }));
    expect(restart().sync(turned)).toEqual({ created: false, changes: 0, forgotten: 0, problems: [] });
    nft.last = [];
    expect(restart().sync(all).changes).toBe(0);
    expect(nft.last).toEqual([]);
    expect(nft.commits - before).toBeLessThanOrEqual(2);
  });

  it('finds what changed meanwhile, and what others did', () => {
    table.sync([simple('web', '10.0.0.10', '10.244.0.5:80'), simple('old', '10.0.0.11', '10.244.0.6:80')]);
    const good = nft.toString();
    nft.commit(
      new Transaction()
        .flushSet({ table: TABLE, name: 'hairpins' })
        .flushChain({ table: TABLE, name: 'to_1' })
        .flushChain({ table: TABLE, name: 'postrouting' })
        .addChain({ table: TABLE, name: 'strange' })
        .deleteElements({ table: TABLE, set: 'backends', elements: [{ key: ['10.0.0.10', 'tcp', 80, 0] }] })
        .addElements({ table: TABLE, set: 'cluster_ips', elements: [{ key: '9.9.9.9' }] }),
    );
    const findings = restart().sync([
      simple('web', '10.0.0.10', '10.244.0.5:80'),
      simple('old', '10.0.0.11', '10.244.0.6:80'),
    ]);
    expect(findings.created).toBe(false);
    expect(findings.changes).toBeGreaterThan(0);
    const sorted = (text: string) => text.split('\n').toSorted();
    expect(sorted(nft.toString())).toEqual(sorted(good));
  });

  it('replaces a table of another layout', () => {
    nft.commit(
      new Transaction().addTable(TABLE).addSet({ table: TABLE, name: 'frontends', key: 'ipv4_addr' }),
    );
    expect(table.sync([simple('web', '10.0.0.10', '10.244.0.5:80')]).created).toBe(true);
  });
});

describe('when the kernel is not as it was left', () => {
  it('everything is brought up to date instead', () => {
    table.sync([simple('web', '10.0.0.10', '10.244.0.5:80')]);
    nft.commit(new Transaction().deleteTable(TABLE));
    const { created, problems } = table.update([simple('new', '10.0.0.11', '10.244.0.6:80')], []);
    expect(created).toBe(true);
    expect(problems[0]).toContain('brought up to date');
    expect(elements('frontends')).toHaveLength(2);
  });

  it('nothing has changed when it refuses, and the next attempt has it all', () => {
    table.sync([simple('web', '10.0.0.10', '10.244.0.5:80')]);
    const restarted = restart();
    nft.refuseNext(new KernelError('commit', 'batch', 16));
    expect(() => restarted.sync([simple('web', '10.0.0.10', '10.244.0.6:80')])).toThrow('EBUSY');
    expect(elements('backends')).toEqual(['10.0.0.10 . tcp . 80 . 0 : 10.244.0.5 . 80']);
    restarted.update([], []);
    expect(elements('backends')).toEqual(['10.0.0.10 . tcp . 80 . 0 : 10.244.0.6 . 80']);
  });

  it('does without a pod table, and tells it everything once it is there', () => {
    const bare = new WatchedNft();
    const alone = new ServiceTable(bare, conntrack, network);
    const web = simple('web', '10.0.0.10', '10.244.0.5:80');
    alone.sync([web]);
    alone.update([simple('api', '10.0.0.11', '10.244.0.6:80')], []);
    syncTable(bare, tableModel(podNetwork, []));
    expect(alone.sync([web]).changes).toBeGreaterThan(0);
    expect(bare.listElements(POD_TABLE, 'service_backends')).toHaveLength(1);
    alone.remove();
    expect(bare.listElements(POD_TABLE, 'service_backends')).toEqual([]);
    expect(bare.listTables().map(({ name }) => name)).toEqual(['flyover']);
  });
});
