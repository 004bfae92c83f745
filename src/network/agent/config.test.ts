import { describe, expect, it } from 'vitest';
import { parseConfig, readConfig } from './config.ts';
import { ConfigError } from './config-error.ts';

const good = {
  nodeName: 'node-1',
  nodeAddresses: ['10.0.1.4'],
  nodeBlocks: ['10.244.0.0/24'],
  podCIDRs: ['10.244.0.0/16'],
};
const peer = { name: 'node-2', addresses: ['10.0.1.5'], blocks: ['10.244.1.0/24'] };

function problems(change: Record<string, unknown>): string[] {
  try {
    parseConfig(JSON.stringify({ ...good, ...change }));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map((p) => `${p.field} '${p.value}' ${p.rule}; ${p.fix}`);
  }
  return [];
}

describe('parseConfig', () => {
  it('fills in the defaults', () => {
    expect(parseConfig(JSON.stringify(good))).toEqual({
      ...good,
      nonMasqueradeRanges: [],
      routing: 'fabric',
      mtu: 0,
      trackPodTraffic: false,
      serviceProxy: false,
      serviceCIDRs: [],
      cooldownSeconds: 30,
      maxPods: 250,
      peers: [],
    });
  });

  it('takes dual stack with an address of each family', () => {
    expect(
      problems({
        nodeAddresses: ['10.0.1.4', 'fd00::4'],
        nodeBlocks: ['10.244.0.0/24', 'fd12:3456:789a::/120'],
        podCIDRs: ['10.244.0.0/16', 'fd12:3456:789a::/64'],
      }),
    ).toEqual([]);
  });

  it.each<[Record<string, unknown>, string]>([
    [{ nodeName: undefined }, "nodeName 'nothing' is missing; add it: a string"],
    [{ nodeBlock: [] }, "nodeBlock '[]' is not a field of this file; did you mean nodeBlocks?"],
    [{ maxPods: 251 }, "maxPods '251' is above the most of 250; use 250 or fewer"],
    [{ mtu: 1.5 }, "mtu '1.5' is not a whole number; give a whole number"],
    [{ mtu: 100 }, "mtu '100' is below 576; use 0 (copy the NIC's) or 576..65535"],
    [{ routing: 'bgp' }, "routing 'bgp' is not one of the choices; use fabric, direct, vxlan, auto"],
    [
      { podCIDRs: ['10.244.0.1/16'] },
      "podCIDRs[0] '10.244.0.1/16' has bits set beyond its /16 prefix; write 10.244.0.0/16",
    ],
    [
      { podCIDRs: ['10.244.0.0/16', '10.244.128.0/17'] },
      "podCIDRs[1] '10.244.128.0/17' overlaps podCIDRs[0] 10.244.0.0/16; give ranges that are apart",
    ],
    [
      { nodeBlocks: ['10.9.0.0/24'] },
      "nodeBlocks[0] '10.9.0.0/24' is not inside a pod CIDR (10.244.0.0/16); take it from podCIDRs, or add its range there",
    ],
    [
      { nodeBlocks: ['10.244.0.0/30'] },
      "nodeBlocks[0] '10.244.0.0/30' has fewer than eight addresses; use a /29 or wider",
    ],
    [
      { nodeBlocks: ['10.244.0.0/24', '10.244.1.0/24'] },
      "nodeBlocks[1] '10.244.1.0/24' is a second IPv4 block; give one block a family",
    ],
    [
      { podCIDRs: ['10.244.0.0/16', 'fd12::/64'], nodeBlocks: ['10.244.0.0/24', 'fd12::/120'] },
      "nodeBlocks[1] 'fd12::/120' is IPv6, and the node has no IPv6 address that its pods could leave with; add one to nodeAddresses, or remove the block",
    ],
    [
      { nodeAddresses: ['10.244.7.7'] },
      "nodeAddresses[0] '10.244.7.7' lies in pod CIDR 10.244.0.0/16; nodes and pods need ranges of their own: change one of the two",
    ],
    [
      { serviceCIDRs: ['10.0.0.0/15'] },
      "serviceCIDRs[0] '10.0.0.0/15' overlaps nodeAddresses[0] 10.0.1.4; give Services a range of their own",
    ],
    [
      { serviceCIDRs: ['10.244.128.0/20'] },
      "serviceCIDRs[0] '10.244.128.0/20' overlaps podCIDRs[0] 10.244.0.0/16",
    ],
    [{ nodeAddresses: ['10.0.1.04'] }, "nodeAddresses[0] '10.0.1.04' is not an IP address"],
    [{ peers: [{ ...peer, name: 'node-1' }] }, "peers[0].name 'node-1' is this node itself; remove it"],
    [
      { peers: [{ ...peer, addresses: ['10.0.1.4'] }] },
      "peers[0].addresses[0] '10.0.1.4' is nodeAddresses[0] too",
    ],
    [
      { peers: [{ ...peer, blocks: ['10.244.0.0/25'] }] },
      "peers[0].blocks[0] '10.244.0.0/25' overlaps nodeBlocks[0] 10.244.0.0/24",
    ],
    [
      { peers: [{ name: 'x', addresses: [], blocks: [] }] },
      "peers[0].addresses '[]' is below the least of 1 items",
    ],
    [
      { peers: [{ ...peer, ip: 1 }] },
      "peers[0].ip '1' is not a field of this file; the fields are name, addresses, blocks",
    ],
    [{ cri: 'run/x.sock' }, "cri 'run/x.sock' must be an absolute path"],
  ])('refuses %j', (change, expected) => {
    expect(
      problems(change).some((text) => text.startsWith(expected)),
      problems(change).join('\n'),
    ).toBe(true);
  });

  it('lists every problem at once', () => {
    expect(problems({ mtu: 100, nodeBlocks: ['10.9.0.0/24'], peers: [peer, peer] })).toHaveLength(5);
  });

  it('says where the syntax breaks, and which file is missing', () => {
    expect(() => parseConfig('{"nodeName": }')).toThrow(/is not JSON/);
    expect(() => readConfig('/nonexistent/node.json')).toThrow(
      /does not exist; write the node's configuration/,
    );
  });

  it('finds the one clash among many peers', () => {
    const peers = Array.from({ length: 200 }, (_, i) => ({
      name: `n${i}`,
      addresses: [`10.1.0.${i + 1}`],
      blocks: [`10.244.${i + 1}.0/24`],
    }));
    expect(problems({ peers })).toEqual([]);
    peers[150]!.blocks = ['10.244.7.128/25'];
    expect(problems({ peers })).toEqual([
      "peers[150].blocks[0] '10.244.7.128/25' overlaps peers[6].blocks[0] 10.244.7.0/24; a block belongs to one node",
    ]);
  });
});
