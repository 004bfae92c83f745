import { pino } from 'pino';
import { afterEach, describe, expect, test } from 'vitest';
import { KubeClient } from '../../kube/client.ts';
import { loadKubeConfig } from '../../kube/kube-config.ts';
import { EVENTS } from '../../kube/resources.ts';
import type { SnatUsage } from '../fabric/snat-usage.ts';
import { startTestApiServer, type TestApiServer } from '../kubernetes/server/testing.ts';
import type { LabContext } from './context.ts';
import { metricsText } from './metrics.ts';
import { SnatWatch } from './snat.ts';

const inventory = {
  virtualNetworks: [{ name: 'a' }, { name: 'b' }],
  clusters: [
    { name: 'shop', virtualNetwork: 'a' },
    { name: 'other', virtualNetwork: 'b' },
  ],
  // The same address in two networks that know nothing of each other.
  machines: [
    { name: 'shop-0', cluster: 'shop', address: '10.0.1.4' },
    { name: 'other-0', cluster: 'other', address: '10.0.1.4' },
  ],
  publicIpAddresses: [{ name: 'gw-0', address: '198.19.0.9' }],
  natGateways: [{ name: 'gw', publicIpAddresses: ['gw-0'], cluster: 'shop' }],
};
const lab = { inventory: () => inventory, log: pino({ level: 'silent' }) } as unknown as LabContext;
const address = (many: number, destination = 'tcp 203.0.113.4:80') => ({
  address: '198.19.0.6',
  flows: many + 1,
  busiest: { flows: many, destination },
  clients: ['10.0.1.4', '10.0.1.99'],
});
const node = (refused: number): SnatUsage => ({
  nodes: [{ nodeAddress: '10.0.1.4', address: '198.19.0.6', tcp: 8, udp: 1, allocated: 8, refused }],
  addresses: [address(8)],
});
const none: SnatUsage = { nodes: [], addresses: [] };

describe('source ports', () => {
  let api: TestApiServer | undefined;
  let client: KubeClient | undefined;
  afterEach(async () => {
    client?.close();
    await api?.close();
    client = undefined;
    api = undefined;
  });

  test('that ran out are told to the node of the right cluster, once for each time', async () => {
    api = await startTestApiServer();
    client = new KubeClient(loadKubeConfig({ kubeconfig: api.kubeconfig }));
    let refused = 3;
    const watch = new SnatWatch(
      lab,
      (network) => (network === 'a' ? node(refused) : none),
      (name) => (name === 'shop' ? client : undefined),
    );
    const events = async () => (await client!.list(EVENTS)).items;
    watch.look();
    watch.look();
    refused = 5;
    // Somebody else looks in between.
    watch.usage();
    watch.look();
    await expect.poll(async () => (await events()).length, { timeout: 60_000 }).toBe(1);
    const [event] = await events();
    expect(event).toMatchObject({
      type: 'Warning',
      reason: 'SnatPortExhaustion',
      involvedObject: { kind: 'Node', name: 'shop-0' },
    });
    expect(event!.message).toContain('flyover cluster update shop --load-balancer-outbound-ports');
    refused = 9;
    watch.look();
    await expect.poll(async () => (await events())[0]?.count, { timeout: 60_000 }).toBe(2);
  });

  test('of a NAT gateway that run out soon are told to its nodes, once until they are free again', async () => {
    api = await startTestApiServer();
    client = new KubeClient(loadKubeConfig({ kubeconfig: api.kubeconfig }));
    let many = 58_000;
    const watch = new SnatWatch(
      lab,
      // 198.19.0.6 is no gateway's.
      (network) =>
        network === 'a'
          ? { nodes: [], addresses: [address(64_000), { ...address(many), address: '198.19.0.9' }] }
          : none,
      (name) => (name === 'shop' ? client : undefined),
    );
    const counts = async () => (await client!.list(EVENTS)).items.map(({ count }) => count);
    watch.look();
    for (many of [58_061, 64_512, 52_000, 58_061]) watch.look();
    await expect.poll(counts, { timeout: 60_000 }).toEqual([1]);
    for (many of [51_000, 58_061]) watch.look();
    await expect.poll(counts, { timeout: 60_000 }).toEqual([2]);
    const [event] = (await client.list(EVENTS)).items;
    expect(event).toMatchObject({
      type: 'Warning',
      reason: 'SnatPortsRunLow',
      involvedObject: { kind: 'Node', name: 'shop-0' },
    });
    expect(event!.message).toContain(
      'address 198.19.0.9 of NAT gateway gw has for connections to tcp 203.0.113.4:80',
    );
    expect(event!.message).toContain('flyover cluster update shop --nat-gateway-managed-outbound-ip-count');
    const text = metricsText(watch.usage(), []);
    const labels = '{nat_gateway="gw",address="198.19.0.9"}';
    expect(text).toContain(`flyover_nat_gateway_busiest_destination_flows${labels} 58061\n`);
    expect(text).toContain(`flyover_nat_gateway_destination_flows_limit${labels} 64512\n`);
    expect(text).not.toContain('198.19.0.6",nat');
  });

  test('are counted on when a router is made anew, and shown as metrics', () => {
    let usage = node(5);
    const watch = new SnatWatch(
      lab,
      (network) => (network === 'a' ? usage : none),
      () => undefined,
    );
    watch.look();
    usage = node(2);
    watch.look();
    expect(watch.usage().nodes).toMatchObject([{ cluster: 'shop', node: 'shop-0', tcp: 8, refused: 7 }]);
    const text = metricsText(watch.usage(), []);
    expect(text).toContain(
      'flyover_snat_ports_used{cluster="shop",node="shop-0",address="198.19.0.6",protocol="tcp"} 8\n',
    );
    expect(text).toContain(
      'flyover_snat_refused_packets_total{cluster="shop",node="shop-0",address="198.19.0.6"} 7\n',
    );
    expect(text).toContain('flyover_public_address_flows{address="198.19.0.6"} 9\n');
  });

  test('of a router that cannot be read are none, and of one that nobody reads', () => {
    const broken = (): never => {
      throw new Error('no table');
    };
    const empty = { nodes: [], addresses: [], natGateways: [] };
    expect(new SnatWatch(lab, broken, () => undefined).usage()).toMatchObject(empty);
    expect(new SnatWatch(lab, undefined, () => undefined).usage()).toMatchObject(empty);
  });
});
