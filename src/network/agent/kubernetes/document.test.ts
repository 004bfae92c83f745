import { describe, expect, test } from 'vitest';
import type { ConfigMap, Node } from '../../../kube/types.ts';
import { parseConfig } from '../config.ts';
import { ConfigError } from '../config-error.ts';
import { type ClusterView, documentOf } from './document.ts';

function node(name: string, address: string, podCIDRs: string[]): Node {
  return {
    metadata: { name },
    spec: podCIDRs.length === 0 ? {} : { podCIDR: podCIDRs[0]!, podCIDRs },
    status: {
      addresses: [
        { type: 'Hostname', address: name },
        ...address.split(',').map((one) => ({ type: 'InternalIP', address: one })),
      ],
    },
  };
}

function settings(data: Record<string, string>): ConfigMap {
  return { data: { podCIDRs: '10.244.0.0/16', ...data } };
}

const own = node('n1', '10.0.1.4', ['10.244.0.0/24']);

function view(change: Partial<ClusterView> = {}): ClusterView {
  return { nodeName: 'n1', node: own, settings: settings({}), others: [], ...change };
}

function problems(change: Partial<ClusterView>): string[] {
  try {
    parseConfig(documentOf(view(change)));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map((p) => `${p.field} '${p.value}' ${p.rule}; ${p.fix}`);
  }
  return [];
}

describe('what a cluster says', () => {
  test('amounts to a node.json', () => {
    const text = documentOf(
      view({
        cri: '/run/containerd/containerd.sock',
        settings: settings({
          podCIDRs: '10.244.0.0/16, fd00::/104',
          nonMasqueradeRanges: '10.0.0.0/8 172.16.0.0/12',
          routing: 'fabric',
          mtu: '1400',
          cooldownSeconds: '5',
          maxPods: '110',
          trackPodTraffic: 'true',
          nodeBlockSize: '24',
        }),
        node: node('n1', '10.0.1.4,fd01::4,10.0.1.5', ['10.244.0.0/24', 'fd00::/120']),
        others: [node('n2', '10.0.1.6', ['10.244.1.0/24'])],
      }),
    );
    expect(parseConfig(text)).toEqual({
      nodeName: 'n1',
      nodeAddresses: ['10.0.1.4', 'fd01::4'],
      nodeBlocks: ['10.244.0.0/24', 'fd00::/120'],
      podCIDRs: ['10.244.0.0/16', 'fd00::/104'],
      nonMasqueradeRanges: ['10.0.0.0/8', '172.16.0.0/12'],
      routing: 'fabric',
      mtu: 1400,
      cooldownSeconds: 5,
      maxPods: 110,
      trackPodTraffic: true,
      serviceProxy: false,
      serviceCIDRs: [],
      peers: [],
      cri: '/run/containerd/containerd.sock',
    });
  });

  test.each([
    ['another proxy, which needs its answers tracked', {}, [false, true]],
    ['another proxy that needs nothing tracked', { trackPodTraffic: 'false' }, [false, false]],
    ['this proxy', { serviceProxy: 'true' }, [true, false]],
    ['this proxy, tracked all the same', { serviceProxy: 'true', trackPodTraffic: 'true' }, [true, true]],
  ])('Services by %s', (_, data, expected) => {
    const config = parseConfig(documentOf(view({ settings: settings(data as Record<string, string>) })));
    expect([config.serviceProxy, config.trackPodTraffic]).toEqual(expected);
  });

  test.each([
    ['no node', { node: undefined }, "--node-name 'n1' is no Node of this cluster"],
    ['no block', { node: node('n1', '10.0.1.4', []) }, 'the Flyover operator gives it one'],
    ['no address', { node: { ...own, status: {} } }, 'has no InternalIP; give its kubelet --node-ip'],
    ['no settings', { settings: undefined }, 'create it with the key podCIDRs'],
    ['a slip', { settings: settings({ nonMasquradeRanges: 'x' }) }, 'did you mean nonMasqueradeRanges?'],
    [
      'no number',
      { settings: settings({ mtu: '1400 bytes' }) },
      "data.mtu '1400 bytes' is not a whole number",
    ],
    ['no boolean', { settings: settings({ trackPodTraffic: 'yes' }) }, 'is neither true nor false'],
    ['no routing', { settings: settings({ routing: 'bgp' }) }, 'use fabric, direct, vxlan, auto'],
    ['too small', { settings: settings({ maxPods: '3' }) }, 'use 10 or more'],
    ['another range', { settings: settings({ podCIDRs: '10.9.0.0/16' }) }, 'is not inside a pod CIDR'],
  ])('with %s is refused, with a way out', (_, change, message) => {
    expect(problems(change as Partial<ClusterView>).join('\n')).toContain(message);
  });
});

describe('peers', () => {
  const peersOf = (...others: Node[]): string[] => {
    const config = parseConfig(documentOf(view({ settings: settings({ routing: 'direct' }), others })));
    return config.peers.map(({ name, addresses, blocks }) => `${name} ${addresses} ${blocks}`);
  };

  test('are the other nodes, in order', () => {
    expect(
      peersOf(node('n3', '10.0.1.6', ['10.244.2.0/24']), node('n2', '10.0.1.5', ['10.244.1.0/24']), own),
    ).toEqual(['n2 10.0.1.5 10.244.1.0/24', 'n3 10.0.1.6 10.244.2.0/24']);
  });

  test("one node's trouble is not another's", () => {
    const good = node('good', '10.0.1.9', ['10.244.9.0/24']);
    const bad = [
      node('no-block', '10.0.2.1', []),
      node('no-address', '', ['10.244.3.0/24']),
      node('outside', '10.0.2.3', ['192.168.0.0/24']),
      node('malformed', '10.0.2.4', ['10.244.5.1/24']),
      node('our-block', '10.0.2.5', ['10.244.0.0/24']),
      node('around-ours', '10.0.2.6', ['10.244.0.0/20']),
      node('our-address', '10.0.1.4', ['10.244.6.0/24']),
      node('inside-ours', '10.0.2.7', ['10.244.0.128/25']),
    ];
    expect(peersOf(good, ...bad)).toEqual(['good 10.0.1.9 10.244.9.0/24']);
  });
});
