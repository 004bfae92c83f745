import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Cidr, cidrContains, cidrsOverlap, formatCidr, parseCidr } from '../../address/cidr.ts';
import { ClusterBlocks, type Notice } from './cluster-blocks.ts';
import { readSettings } from './settings.ts';

function cluster(podCIDRs = '10.244.0.0/16', nodeBlockSize?: string): ClusterBlocks {
  return new ClusterBlocks(readSettings({ podCIDRs, nodeBlockSize }));
}

function show(result: readonly Cidr[] | Notice): string {
  return 'reason' in result ? `${result.reason}: ${result.message}` : result.map(formatCidr).join(',');
}

describe('blocks of a cluster', () => {
  test('are the lowest free ones, the same again, and free again after their node', () => {
    const blocks = cluster();
    expect(['a', 'b', 'a', 'c'].map((node) => show(blocks.allocate(node, undefined)))).toEqual([
      '10.244.0.0/24',
      '10.244.1.0/24',
      '10.244.0.0/24',
      '10.244.2.0/24',
    ]);
    expect(blocks.release('b')).toBe(true);
    expect(blocks.release('b')).toBe(false);
    expect(show(blocks.allocate('d', undefined))).toBe('10.244.1.0/24');
    expect(show(blocks.allocate('e', undefined))).toBe('10.244.3.0/24');
  });

  test('of both families, all or none, in the order of the ranges', () => {
    const blocks = cluster('10.0.0.0/23,fd00::/118');
    expect(show(blocks.allocate('a', undefined))).toBe('10.0.0.0/24,fd00::/120');
    expect(show(blocks.allocate('b', undefined))).toBe('10.0.1.0/24,fd00::100/120');
    expect(show(blocks.allocate('c', undefined))).toMatch(/^CIDRNotAvailable/);
    blocks.release('a');
    // The IPv6 block that could have been had was not kept.
    expect(show(blocks.allocate('d', undefined))).toBe('10.0.0.0/24,fd00::/120');
  });

  test('come from the second range when the first is full, and then say what to do', () => {
    const blocks = cluster('10.0.0.0/24,10.9.0.0/24');
    expect(show(blocks.allocate('a', undefined))).toBe('10.0.0.0/24');
    expect(show(blocks.allocate('b', undefined))).toBe('10.9.0.0/24');
    expect(show(blocks.allocate('c', undefined))).toBe(
      "CIDRNotAvailable: podCIDRs '10.0.0.0/24,10.9.0.0/24' has no free /24 left: it serves 2 nodes, and 2 have a block of it; delete nodes that are gone, or add a range to podCIDRs in ConfigMap kube-system/flyover-config",
    );
  });

  test('are those that a node asks for, where they are free and inside', () => {
    const blocks = cluster('10.244.0.0/16,fd00::/104');
    expect(show(blocks.allocate('a', '10.244.7.0/24'))).toBe('10.244.7.0/24,fd00::/120');
    expect(show(blocks.allocate('b', 'fd00::500/120, 10.244.8.0/24'))).toBe('10.244.8.0/24,fd00::500/120');
    expect(show(blocks.allocate('c', '10.244.7.0/24'))).toBe(
      "BlockUnavailable: annotation flyover.dev/requested-pod-cidrs '10.244.7.0/24' asks for what node 'a' has; ask for another block, or delete that Node: this one gets the block as soon as it is free. The node gets no block",
    );
    blocks.release('a');
    expect(show(blocks.allocate('c', '10.244.7.0/24'))).toBe('10.244.7.0/24,fd00::/120');
    // A promise that was not written yields to another wish.
    expect(show(blocks.allocate('c', '10.244.9.0/24'))).toBe('10.244.9.0/24,fd00::/120');
    expect(show(blocks.allocate('d', '10.244.7.0/24'))).toBe('10.244.7.0/24,fd00::100/120');
  });

  test.each([
    ['10.9.0.0/24', 'is not in the pod CIDRs (10.244.0.0/16)'],
    ['10.244.0.0/25', 'asks for a /25; ask for a /24'],
    ['10.244.0.1/24', 'has bits set beyond its /24 prefix; write 10.244.0.0/24'],
    ['10.244.0.0/24,10.244.1.0/24', 'asks for two IPv4 blocks'],
    ['', 'is not an address'],
  ])('asked for as %j are refused', (requested, message) => {
    const answer = show(cluster().allocate('a', requested));
    expect(answer).toContain('BlockRefused');
    expect(answer).toContain(message);
  });
});

describe('what somebody else gave', () => {
  test('is left alone, and given to nobody', () => {
    const blocks = cluster('10.244.0.0/22');
    expect(blocks.adopt('ours', ['10.244.1.0/24'])).toEqual([]);
    expect(blocks.adopt('small', ['10.244.0.64/26'])).toMatchObject([{ reason: 'BlockForeign' }]);
    expect(show(blocks.allocate('a', undefined))).toBe('10.244.2.0/24');
    expect(show(blocks.allocate('b', '10.244.0.0/24'))).toContain("asks for what node 'small' has");
    blocks.release('small');
    expect(show(blocks.allocate('b', undefined))).toBe('10.244.0.0/24');
  });

  test('a wide range hides everything in it', () => {
    const blocks = cluster('10.244.0.0/16');
    expect(blocks.adopt('wide', ['10.244.0.0/17'])[0]?.message).toContain('is no /24 of 10.244.0.0/16');
    expect(show(blocks.allocate('a', undefined))).toBe('10.244.128.0/24');
    blocks.release('wide');
    expect(show(blocks.allocate('b', undefined))).toBe('10.244.0.0/24');
  });

  test('outside of the pod CIDRs is reported with a way out', () => {
    const [notice] = cluster().adopt('a', ['192.168.0.0/24']);
    expect(notice?.message).toContain('is not in the pod CIDRs (10.244.0.0/16); add its range to podCIDRs');
  });

  test('twice is reported, and stays taken until both are gone', () => {
    const blocks = cluster();
    expect(blocks.adopt('a', ['10.244.0.0/24'])).toEqual([]);
    expect(blocks.adopt('b', ['10.244.0.0/24'])).toMatchObject([{ reason: 'BlockOverlaps' }]);
    blocks.release('a');
    expect(show(blocks.allocate('c', undefined))).toBe('10.244.1.0/24');
    blocks.release('b');
    expect(show(blocks.allocate('d', undefined))).toBe('10.244.0.0/24');
  });

  test('replaces what was promised; one family only is said', () => {
    const blocks = cluster('10.244.0.0/16,fd00::/104');
    blocks.allocate('a', undefined);
    expect(blocks.adopt('a', ['10.244.5.0/24'])).toMatchObject([{ reason: 'BlockIncomplete' }]);
    expect(show(blocks.allocate('b', undefined))).toBe('10.244.0.0/24,fd00::/120');
  });

  test('what was promised and is not written gives way to what another node has', () => {
    const blocks = cluster();
    expect(show(blocks.allocate('a', undefined))).toBe('10.244.0.0/24');
    expect(blocks.adopt('b', ['10.244.0.0/22']).map(({ reason }) => reason)).toContain('BlockOverlaps');
    expect(show(blocks.allocate('a', undefined))).toBe('10.244.4.0/24');
    blocks.release('b');
    expect(show(blocks.allocate('c', undefined))).toBe('10.244.0.0/24');
  });

  test('said again changes nothing', () => {
    const blocks = cluster();
    blocks.allocate('a', undefined);
    for (let i = 0; i < 3; i++) expect(blocks.adopt('a', ['10.244.0.0/24'])).toEqual([]);
    for (let i = 0; i < 3; i++) blocks.adopt('odd', ['10.244.1.0/26']);
    blocks.release('a');
    blocks.release('odd');
    expect(show(blocks.allocate('b', undefined))).toBe('10.244.0.0/24');
    expect(show(blocks.allocate('c', undefined))).toBe('10.244.1.0/24');
  });
});

test('whatever happens, no two nodes share an address', () => {
  const node = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f');
  const block = fc.nat(9).map((n) => `10.0.${n}.0/24`);
  const step = fc.oneof(
    fc.record({ node, wish: fc.option(block, { nil: undefined }) }),
    fc.record({ node, gone: fc.constant(true) }),
    fc.record({ node, foreign: fc.tuple(fc.nat(7), fc.constantFrom(22, 23, 24, 25)) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const blocks = cluster('10.0.0.0/21');
      const range = parseCidr('10.0.0.0/21');
      const ours = new Map<string, Cidr>();
      const foreign = new Map<string, Cidr>();
      for (const one of steps) {
        if ('gone' in one) {
          blocks.release(one.node);
          ours.delete(one.node);
          foreign.delete(one.node);
        } else if ('foreign' in one) {
          const [n, length] = one.foreign;
          const width = 1 << (24 - Math.min(length, 24));
          const text = `10.0.${n - (n % width)}.0/${length}`;
          if (ours.has(one.node) || foreign.has(one.node)) continue;
          blocks.adopt(one.node, [text]);
          foreign.set(one.node, parseCidr(text));
        } else if (!foreign.has(one.node)) {
          const given = blocks.allocate(one.node, one.wish);
          if ('reason' in given) continue;
          const cidr = given[0]!;
          expect(cidrContains(range, cidr)).toBe(true);
          ours.set(one.node, cidr);
          for (const [other, theirs] of [...ours, ...foreign])
            if (other !== one.node)
              expect(cidrsOverlap(cidr, theirs), `${one.node} and ${other}`).toBe(false);
        }
      }
    }),
  );
});
