import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Rtnl } from '../../kernel/netlink/index.ts';
import { createNamespace } from '../../kernel/netns.ts';
import { Fabric, type FabricLocation, removeFabric } from './apply.ts';
import { refusedPackets } from './filter-sync.ts';
import type { FabricModel } from './model.ts';
import { planFabric } from './planner.ts';

const MACHINE_STAND_IN = 'machine-stand-in';

/** A node of a cluster called `<cluster>-<index>`, with the block 10.244.<index>.0/24. */
export const testNode = (cluster: string, index: number, address: string) => ({
  name: `${cluster}-${index}`,
  cluster,
  index,
  address,
  nodeBlock: `10.244.${index}.0/24`,
});

/** A cluster in a subnet of the network `hub`, whose API is at 198.19.0.`api`. */
export const testCluster = (name: string, subnet: string, podCidr: string, api: number) => ({
  name,
  virtualNetwork: 'hub',
  subnet,
  podCidr,
  maxPods: 30,
  serviceCidr: '10.96.0.0/16',
  dnsServiceIp: '10.96.0.10',
  apiServerAddress: `198.19.0.${api}`,
});

/** Two clusters with the same pod CIDR in one network, two peers, a site, and a host everywhere. */
export const testModel = (): FabricModel => ({
  virtualNetworks: [
    {
      name: 'hub',
      addressPrefixes: ['10.0.0.0/16'],
      subnets: [
        { name: 'a', addressPrefix: '10.0.1.0/24' },
        { name: 'b', addressPrefix: '10.0.2.0/24' },
      ],
      publicAddress: '198.19.0.4',
    },
    {
      name: 'spoke',
      addressPrefixes: ['10.1.0.0/16'],
      subnets: [{ name: 'x', addressPrefix: '10.1.1.0/24' }],
      publicAddress: '198.19.0.5',
    },
    {
      name: 'far',
      addressPrefixes: ['10.2.0.0/16'],
      subnets: [{ name: 'x', addressPrefix: '10.2.1.0/24' }],
      publicAddress: '198.19.0.6',
    },
  ],
  peerings: [
    ['hub', 'spoke'],
    ['far', 'hub'],
  ],
  clusters: [testCluster('one', 'a', '10.244.0.0/16', 11), testCluster('two', 'b', '10.244.0.0/16', 12)],
  machines: [
    testNode('one', 0, '10.0.1.4'),
    testNode('one', 1, '10.0.1.5'),
    testNode('two', 0, '10.0.2.4'),
    testNode('two', 1, '10.0.2.5'),
  ],
  hosts: [
    { name: 'vm', place: { kind: 'vnet', virtualNetwork: 'spoke', subnet: 'x' }, address: '10.1.1.4' },
    { name: 'near', place: { kind: 'vnet', virtualNetwork: 'hub', subnet: 'a' }, address: '10.0.1.9' },
    { name: 'other', place: { kind: 'vnet', virtualNetwork: 'far', subnet: 'x' }, address: '10.2.1.4' },
    { name: 'web', place: { kind: 'internet' }, address: '203.0.113.4' },
    { name: 'desk', place: { kind: 'site', site: 'hq' }, address: '172.20.0.4' },
  ],
  sites: [{ name: 'hq', virtualNetwork: 'hub', addressPrefix: '172.20.0.0/16' }],
  machineAddresses: ['192.0.2.77'],
});

/** A fabric of its own, all in namespaces of its own: the machine's end of the lab's link is a namespace here, too. */
export class TestFabric {
  readonly #folder = mkdtempSync(join(tmpdir(), 'fly-test-fabric-'));
  readonly at: FabricLocation = {
    folder: join(this.#folder, 'netns'),
    pathOf: (name) => join(this.#folder, 'netns', name === '' ? MACHINE_STAND_IN : name),
  };

  readonly #fabric = new Fabric(this.at);

  constructor() {
    createNamespace(this.at.pathOf(''));
  }

  apply(model: FabricModel): void {
    this.#fabric.apply(planFabric(model));
  }

  /** Makes the next `apply` one of a new process, which knows nothing. */
  forget(): void {
    this.#fabric.forget();
  }

  /** A process that keeps a namespace alive. */
  async hold(namespace: string): Promise<ChildProcess> {
    const argv = [`--net=${this.at.pathOf(namespace)}`, 'sh', '-c', 'echo in; exec sleep 60'];
    const child = spawn('nsenter', argv, { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    return child;
  }

  namespaces(): string[] {
    return readdirSync(this.at.folder);
  }

  /** Moves a link to another namespace. */
  move(from: string, link: string, to: string): void {
    using socket = Rtnl.open({ netns: this.at.pathOf(from) });
    socket.setLink(link, { netns: this.at.pathOf(to) });
  }

  /** Runs a program in a namespace and returns what it printed; its errors too. */
  run(namespace: string, ...argv: string[]): { code: number | null; output: string } {
    const { status, stdout, stderr } = spawnSync('nsenter', [`--net=${this.at.pathOf(namespace)}`, ...argv], {
      encoding: 'utf8',
    });
    return { code: status, output: stdout + stderr };
  }

  /** Whether a ping from a namespace is answered; `from` is the source it claims. */
  ping(namespace: string, address: string, from?: string): boolean {
    const source = from ? ['-I', from] : [];
    return this.run(namespace, 'ping', '-n', '-c', '1', '-W', '1', ...source, address).code === 0;
  }

  /** How many packets a router has refused for a reason. */
  refused(namespace: string, why: string): number {
    return refusedPackets(this.at.pathOf(namespace))[why] ?? 0;
  }

  /** What `ip` and `nft` say about a namespace, without what changes by itself. */
  dump(namespace: string): string {
    return [
      ['ip', 'addr'],
      ['ip', 'route', 'show', 'table', 'all'],
      ['ip', 'neigh'],
      ['nft', 'list', 'ruleset'],
    ]
      .map((argv) => this.run(namespace, ...argv).output)
      .join('\n')
      .replaceAll(/packets \d+ bytes \d+/g, '');
  }

  remove(): void {
    removeFabric(this.at);
    rmSync(this.#folder, { recursive: true });
  }
}
