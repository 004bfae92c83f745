import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { NftSocket } from '../../kernel/nft/index.ts';
import type { LoadBalancerRule } from '../azure/types.ts';
import type { FabricModel } from './model.ts';
import { linkName, namespaceOf, PORT_PREFIX } from './names.ts';
import { TestFabric, testModel, testNode } from './testing.ts';
import { Puppet, Puppets } from './testing-puppet.ts';

/** Needs root. Load balancers with real connections between namespaces. */
const fabric = new TestFabric();
const puppets = new Puppets(fabric.at.pathOf);
const puppet = (namespace: string) => puppets.in(namespace);
/** Milliseconds to wait for what must not come. */
const SHORT = 700;

const PUBLIC = '198.19.0.60';
const INTERNAL = '10.0.1.200';
const OTHERS = '198.19.0.61';
const domain = namespaceOf.domain('one');
const NODES = ['one-0', 'one-1', 'one-2'];
const web = namespaceOf.host('web');

const rule = (name: string, frontend: string, protocol: 'TCP' | 'UDP', port: number): LoadBalancerRule => ({
  name,
  frontend,
  protocol,
  port,
  idleTimeoutInMinutes: 4,
});

function model(healthy: Record<string, string[]> = {}): FabricModel {
  const base = testModel();
  base.machines.push(testNode('one', 2, '10.0.1.6'));
  base.publicIpAddresses = [
    { name: 'a', address: PUBLIC },
    { name: 'b', address: OTHERS },
  ];
  base.loadBalancers = [
    {
      name: 'one/kubernetes',
      cluster: 'one',
      frontends: [{ name: 'public', address: PUBLIC, publicIpAddress: 'a' }],
      probes: [],
      rules: [
        rule('web', 'public', 'TCP', 80),
        rule('names', 'public', 'UDP', 53),
        rule('empty', 'public', 'TCP', 81),
      ],
    },
    {
      name: 'one/kubernetes-internal',
      cluster: 'one',
      frontends: [{ name: 'inside', address: INTERNAL, subnet: 'a' }],
      probes: [],
      rules: [rule('web', 'inside', 'TCP', 80)],
    },
    {
      name: 'two/kubernetes',
      cluster: 'two',
      frontends: [{ name: 'public', address: OTHERS, publicIpAddress: 'b' }],
      probes: [],
      rules: [rule('web', 'public', 'TCP', 80)],
    },
  ];
  base.healthyNodes = new Map(Object.entries({ 'one/kubernetes/empty': [], ...healthy }));
  return base;
}

/** A node takes a frontend's packets as its own, in the place of the Service tables of its agent. */
async function serve(node: string, address: string): Promise<void> {
  const namespace = namespaceOf.node(node);
  fabric.run(namespace, 'ip', 'addr', 'add', `${address}/32`, 'dev', 'lo');
  await puppet(namespace).listen(node, address, 80);
}

beforeAll(async () => {
  fabric.apply(model());
  for (const node of NODES) {
    fabric.run(namespaceOf.node(node), 'ip', 'link', 'set', 'lo', 'up');
    await serve(node, PUBLIC);
    await serve(node, INTERNAL);
    await puppet(namespaceOf.node(node)).listen(node, PUBLIC, 53, 'udp');
  }
  for (const node of ['two-0', 'two-1']) await serve(node, OTHERS);
});
afterAll(() => {
  puppets.kill();
  fabric.remove();
});

/** New connections from the internet by the same ports every time: the hash is always the same. */
const fromWeb = (count: number, first = 20_000, port = 80, patience?: number) =>
  puppet(web).openMany(
    Array.from({ length: count }, (_, i) => ({
      address: PUBLIC,
      port,
      fromPort: first + i,
      ...(patience ? { patience } : {}),
    })),
  );

describe('a load balancer', () => {
  test('spreads connections over the nodes, which see them unchanged', async () => {
    const answers = await fromWeb(120);
    for (const { local, remote } of answers) expect([local, remote]).toEqual([PUBLIC, '203.0.113.4']);
    for (const node of NODES) {
      expect(answers.filter(({ name }) => name === node).length).toBeGreaterThan(20);
    }
    expect(answers.map(({ port }) => port)).toEqual(answers.map((_, i) => 20_000 + i));
  });

  test.each([
    ['the machine that the lab runs on', '', PUBLIC, '198.18.0.1'],
    ['a machine of a peer, by the internet', namespaceOf.host('vm'), PUBLIC, '198.19.0.5'],
    ['a node of another cluster of its network', namespaceOf.node('two-0'), PUBLIC, '10.0.2.4'],
    ['a machine of its network', namespaceOf.host('near'), INTERNAL, '10.0.1.9'],
    ['a machine of a peer', namespaceOf.host('vm'), INTERNAL, '10.1.1.4'],
    ['on-premises', namespaceOf.host('desk'), INTERNAL, '172.20.0.4'],
    ['a node of another cluster', namespaceOf.node('two-0'), INTERNAL, '10.0.2.4'],
    ['the Kubernetes API of its cluster', namespaceOf.controlPlane('one'), INTERNAL, '198.19.0.11'],
  ])('is there for %s', async (_who, namespace, address, source) => {
    const answer = await puppet(namespace).open({ address, port: 80 });
    expect(answer).toMatchObject({ local: address, remote: source });
    expect(NODES).toContain(answer.name);
  });

  test('is there for nodes of its own cluster; who is sent to itself gets nothing, as on Azure', async () => {
    const client = new Puppet(fabric.at.pathOf(namespaceOf.node('one-0')));
    // Without the address of its own the packets go out, as those of a node do whose agent leaves them alone.
    fabric.run(namespaceOf.node('one-0'), 'ip', 'addr', 'del', `${INTERNAL}/32`, 'dev', 'lo');
    const names = new Set<string | undefined>();
    for (let i = 0; i < 12; i++) {
      void client
        .open({ address: INTERNAL, port: 80, fromPort: 21_000 + i })
        .then(({ name }) => names.add(name));
    }
    await expect.poll(() => names, { timeout: 50_000 }).toEqual(new Set(['one-1', 'one-2']));
    client.kill();
    fabric.run(namespaceOf.node('one-0'), 'ip', 'addr', 'add', `${INTERNAL}/32`, 'dev', 'lo');
  });

  test('two clusters of one network: each frontend leads to its own nodes', async () => {
    const answer = await puppet(web).open({ address: OTHERS, port: 80 });
    expect(answer).toMatchObject({ local: OTHERS, remote: '203.0.113.4' });
    expect(answer.name).toMatch(/^two-/);
  });

  test.each([
    ['a port without a rule', 99, 'no_rule'],
    ['a rule without a healthy node', 81, 'no_healthy_node'],
  ])('answers nothing for %s; dropped and counted', async (_what, port, why) => {
    const before = fabric.refused(domain, why);
    const answer = await puppet(web).open({ address: PUBLIC, port, patience: SHORT });
    expect(answer).toEqual(expect.objectContaining({ error: 'timeout' }));
    await expect.poll(() => fabric.refused(domain, why), { timeout: 50_000 }).toBeGreaterThan(before);
  });

  test('does not answer a ping', () => {
    const before = fabric.refused(domain, 'no_rule');
    expect(fabric.ping(web, PUBLIC)).toBe(false);
    expect(fabric.refused(domain, 'no_rule')).toBe(before + 1);
  });

  test('a path with a smaller MTU is found out', async () => {
    const link = linkName(PORT_PREFIX.host, 'web');
    fabric.run(namespaceOf.internet(), 'ip', 'link', 'set', link, 'mtu', '1400');
    const { connection } = await puppet(web).open({ address: PUBLIC, port: 80 });
    expect(await puppet(web).download(connection!, 200_000)).toMatchObject({ bytes: 200_000 });
    fabric.run(namespaceOf.internet(), 'ip', 'link', 'set', link, 'mtu', '1500');
  });
});

describe('who is healthy', () => {
  test('open connections stay with a node that is not any more; new ones, and UDP, go elsewhere', async () => {
    const held = await fromWeb(12, 22_000);
    const victim = held[0]!.name!;
    const others = NODES.filter((node) => node !== victim);
    const names = { protocol: 'udp', address: PUBLIC, port: 53 } as const;
    const asked = await puppet(web).openMany(
      Array.from({ length: 12 }, (_, i) => ({ ...names, fromPort: 23_000 + i })),
    );
    fabric.apply(model({ 'one/kubernetes/web': others, 'one/kubernetes/names': others }));

    for (const { connection, name } of held) {
      expect(await puppet(web).say(connection!)).toMatchObject({ name });
    }
    for (const { connection, name } of asked) {
      const { name: now } = await puppet(web).say(connection!);
      if (name === victim) expect(others).toContain(now);
      else expect(now).toBe(name);
    }
    const fresh = await fromWeb(60, 24_000);
    for (const other of others) expect(fresh.filter(({ name }) => name === other).length).toBeGreaterThan(15);
    expect(fresh.filter(({ name }) => name === victim)).toEqual([]);
    // The same hash leads to the same node again: only what was the victim's had moved.
    fabric.apply(model());
    const again = await fromWeb(60, 25_000);
    expect(new Set(again.map(({ name }) => name))).toEqual(new Set(NODES));
  });

  test('the ports of a connection that is over may come again: it is a new one, to a healthy node', async () => {
    const [first] = await fromWeb(1, 26_000);
    await puppet(web).reset(first!.connection!);
    const others = NODES.filter((node) => node !== first!.name);
    fabric.apply(model({ 'one/kubernetes/web': others }));
    const [second] = await fromWeb(1, 26_000);
    expect(others).toContain(second!.name);
    expect(await puppet(web).say(second!.connection!)).toMatchObject({ name: second!.name });
    fabric.apply(model());
    expect(await puppet(web).say(second!.connection!)).toMatchObject({ name: second!.name });
  });

  test('a new supervisor, and nodes that come and go, leave connections alone', async () => {
    const held = (await fromWeb(12, 27_000)).filter(({ name }) => name !== 'one-2');
    const commits = vi.spyOn(NftSocket.prototype, 'commit');
    fabric.forget();
    fabric.apply(model());
    // It finds everything as it should be, whatever way the kernel writes it.
    expect(commits).not.toHaveBeenCalled();
    commits.mockRestore();
    const grown = model();
    grown.machines.push(testNode('one', 3, '10.0.1.7'));
    fabric.apply(grown);
    const shrunk = model();
    shrunk.machines = shrunk.machines.filter(({ name }) => name !== 'one-2');
    fabric.apply(shrunk);
    for (const { connection, name } of held) {
      expect(await puppet(web).say(connection!)).toMatchObject({ name });
    }
    const fresh = await fromWeb(30, 28_000);
    expect(new Set(fresh.map(({ name }) => name))).toEqual(new Set(['one-0', 'one-1']));
  });
});

describe('nobody else speaks for a frontend', () => {
  test('a node that was not asked', async () => {
    fabric.apply(model());
    const node = new Puppet(fabric.at.pathOf(namespaceOf.node('one-0')));
    await puppet(web).listen('web', '203.0.113.4', 9999, 'udp');
    const before = fabric.refused(domain, 'spoofed');
    const answer = await node.open({
      protocol: 'udp',
      address: '203.0.113.4',
      port: 9999,
      from: PUBLIC,
      patience: SHORT,
    });
    expect(answer).toMatchObject({ error: 'timeout' });
    await expect.poll(() => fabric.refused(domain, 'spoofed'), { timeout: 50_000 }).toBe(before + 1);
    node.kill();
  });
});
