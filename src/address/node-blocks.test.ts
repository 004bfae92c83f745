import { describe, expect, it } from 'vitest';
import { formatCidr } from './cidr.ts';
import { AddressError } from './error.ts';
import { NodeBlocks } from './node-blocks.ts';

const DUAL = ['10.244.0.0/23', 'fd12:3456:789a::/64'];

describe('NodeBlocks', () => {
  it('gives a node one block of each family, in the order of the pod CIDRs', () => {
    const blocks = new NodeBlocks(DUAL);
    blocks.allocate('a');
    expect(blocks.allocate('b').map(formatCidr)).toEqual(['10.244.1.0/24', 'fd12:3456:789a::100/120']);
    expect(blocks.get('b').map(formatCidr)).toEqual(['10.244.1.0/24', 'fd12:3456:789a::100/120']);
    expect(new NodeBlocks().allocate('a').map(formatCidr)).toEqual(['10.244.0.0/24']);
  });

  it('gives all or none', () => {
    const blocks = new NodeBlocks([...DUAL].reverse());
    blocks.allocate('a');
    blocks.allocate('b');
    expect(() => blocks.allocate('c')).toThrow(/podCIDRs\[1\] '10.244.0.0\/23' has no free \/24/);
    expect(blocks.get('c')).toEqual([]);
    blocks.release('a');
    expect(blocks.allocate('c').map(formatCidr)).toEqual(['fd12:3456:789a::/120', '10.244.0.0/24']);
  });

  it('takes over a pair of blocks, or neither', () => {
    const blocks = new NodeBlocks(DUAL);
    blocks.allocate('a');
    expect(() => blocks.reserve('b', ['fd12:3456:789a::100/120', '10.244.0.0/24'])).toThrow(
      /block of node 'a'/,
    );
    expect(blocks.get('b')).toEqual([]);
    expect(() => blocks.reserve('b', ['10.244.1.0/24'])).toThrow(/one block for each pod CIDR/);
    expect(() => blocks.reserve('b', ['10.244.1.0/24', '10.244.0.0/24'])).toThrow(AddressError);
    blocks.reserve('b', ['fd12:3456:789a::200/120', '10.244.1.0/24']);
    const again = NodeBlocks.fromJSON(JSON.parse(JSON.stringify(blocks)));
    expect(again.get('b').map(formatCidr)).toEqual(['10.244.1.0/24', 'fd12:3456:789a::200/120']);
    expect(again.toJSON()).toEqual(blocks.toJSON());
  });

  it('refuses two ranges of one family, and none', () => {
    expect(() => new NodeBlocks(['10.244.0.0/16', '10.245.0.0/16'])).toThrow(
      "podCIDRs '10.244.0.0/16,10.245.0.0/16' is neither one range nor one of IPv4 and one of IPv6",
    );
    expect(() => new NodeBlocks([])).toThrow(AddressError);
    expect(() => new NodeBlocks(['10.244.0.0/16', 'fd12::1/64'])).toThrow(/podCIDRs\[1\] 'fd12::1\/64'/);
  });
});
