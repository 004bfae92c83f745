import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ConntrackSocket } from '../../../kernel/conntrack/index.ts';
import { Transaction } from '../../../kernel/nft/index.ts';
import { TABLE as POD_TABLE } from '../table.ts';
import { AFFINITY, TABLE } from './layout.ts';
import { backendsOf, frontend, service, simple } from './testing.ts';
import { TestCluster } from './testing-cluster.ts';
import type { TestHost } from './testing-host.ts';

const WEB = '10.0.0.10';
const EVERYWHERE = ['10.244.0.4:8080', '10.244.0.5:8080', '10.244.1.4:8080'];
let cluster: TestCluster;
let a: TestHost;
let a4: TestHost;
let a5: TestHost;

beforeAll(async () => {
  cluster = await TestCluster.start();
  [a, a4, a5] = ['a', 'a4', 'a5'].map((name) => cluster.host(name)) as [TestHost, TestHost, TestHost];
});
afterAll(() => cluster.close());
beforeEach(() => cluster.sync());

const serverOf = (answer: string): string => answer.split(' ')[0]!;
const addressOf = { a4: '10.244.0.4', a5: '10.244.0.5', b4: '10.244.1.4' } as Record<string, string>;
const without = (server: string): string[] =>
  EVERYWHERE.filter((one) => !one.startsWith(`${addressOf[server]}:`));

describe('session affinity', () => {
  const sticky = (affinitySeconds: number, ...backends: string[]) =>
    service('web', frontend({ affinitySeconds, backends: backendsOf(...backends) }));
  const remembered = () => cluster.a.nft.listElements(TABLE, AFFINITY[4].name).length;

  it('keeps a client with its backend, over a restart, while the backend exists', async () => {
    cluster.sync(sticky(3600, ...EVERYWHERE));
    const first = serverOf(await a5.tcp(WEB, 80));
    expect(remembered()).toBe(1);
    cluster.restart();
    cluster.sync(sticky(3600, ...EVERYWHERE), simple('other', '10.0.0.11', ...EVERYWHERE));
    for (let i = 0; i < 12; i++) expect(serverOf(await a5.tcp(WEB, 80))).toBe(first);
    // The node itself is another client, translated on the way out.
    const own = serverOf(await a.tcp(WEB, 80));
    for (let i = 0; i < 12; i++) expect(serverOf(await a.tcp(WEB, 80))).toBe(own);
    cluster.update([sticky(3600, ...without(first))]);
    const second = serverOf(await a5.tcp(WEB, 80));
    expect(second).not.toBe(first);
    cluster.update([sticky(3600, ...EVERYWHERE)]);
    for (let i = 0; i < 12; i++) expect(serverOf(await a5.tcp(WEB, 80))).toBe(second);
  });

  it('ends with the Service, also when that goes and comes again by whole comparisons', async () => {
    cluster.sync(sticky(3600, ...EVERYWHERE));
    const first = serverOf(await a5.tcp(WEB, 80));
    cluster.sync(sticky(3600, ...without(first)));
    expect(serverOf(await a5.tcp(WEB, 80))).not.toBe(first);
    cluster.sync();
    expect(remembered()).toBe(0);
  });

  it('also remembers who was led to the node itself', async () => {
    cluster.sync(sticky(3600, '10.0.1.4:7070', '10.244.1.4:8080'));
    await a.listen(7070);
    const first = serverOf(await a5.tcp(WEB, 80));
    for (let i = 0; i < 12; i++) expect(serverOf(await a5.tcp(WEB, 80))).toBe(first);
  });

  it('ends with its time', async () => {
    cluster.sync(sticky(1, ...EVERYWHERE));
    const servers = new Set<string>();
    const patience = Date.now() + 60_000;
    while (servers.size < 2 && Date.now() < patience) {
      servers.add(serverOf(await a5.tcp(WEB, 80)));
      // Its second has to pass without a new connection: each one makes it longer.
      await sleep(1100);
    }
    expect(servers.size).toBeGreaterThan(1);
  });
});

describe('established connections', () => {
  it('stay where they are, whatever changes, also when their backend leaves the Service', async () => {
    const web = simple('web', WEB, ...EVERYWHERE);
    cluster.sync(web);
    // To the node's own pod, to another's, and from the node itself.
    const held = ['one', 'two', 'three', 'four', 'five', 'six'];
    for (const id of held) await a5.hold(id, WEB, 80);
    await a.hold('own', WEB, 80);
    const alive = async (): Promise<void> => {
      for (const id of held) expect(await a5.say(id, `still ${id}`)).toBe(`still ${id}`);
      expect(await a.say('own', 'me too')).toBe('me too');
    };
    cluster.update([simple('other', '10.0.0.11', '10.244.0.4:8080')]);
    await alive();
    cluster.restart();
    cluster.sync(web);
    await alive();
    cluster.update([simple('web', WEB, '10.244.0.4:8080')], ['default/other']);
    await alive();
    cluster.update([], ['default/web']);
    cluster.sync();
    await alive();
    expect(await a5.silent('tcp', WEB, 80)).toBe('timeout');
  });

  it('new ones avoid a backend from the moment it is gone', async () => {
    cluster.sync(simple('web', WEB, ...EVERYWHERE));
    cluster.update([simple('web', WEB, '10.244.1.4:8080')]);
    for (let i = 0; i < 20; i++) expect(await a5.tcp(WEB, 80)).toBe('b4 10.244.0.5');
  });
});

describe('UDP', () => {
  const dns = (...backends: string[]) =>
    service('dns', frontend({ protocol: 'UDP', backends: backendsOf(...backends) }));

  it('of a client that keeps its port follows the backends', async () => {
    cluster.sync(dns('10.244.0.4:8080'));
    expect(await a5.udp(WEB, 80, 4444)).toBe('a4 10.244.0.5');
    cluster.update([dns('10.244.1.4:8080')]);
    expect(await a5.udp(WEB, 80, 4444)).toBe('b4 10.244.0.5');
    cluster.update([dns()]);
    expect(await a5.udp(WEB, 80, 4444)).toBe('ECONNREFUSED');
    cluster.update([dns('10.244.0.4:8080')]);
    expect(await a5.udp(WEB, 80, 4444)).toBe('a4 10.244.0.5');
  });

  it('of a client that came before the Service is translated once it is there', async () => {
    const address = '192.0.2.10';
    const late = service(
      'late',
      frontend({ address, protocol: 'UDP', backends: backendsOf('10.244.1.4:8080') }),
    );
    expect(await a5.silent('udp', address, 80)).not.toContain('b4');
    const asked = a5.udp(address, 80, 4545);
    using conntrack = ConntrackSocket.open({ netns: cluster.net.namespace('a') });
    const patience = Date.now() + 60_000;
    const waits = () => conntrack.list({ protocol: 17 }).some(({ original }) => original.sourcePort === 4545);
    while (!waits() && Date.now() < patience) await sleep(20);
    cluster.update([late]);
    expect(await asked).toMatch(/^(b4 10.244.0.5|EHOSTUNREACH|ENETUNREACH)$/);
    expect(await a5.udp(address, 80, 4545)).toBe('b4 10.244.0.5');
  });
});

describe('the kernel', () => {
  it('hears of a change of one endpoint only that', async () => {
    const many = Array.from({ length: 200 }, (_, i) =>
      simple(`s${i}`, `10.0.5.${i}`, `10.244.0.${i}:80`, `10.244.1.${i}:80`),
    );
    cluster.sync(...many);
    const monitor = cluster.net.spawn('a', ['nft', 'monitor']);
    const lines: string[] = [];
    const reader = createInterface(monitor.stdout!).on('line', (line) => lines.push(line));
    const mark = (name: string) => cluster.a.nft.commit(new Transaction().addTable({ family: 'inet', name }));
    // It says nothing when it listens: until the first table is heard of.
    for (let i = 0; !lines.some((line) => line.includes('begin')) && i < 3000; i++) {
      mark(`begin${i}`);
      await sleep(20);
    }
    const start = lines.length;
    cluster.update([simple('s7', '10.0.5.7', '10.244.0.7:80', '10.244.2.99:80')]);
    mark('finished');
    while (!lines.some((line) => line.includes('finished'))) await once(reader, 'line');
    const heard = lines.slice(start).filter((line) => /element|rule|chain/.test(line));
    expect(heard.map((line) => line.replaceAll(/ \{ | \}/g, ' ').trim())).toEqual([
      'delete element inet flyover-services backends 10.0.5.7 . tcp . 80 . 0x00000001 : 10.244.1.7 . 80',
      'add element inet flyover-services backends 10.0.5.7 . tcp . 80 . 0x00000001 : 10.244.2.99 . 80',
      'add element inet flyover service_backends 10.244.2.99 . tcp . 80',
    ]);
    monitor.kill();
  });

  it('is not changed by a restart, and repaired when somebody else changed it', async () => {
    const services = [
      simple('web', WEB, ...EVERYWHERE),
      simple('six', 'fd00:99::10', '[fd12::4]:8080', '[fd12::104]:8080'),
      service(
        'lb',
        frontend({
          kind: 'load-balancer',
          address: '198.19.0.7',
          affinitySeconds: 600,
          sourceRanges: ['10.0.0.0/8', 'fd00::/8'],
          backends: backendsOf('10.244.0.4:8080'),
          insideBackends: backendsOf(...EVERYWHERE),
        }),
        frontend({ kind: 'node-port', port: 30080, protocol: 'SCTP', backends: [], empty: 'drop' }),
      ),
    ];
    cluster.sync(...services);
    cluster.restart();
    const { nft, table } = cluster.a;
    const commit = nft.commit;
    let commits = 0;
    nft.commit = (tx) => {
      if (!tx.isEmpty) commits++;
      commit.call(nft, tx);
    };
    cluster.sync(...services);
    expect(commits).toBe(0);
    expect(table.update([], [])).toMatchObject({ changes: 0 });
    cluster.net.run('a', 'nft', 'flush', 'chain', 'inet', TABLE.name, 'prerouting');
    cluster.net.run('a', 'nft', 'flush', 'map', 'inet', TABLE.name, 'backends');
    cluster.net.run('a', 'nft', 'flush', 'set', 'inet', POD_TABLE.name, 'service_backends');
    cluster.sync(...services);
    expect(commits).toBe(1);
    nft.commit = commit;
    expect(await a4.tcp('198.19.0.7', 80)).toMatch(/ 10.244.0.4$| 10.0.1.4$/);
  });

  it('shows a person where a Service leads', () => {
    cluster.sync(service('web', frontend({ affinitySeconds: 600, backends: backendsOf(...EVERYWHERE) })));
    const text = cluster.net.run('a', 'nft', 'list', 'table', 'inet', TABLE.name);
    expect(text).toContain('10.0.0.10 . tcp . 80 comment "default/web:http" : goto sticky_to_3');
    expect(text).toMatch(/10\.0\.0\.10 \. tcp \. 80 \. 0x00000000 : 10\.244\.\d\.\d \. 8080/);
    expect(text).toContain(
      'dnat ip to ip daddr . meta l4proto . th dport . numgen random mod 3 map @backends',
    );
  });

  it('keeps nothing after removal', () => {
    cluster.sync(simple('web', WEB, ...EVERYWHERE));
    cluster.a.table.remove();
    expect(cluster.a.nft.listTables().map(({ name }) => name)).not.toContain(TABLE.name);
    expect(cluster.a.nft.listElements(POD_TABLE, 'service_backends')).toEqual([]);
    expect(cluster.a.table.update([simple('web', WEB, ...EVERYWHERE)], []).created).toBe(true);
  });
});
