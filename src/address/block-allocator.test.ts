import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BlockAllocator, blockSize, DEFAULT_POD_CIDR } from './block-allocator.ts';
import { formatCidr, nthSubnet, parseCidr } from './cidr.ts';
import { AddressError, isAddressError } from './error.ts';

function allocated(allocator: BlockAllocator, node: string): string {
  return formatCidr(allocator.allocate(node));
}

describe('BlockAllocator', () => {
  it('gives every node the next /24 of 10.244.0.0/16 when nothing is named', () => {
    const allocator = new BlockAllocator();
    expect(DEFAULT_POD_CIDR).toBe('10.244.0.0/16');
    expect(['a', 'b', 'c', 'a'].map((node) => allocated(allocator, node))).toEqual([
      '10.244.0.0/24',
      '10.244.1.0/24',
      '10.244.2.0/24',
      '10.244.0.0/24',
    ]);
    expect([allocator.size, allocator.capacity]).toEqual([3, 256n]);
  });

  it('gives a /120 of an IPv6 range', () => {
    const allocator = new BlockAllocator({ podCidr: 'fd12:3456:789a::/64' });
    expect([allocated(allocator, 'a'), allocated(allocator, 'b')]).toEqual([
      'fd12:3456:789a::/120',
      'fd12:3456:789a::100/120',
    ]);
    expect(allocator.capacity).toBe(1n << 56n);
    expect([blockSize(4), blockSize(6)]).toEqual([256, 256]);
  });

  it('gives a freed block to the next new node', () => {
    const allocator = new BlockAllocator();
    for (const node of ['a', 'b', 'c', 'd']) allocator.allocate(node);
    expect(formatCidr(allocator.release('c')!)).toBe('10.244.2.0/24');
    allocator.release('b');
    expect(allocator.release('b')).toBeUndefined();
    expect(allocator.get('b')).toBeUndefined();
    expect(allocated(allocator, 'e')).toBe('10.244.1.0/24');
    expect(allocated(allocator, 'c')).toBe('10.244.2.0/24');
    expect(allocated(allocator, 'f')).toBe('10.244.4.0/24');
    expect(allocator.nodeOf(parseCidr('10.244.1.0/24'))).toBe('e');
    expect(allocator.nodeOf(parseCidr('10.244.0.0/16'))).toBeUndefined();
  });

  it('refuses a pod CIDR without a block in it', () => {
    expect(() => new BlockAllocator({ podCidr: '10.244.0.0/25' })).toThrow(
      "podCIDR '10.244.0.0/25' has no /24 in it, and every node takes one; use a /24 or wider: /16 serves 256 nodes",
    );
    expect(() => new BlockAllocator({ podCidr: 'fd12::/121' })).toThrow(/has no \/120/);
    expect(() => new BlockAllocator({ podCidr: '10.244.1.0/16' })).toThrow(/write 10.244.0.0\/16/);
    expect(() => new BlockAllocator({ podCidr: 'nonsense' })).toThrow(AddressError);
  });

  it('says so when every block has a node, and goes on once one is freed', () => {
    const allocator = new BlockAllocator({ podCidr: '10.244.0.0/23' });
    allocator.allocate('a');
    allocator.allocate('b');
    expect(() => allocator.allocate('c')).toThrow(
      "podCIDR '10.244.0.0/23' has no free /24 left for node 'c': 2 nodes have one each; remove a node, or use a wider pod CIDR",
    );
    expect(allocated(allocator, 'b')).toBe('10.244.1.0/24');
    allocator.release('a');
    expect(allocated(allocator, 'c')).toBe('10.244.0.0/24');
  });

  it('takes over blocks that are in use, and refuses those that cannot be', () => {
    const allocator = new BlockAllocator();
    allocator.reserve('old', '10.244.1.0/24');
    allocator.reserve('old', '10.244.1.0/24');
    expect([allocated(allocator, 'a'), allocated(allocator, 'b'), allocated(allocator, 'old')]).toEqual([
      '10.244.0.0/24',
      '10.244.2.0/24',
      '10.244.1.0/24',
    ]);
    const refused = (node: string, block: string) => {
      try {
        allocator.reserve(node, block);
      } catch (error) {
        return isAddressError(error) ? error.code : error;
      }
    };
    expect(refused('x', '10.244.1.0/24')).toBe('in-use');
    expect(refused('old', '10.244.9.0/24')).toBe('in-use');
    expect(refused('x', '10.244.8.0/23')).toBe('malformed');
    expect(refused('x', '10.244.8.0/25')).toBe('malformed');
    expect(refused('x', '10.245.0.0/24')).toBe('out-of-range');
    expect(refused('x', 'fd12::/120')).toBe('wrong-family');
    expect(refused('x', '10.244.8.1/24')).toBe('host-bits-set');
    expect(refused('', '10.244.8.0/24')).toBe('malformed');
    expect(refused('n'.repeat(254), '10.244.8.0/24')).toBe('malformed');
    expect(() => allocator.allocate('')).toThrow(AddressError);
  });

  it('grows only to a range that holds the old one, and moves no block', () => {
    const allocator = new BlockAllocator({ podCidr: '10.244.128.0/23' });
    allocator.allocate('a');
    allocator.allocate('b');
    const grown = allocator.grownTo('10.244.128.0/22');
    expect([allocated(grown, 'a'), allocated(grown, 'b'), allocated(grown, 'c')]).toEqual([
      '10.244.128.0/24',
      '10.244.129.0/24',
      '10.244.130.0/24',
    ]);
    expect(() => allocator.grownTo('10.245.0.0/16')).toThrow(
      /does not hold the present range 10.244.128.0\/23/,
    );
    expect(() => allocator.grownTo('10.244.128.0/24')).toThrow(AddressError);
  });

  it('behaves as the obvious slow allocator, through any history and through JSON', () => {
    const names = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j');
    const steps = fc.array(
      fc.oneof(
        fc.record({ kind: fc.constant('allocate' as const), node: names }),
        fc.record({ kind: fc.constant('release' as const), node: names }),
        fc.record({ kind: fc.constant('reserve' as const), node: names, index: fc.nat(7) }),
        fc.record({ kind: fc.constant('restart' as const) }),
      ),
      { maxLength: 80, size: 'max' },
    );
    const pods = parseCidr('10.244.0.0/21');
    fc.assert(
      fc.property(steps, (history) => {
        let allocator = new BlockAllocator({ podCidr: pods });
        const model = new Map<string, number>();
        const taken = () => [...model.values()];
        for (const step of history) {
          if (step.kind === 'restart')
            allocator = BlockAllocator.fromJSON(JSON.parse(JSON.stringify(allocator)));
          else if (step.kind === 'release') {
            const had = model.get(step.node);
            model.delete(step.node);
            expect(allocator.release(step.node)).toEqual(
              had === undefined ? undefined : nthSubnet(pods, 24, had),
            );
          } else if (step.kind === 'reserve') {
            const has = model.get(step.node);
            const possible = has === step.index || (has === undefined && !taken().includes(step.index));
            const reserve = () => allocator.reserve(step.node, nthSubnet(pods, 24, step.index));
            if (possible) {
              reserve();
              model.set(step.node, step.index);
            } else expect(reserve).toThrow(/in-use|is the block of|cannot be added/);
          } else {
            const wanted = model.get(step.node) ?? [0, 1, 2, 3, 4, 5, 6, 7].find((i) => !taken().includes(i));
            if (wanted === undefined) expect(() => allocator.allocate(step.node)).toThrow(/has no free/);
            else {
              expect(allocator.allocate(step.node)).toEqual(nthSubnet(pods, 24, wanted));
              model.set(step.node, wanted);
            }
          }
          const blocks = new Map([...allocator.entries()].map(([node, block]) => [node, formatCidr(block)]));
          expect(blocks).toEqual(
            new Map([...model].map(([node, i]) => [node, formatCidr(nthSubnet(pods, 24, i))])),
          );
          expect(allocator.size).toBe(model.size);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('serves 65,536 nodes, and their going and coming, in seconds at most', () => {
    const allocator = new BlockAllocator({ podCidr: '10.0.0.0/8' });
    const nodes = Array.from({ length: 65_536 }, (_, i) => `node-${i}`);
    const started = performance.now();
    for (const node of nodes) allocator.allocate(node);
    expect(() => allocator.allocate('one more')).toThrow(/has no free/);
    for (const node of nodes) allocator.release(node);
    for (const node of nodes) allocator.allocate(node);
    expect(performance.now() - started).toBeLessThan(5_000);
    expect(allocated(allocator, 'node-65535')).toBe('10.255.255.0/24');
  });
});
