import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { KubeClient } from '../../kube/client.ts';
import { loadKubeConfig } from '../../kube/kube-config.ts';
import { EVENTS, NODES, SERVICES } from '../../kube/resources.ts';
import type { Service } from '../../kube/types.ts';
import { startTestApiServer, type TestApiServer } from '../kubernetes/server/testing.ts';
import type { Probe } from '../load-balancer/probe.ts';
import { TestLab } from './testing.ts';

const quiet = (): void => undefined;
const PATIENCE = { timeout: 60_000, interval: 20 };

/** A lab of names and nothing else, whose cluster has a real API. */
class CloudLab {
  readonly api: TestApiServer;
  readonly client: KubeClient;
  lab: TestLab;
  /** What was asked. */
  readonly asked: Probe[] = [];
  /** Node ports that nobody answers. */
  readonly silent = new Set<number>();
  /** Nobody answers, and nobody refuses. */
  deaf = false;
  #health: Record<string, string[]> = {};

  constructor(api: TestApiServer) {
    this.api = api;
    this.client = this.#client();
    this.lab = this.#lab();
  }

  async create(nodes = 2): Promise<string[]> {
    this.lab.lab.clusters.accept({ name: 'shop', nodes });
    const { nodes: made } = await this.lab.lab.clusters.build('shop', quiet);
    for (const node of made) await this.addNode(node.name, node.address);
    return made.map(({ name }) => name);
  }

  async addNode(name: string, address: string): Promise<void> {
    await this.client.create(NODES, { metadata: { name } });
    const status = {
      addresses: [{ type: 'InternalIP', address }],
      conditions: [{ type: 'Ready', status: 'True' }],
    };
    await this.client.patch(NODES, { name }, { status }, { type: 'merge', subresource: 'status' });
  }

  async service(name: string, spec: object = {}, annotations: Record<string, string> = {}): Promise<Service> {
    const prefixed = Object.entries(annotations).map(([key, value]) => [
      `service.beta.kubernetes.io/${key}`,
      value,
    ]);
    return await this.client.create(SERVICES, {
      metadata: { name, namespace: 'default', annotations: Object.fromEntries(prefixed) },
      spec: { type: 'LoadBalancer', ports: [{ port: 80 }], ...spec },
    });
  }

  async read(name: string): Promise<Service | undefined> {
    return await this.client.find(SERVICES, { namespace: 'default', name });
  }

  async address(name: string): Promise<string | undefined> {
    return (await this.read(name))?.status?.loadBalancer?.ingress?.[0]?.ip;
  }

  /** Waits for the address that a Service gets. */
  async granted(name: string): Promise<string> {
    await expect.poll(() => this.address(name), PATIENCE).toBeDefined();
    return (await this.address(name))!;
  }

  async events(name: string): Promise<string[]> {
    const { items } = await this.client.list(EVENTS, { namespace: 'default' });
    return items.filter((event) => event.involvedObject?.name === name).map((event) => event.reason!);
  }

  async messages(reason: string): Promise<string> {
    const { items } = await this.client.list(EVENTS, { namespace: 'default' });
    return items
      .filter((event) => event.reason === reason)
      .map((event) => event.message)
      .join('\n');
  }

  /** What a supervisor of after a kill -9 does. */
  async restart(): Promise<void> {
    this.lab.lab.loadBalancers.closeAll();
    this.lab = this.#lab();
    await (await this.lab.lab.start()).resumed;
  }

  async close(): Promise<void> {
    this.lab.lab.loadBalancers.closeAll();
    this.client.close();
    await this.api.close();
  }

  #lab(): TestLab {
    return new TestLab(this.lab?.store, {
      client: () => this.#client(),
      askFrom: () => async (probe) => {
        this.asked.push(probe);
        if (this.deaf) return await new Promise(() => undefined);
        return !this.silent.has(probe.port);
      },
      health: {
        load: () => this.#health,
        save: (healthy) => {
          this.#health = structuredClone(healthy) as Record<string, string[]>;
        },
      },
    });
  }

  #client(): KubeClient {
    return new KubeClient(loadKubeConfig({ kubeconfig: this.api.kubeconfig }));
  }
}

let cloud: CloudLab;
beforeEach(async () => {
  cloud = new CloudLab(await startTestApiServer());
});
afterEach(async () => {
  await cloud.close();
});

const publicIps = (): string[] => cloud.lab.lab.gateways.publicIps().map(({ name }) => name);
const balancers = () => cloud.lab.lab.loadBalancers.list();

describe('a Service of type LoadBalancer', () => {
  test('gets a public address, healthy nodes, its status, its finalizer and events', async () => {
    const nodes = await cloud.create();
    await cloud.service('web', {
      ports: [
        { port: 80, name: 'web' },
        { port: 53, protocol: 'UDP', name: 'dns' },
      ],
    });
    const address = await cloud.granted('web');
    expect(address).toMatch(/^198\.19\.0\.\d+$/);
    const web = (await cloud.read('web'))!;
    expect(web.status?.loadBalancer?.ingress).toEqual([{ ip: address, ipMode: 'VIP' }]);
    expect(web.metadata?.finalizers).toEqual(['service.kubernetes.io/load-balancer-cleanup']);
    const [balancer] = balancers();
    expect(balancer).toMatchObject({ name: 'kubernetes', cluster: 'shop', frontends: [{ address }] });
    expect(balancer!.rules.map(({ port, protocol }) => `${port}/${protocol}`).sort()).toEqual([
      '53/UDP',
      '80/TCP',
    ]);
    // The TCP rule by its probe, the UDP rule without one.
    expect(Object.values(balancer!.healthy)).toEqual([nodes, nodes]);
    expect(cloud.asked.every(({ protocol, port }) => protocol === 'Tcp' && port >= 30_000)).toBe(true);
    await expect
      .poll(() => cloud.events('web'), PATIENCE)
      .toEqual(['EnsuringLoadBalancer', 'EnsuredLoadBalancer']);
  });

  test('deleted, gives everything back; a person keeps their own address', async () => {
    await cloud.create(1);
    const mine = cloud.lab.lab.gateways.createPublicIp({ name: 'mine' });
    const annotations = { 'azure-pip-name': 'mine', 'azure-load-balancer-resource-group': 'lab' };
    await cloud.service('web', {}, annotations);
    await cloud.service('other');
    expect(await cloud.granted('web')).toBe(mine.address);
    await cloud.granted('other');
    expect(publicIps()).toHaveLength(3);
    for (const name of ['web', 'other']) await cloud.client.delete(SERVICES, { namespace: 'default', name });
    await expect.poll(() => cloud.read('other'), PATIENCE).toBeUndefined();
    await expect.poll(() => cloud.read('web'), PATIENCE).toBeUndefined();
    expect([publicIps(), balancers()]).toEqual([['shop-outbound-1', 'mine'], []]);
    await expect.poll(() => cloud.events('web'), PATIENCE).toContain('DeletedLoadBalancer');
  });

  test('of another type from now on, loses its address and keeps its name', async () => {
    await cloud.create(1);
    await cloud.service('web');
    await cloud.granted('web');
    const key = { namespace: 'default', name: 'web' };
    await cloud.client.patch(SERVICES, key, { spec: { type: 'ClusterIP' } }, { type: 'merge' });
    await expect.poll(async () => (await cloud.read('web'))?.metadata?.finalizers, PATIENCE).toBeUndefined();
    expect(await cloud.address('web')).toBeUndefined();
    expect(balancers()).toEqual([]);
  });

  test('whose port is taken says so in an event; when the other one has gone it gets it', async () => {
    await cloud.create(1);
    await cloud.service('web');
    const address = await cloud.granted('web');
    const annotations = { 'azure-load-balancer-ipv4': address };
    await cloud.service('tls', { ports: [{ port: 443 }] }, annotations);
    expect(await cloud.granted('tls')).toBe(address);
    await cloud.service('late', {}, annotations);
    await expect.poll(() => cloud.events('late'), PATIENCE).toContain('SyncLoadBalancerFailed');
    expect(await cloud.messages('SyncLoadBalancerFailed')).toContain(
      `Error syncing load balancer: failed to ensure load balancer: spec.ports '80/TCP' is taken at ${address}`,
    );
    expect(balancers()[0]!.frontends).toHaveLength(1);
    await cloud.client.delete(SERVICES, { namespace: 'default', name: 'web' });
    await expect.poll(() => cloud.read('web'), PATIENCE).toBeUndefined();
    // The address outlives the Service that it was made for: another one has it.
    expect(await cloud.granted('late')).toBe(address);
  });

  test('with an address that there is not is refused by name; with a class is left alone', async () => {
    await cloud.create(1);
    await cloud.service('lost', { loadBalancerIP: '198.19.0.200' });
    await cloud.service('theirs', { loadBalancerClass: 'example.com/other' });
    await expect
      .poll(() => cloud.messages('SyncLoadBalancerFailed'), PATIENCE)
      .toContain('user supplied IP Address 198.19.0.200 was not found in resource group MC_lab_shop_local');
    expect((await cloud.read('theirs'))!.metadata).not.toHaveProperty('finalizers');
  });
});

describe('an internal one', () => {
  test('has an address of the subnet that no node gets, and the other way round', async () => {
    await cloud.create(1);
    const annotations = { 'azure-load-balancer-internal': 'true' };
    await cloud.service('api', {}, annotations);
    const address = await cloud.granted('api');
    expect(balancers()[0]).toMatchObject({
      name: 'kubernetes-internal',
      frontends: [{ address, subnet: 'nodes' }],
    });
    const node = cloud.lab.lab.clusters.acceptNode('shop');
    expect(node.properties.address).not.toBe(address);
    await cloud.service('taken', {}, { ...annotations, 'azure-load-balancer-ipv4': node.properties.address });
    await expect
      .poll(() => cloud.messages('SyncLoadBalancerFailed'), PATIENCE)
      .toContain('is allocated to somebody else');
  });
});

describe('nodes', () => {
  test('excluded, not Ready or unanswering get no connections', async () => {
    const [first, second] = await cloud.create(2);
    const web = await cloud.service('web');
    await cloud.granted('web');
    const healthy = (): string[] => Object.values(balancers()[0]!.healthy)[0]!;
    expect(healthy()).toEqual([first, second]);
    const label = 'node.kubernetes.io/exclude-from-external-load-balancers';
    const body = { metadata: { labels: { [label]: '' } } };
    await cloud.client.patch(NODES, { name: first! }, body, { type: 'merge' });
    await expect.poll(healthy, PATIENCE).toEqual([second]);
    await expect.poll(() => cloud.events('web'), PATIENCE).toContain('UpdatedLoadBalancer');
    const status = { conditions: [{ type: 'Ready', status: 'False' }] };
    await cloud.client.patch(NODES, { name: second! }, { status }, { type: 'merge', subresource: 'status' });
    await expect.poll(healthy, PATIENCE).toEqual([]);
    expect(web.spec?.ports?.[0]?.nodePort).toBeGreaterThan(0);
  });

  test('that do not answer leave a Service with its address and without nodes', async () => {
    await cloud.create(1);
    for (let port = 30_000; port < 32_768; port++) cloud.silent.add(port);
    await cloud.service('web');
    await cloud.granted('web');
    expect(Object.values(balancers()[0]!.healthy)).toEqual([[]]);
  });
});

test('a cluster whose API was away goes on, and gets what was asked for meanwhile', async () => {
  await cloud.create(1);
  await cloud.service('web');
  await cloud.granted('web');
  await cloud.api.restart();
  await expect.poll(() => cloud.service('next').catch(() => undefined), PATIENCE).toBeDefined();
  await cloud.granted('next');
  expect(balancers()[0]!.frontends).toHaveLength(2);
});

test('a fabric that does not take the health of nodes is told again', async () => {
  const [node] = await cloud.create(1);
  await cloud.service('web');
  await cloud.granted('web');
  const label = 'node.kubernetes.io/exclude-from-external-load-balancers';
  const { applied } = cloud.lab;
  cloud.lab.fabricFailure = new Error('no more rules');
  const body = { metadata: { labels: { [label]: '' } } };
  await cloud.client.patch(NODES, { name: node! }, body, { type: 'merge' });
  await expect
    .poll(() => cloud.lab.logged, PATIENCE)
    .toContain('the fabric does not follow the health of nodes');
  await expect.poll(() => cloud.lab.applied, PATIENCE).toBe(applied + 1);
  expect(Object.values(balancers()[0]!.healthy)).toEqual([[]]);
});

describe('a supervisor that comes after another', () => {
  test('changes nothing, says nothing, and keeps what was known of nodes', async () => {
    await cloud.create(3);
    await cloud.service('web');
    await cloud.granted('web');
    await expect.poll(() => cloud.events('web'), PATIENCE).toHaveLength(2);
    const before = { service: await cloud.read('web'), balancers: balancers() };
    expect(Object.values(before.balancers[0]!.healthy)[0]).toHaveLength(3);
    // Nodes that have not answered the new one keep their connections.
    cloud.deaf = true;
    await cloud.restart();
    expect(balancers()).toEqual(before.balancers);
    // One more Service has had its whole turn: the first has had its own long before.
    await cloud.service('next');
    await cloud.granted('next');
    expect(await cloud.read('web')).toEqual(before.service);
    expect(await cloud.events('web')).toHaveLength(2);
    expect(balancers()[0]!.healthy).toMatchObject(before.balancers[0]!.healthy);
  });

  test('takes back what belongs to Services that went while nobody watched', async () => {
    await cloud.create(1);
    await cloud.service('web');
    await cloud.granted('web');
    cloud.lab.lab.loadBalancers.closeAll();
    const key = { namespace: 'default', name: 'web' };
    await cloud.client.patch(SERVICES, key, { metadata: { finalizers: [] } }, { type: 'merge' });
    await cloud.client.delete(SERVICES, key);
    expect(await cloud.read('web')).toBeUndefined();
    await cloud.restart();
    await expect.poll(balancers, PATIENCE).toEqual([]);
    expect(publicIps()).toEqual(['shop-outbound-1']);
  });
});

test('a cluster that is deleted takes its load balancers and addresses along', async () => {
  await cloud.create(1);
  await cloud.service('web');
  await cloud.granted('web');
  cloud.lab.lab.clusters.acceptDeletion('shop');
  await cloud.lab.lab.clusters.remove('shop', quiet);
  expect([balancers(), publicIps()]).toEqual([[], []]);
});
