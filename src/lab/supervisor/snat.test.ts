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
};
const lab = { inventory: () => inventory, log: pino({ level: 'silent' }) } as unknown as LabContext;
const node = (refused: number): SnatUsage => ({
  nodes: [{ nodeAddress: '10.0.1.4', address: '198.19.0.6', tcp: 8, udp: 1, allocated: 8, refused }],
  addresses: [{ address: '198.19.0.6', flows: 9 }],
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
    const empty = { nodes: [], addresses: [] };
    expect(new SnatWatch(lab, broken, () => undefined).usage()).toMatchObject(empty);
    expect(new SnatWatch(lab, undefined, () => undefined).usage()).toMatchObject(empty);
  });
});
