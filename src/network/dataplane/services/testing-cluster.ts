import { cidrContains, parseCidr } from '../../../address/cidr.ts';
import { parseAddress } from '../../../address/ip.ts';
import { ConntrackSocket } from '../../../kernel/conntrack/index.ts';
import { Rtnl } from '../../../kernel/netlink/rtnl.ts';
import { setNetSysctl } from '../../../kernel/netns.ts';
import { NftSocket } from '../../../kernel/nft/socket.ts';
import type { Backend, Frontend, ServiceTranslation } from '../../../service/types.ts';
import { Dataplane } from '../dataplane.ts';
import type { NodeNetwork } from '../model.ts';
import { TestNetwork } from '../testing.ts';
import { type ServiceNetwork, ServiceTable } from './service-table.ts';
import { TestHost } from './testing-host.ts';

const POD_CIDRS = ['10.244.0.0/16', 'fd12::/64'];

/** One node: its links, its table of Services. */
export interface TestNode {
  readonly name: string;
  readonly address: string;
  readonly network: NodeNetwork & ServiceNetwork;
  readonly dataplane: Dataplane;
  readonly nft: NftSocket;
  table: ServiceTable;
}

/**
 * Two nodes a and b with pods a4, a5 and b4, a router between them, and outside of the cluster the hosts c (203.0.113.9)
 * and d (203.0.114.9). Pods serve TCP and UDP on port 8080, the node b on 7070. 198.19.0.7 leads to node a.
 */
export class TestCluster {
  readonly net = new TestNetwork();
  readonly hosts = new Map<string, TestHost>();
  readonly nodes: readonly TestNode[];

  private constructor() {
    const { net } = this;
    for (const [ns, number] of [
      ['a', 1],
      ['b', 2],
    ] as const) {
      net.join(
        { ns: 'router', name: ns, address: `10.0.${number}.1/24` },
        { ns, address: `10.0.${number}.4/24` },
      );
    }
    net.join({ ns: 'router', name: 'c', address: '203.0.113.1/24' }, { ns: 'c', address: '203.0.113.9/24' });
    net.join({ ns: 'router', name: 'd', address: '203.0.114.1/24' }, { ns: 'd', address: '203.0.114.9/24' });
    const router = net.namespace('router');
    setNetSysctl(router, 'ipv4/ip_forward', 1);
    setNetSysctl(router, 'ipv6/conf/all/forwarding', 1);
    using rtnl = Rtnl.open({ netns: router });
    for (const [ns, number] of [
      ['a', 1],
      ['b', 2],
      ['c', 3],
    ] as const) {
      rtnl.addAddress(ns, { address: `fd00:${number}::1`, prefixLength: 64 });
      using one = Rtnl.open({ netns: net.namespace(ns) });
      one.addAddress('eth0', { address: `fd00:${number}::4`, prefixLength: 64 });
      one.addRoute({ dst: 'default', via: `fd00:${number}::1` });
      one.addRoute({ dst: 'default', via: ns === 'c' ? '203.0.113.1' : `10.0.${number}.1` });
    }
    using d = Rtnl.open({ netns: net.namespace('d') });
    d.addRoute({ dst: 'default', via: '203.0.114.1' });
    for (const [dst, via] of [
      ['10.244.0.0/24', '10.0.1.4'],
      ['10.244.1.0/24', '10.0.2.4'],
      ['198.19.0.7/32', '10.0.1.4'],
      ['fd12::/120', 'fd00:1::4'],
      ['fd12::100/120', 'fd00:2::4'],
    ] as const)
      rtnl.addRoute({ dst, via });
    this.nodes = [this.#node('a', 1), this.#node('b', 2)];
  }

  static async start(): Promise<TestCluster> {
    const cluster = new TestCluster();
    await cluster.#attach('a', ['10.244.0.4', 'fd12::4']);
    await cluster.#attach('a', ['10.244.0.5', 'fd12::5']);
    await cluster.#attach('b', ['10.244.1.4', 'fd12::104']);
    for (const ns of ['a', 'b', 'c', 'd', 'a4', 'a5', 'b4'])
      cluster.hosts.set(ns, new TestHost(cluster.net, ns));
    await Promise.all(['a4', 'a5', 'b4'].map((ns) => cluster.host(ns).listen(8080)));
    await cluster.host('b').listen(7070);
    return cluster;
  }

  host(name: string): TestHost {
    return this.hosts.get(name)!;
  }

  get a(): TestNode {
    return this.nodes[0]!;
  }

  /** Brings both nodes to these, with `local` as each of them sees it. */
  sync(...services: ServiceTranslation[]): void {
    for (const node of this.nodes) node.table.sync(services.map((one) => seenFrom(node, one)));
  }

  update(changed: readonly ServiceTranslation[], gone: readonly string[] = []): void {
    for (const node of this.nodes)
      node.table.update(
        changed.map((one) => seenFrom(node, one)),
        gone,
      );
  }

  /** The agents start anew. */
  restart(): void {
    for (const node of this.nodes) {
      const netns = this.net.namespace(node.name);
      node.table = new ServiceTable(node.nft, ConntrackSocket.open({ netns }), node.network);
    }
  }

  async close(): Promise<void> {
    for (const { dataplane } of this.nodes) dataplane.close();
    await this.net.close();
  }

  #node(name: string, number: number): TestNode {
    const netns = this.net.namespace(name);
    const address = `10.0.${number}.4`;
    const network = {
      nodeName: name,
      nodeAddresses: [address, `fd00:${number}::4`],
      nodeBlocks: [`10.244.${number - 1}.0/24`, number === 1 ? 'fd12::/120' : 'fd12::100/120'],
      podCIDRs: POD_CIDRS,
      serviceCIDRs: ['10.0.0.0/24', 'fd00:99::/112'],
      nonMasqueradeRanges: [],
      routing: 'fabric',
      mtu: 0,
      trackPodTraffic: false,
      peers: [],
    } as const;
    const nft = NftSocket.open({ netns });
    const dataplane = new Dataplane(Rtnl.open({ netns }), nft);
    const { problems } = dataplane.apply(network, []);
    if (problems.length > 0) throw new Error(problems.join());
    const table = new ServiceTable(nft, ConntrackSocket.open({ netns }), network);
    return { name, address, network, dataplane, nft, table };
  }

  async #attach(node: string, addresses: readonly string[]): Promise<void> {
    const name = `${node}${addresses[0]!.split('.')[3]}`;
    const { dataplane } = this.nodes.find((one) => one.name === node)!;
    const netns = this.net.namespace(name);
    await dataplane.links.attach({ containerId: name, ifName: 'eth0', netns, addresses, mtu: 1500 });
  }
}

function seenFrom({ network }: TestNode, service: ServiceTranslation): ServiceTranslation {
  const own = [
    ...network.nodeBlocks,
    ...network.nodeAddresses.map((a) => `${a}/${a.includes(':') ? 128 : 32}`),
  ];
  const seen = (backends: readonly Backend[]): Backend[] =>
    backends.map((one) => ({
      ...one,
      local: own.some((block) => cidrContains(parseCidr(block), parseAddress(one.address))),
    }));
  const front = (one: Frontend): Frontend => {
    // `externalTrafficPolicy: Local`, as the model has it: those with others inside have the local ones outside.
    const backends = one.insideBackends
      ? seen(one.backends).filter(({ local }) => local)
      : seen(one.backends);
    return { ...one, backends, ...(one.insideBackends ? { insideBackends: seen(one.insideBackends) } : {}) };
  };
  const ports = service.ports.map((port) => ({ ...port, frontends: port.frontends.map(front) }));
  return { ...service, ports };
}
