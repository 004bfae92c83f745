import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Cidr, cidrSize, cidrsOverlap, formatCidr, parseCidr, subnets } from './cidr.ts';
import { AddressError } from './error.ts';
import { addressBits, type Family, highest, parseAddress } from './ip.ts';
import {
  type AddressRange,
  firstFreeBlock,
  firstOverlap,
  formatRange,
  mergeRanges,
  parseRange,
  rangeContains,
  rangeOf,
  rangeSize,
  rangesOverlap,
  rangeToCidrs,
  refuseOverlap,
  subtractCidrs,
  subtractRanges,
  summarise,
} from './range.ts';
import { cidrs, crowdedCidrs, families } from './testing.ts';

/** Every address of some blocks, one by one: what the arithmetic is compared with. */
function valuesOf(blocks: Iterable<Cidr>): Set<bigint> {
  const values = new Set<bigint>();
  for (const block of blocks) for (let i = 0n; i < cidrSize(block); i++) values.add(block.base + i);
  return values;
}

const crowds = families.chain((family) =>
  fc.tuple(fc.constant(family), crowdedCidrs(family), crowdedCidrs(family)),
);

describe('ranges of addresses', () => {
  it('are read and written', () => {
    expect(formatRange(parseRange('10.0.0.4-10.0.0.9'))).toBe('10.0.0.4-10.0.0.9');
    expect(formatRange(rangeOf(parseAddress('fd12::1')))).toBe('fd12::1');
    expect(rangeSize(rangeOf(parseCidr('10.0.0.0/24')))).toBe(256n);
    expect(() => parseRange('10.0.0.9-10.0.0.4')).toThrow(/write 10.0.0.4-10.0.0.9/);
    expect(() => parseRange('10.0.0.9-fd12::1')).toThrow(/mixes IPv4 and IPv6/);
    for (const text of ['10.0.0.1', '10.0.0.1-', '-10.0.0.1', '10.0.0.1-10.0.0.2-10.0.0.3', '']) {
      expect(() => parseRange(text)).toThrow(AddressError);
    }
  });

  it('know what they hold', () => {
    const range = parseRange('10.0.0.4-10.0.0.9');
    expect(
      ['10.0.0.3', '10.0.0.4', '10.0.0.9', '10.0.0.10', '::4'].map((a) =>
        rangeContains(range, parseAddress(a)),
      ),
    ).toEqual([false, true, true, false, false]);
    expect(rangesOverlap(range, parseRange('10.0.0.9-10.0.0.12'))).toBe(true);
    expect(rangesOverlap(range, parseRange('10.0.0.10-10.0.0.12'))).toBe(false);
  });

  it('merge into disjoint ranges that are no neighbours', () => {
    const ranges: fc.Arbitrary<AddressRange[]> = fc.array(
      fc.tuple(families, fc.nat(60), fc.nat(20)).map(([family, first, length]) => ({
        family,
        first: BigInt(first),
        last: BigInt(first + length),
      })),
    );
    fc.assert(
      fc.property(ranges, (given) => {
        const merged = mergeRanges(given);
        for (const [i, range] of merged.entries()) {
          const next = merged[i + 1];
          if (next?.family === range.family) expect(next.first > range.last + 1n).toBe(true);
        }
        for (const family of [4, 6] as const) {
          for (let value = 0n; value <= 81n; value++) {
            const address = { family, value };
            expect(merged.some((range) => rangeContains(range, address))).toBe(
              given.some((range) => rangeContains(range, address)),
            );
          }
        }
      }),
    );
  });
});

describe('blocks of addresses', () => {
  it('a range becomes the fewest blocks', () => {
    const texts = (range: AddressRange) => rangeToCidrs(range).map(formatCidr);
    expect(texts(parseRange('10.0.0.4-10.0.0.9'))).toEqual(['10.0.0.4/30', '10.0.0.8/31']);
    for (const family of [4, 6] as Family[]) {
      const all = { family, first: 0n, last: highest(family) };
      expect(rangeToCidrs(all)).toEqual([{ family, base: 0n, prefixLength: 0 }]);
      const allButFirst = rangeToCidrs({ ...all, first: 1n });
      expect(allButFirst.length).toBe(addressBits(family));
    }
    fc.assert(
      fc.property(cidrs, (cidr) => {
        expect(rangeToCidrs(rangeOf(cidr))).toEqual([cidr]);
      }),
    );
  });

  it('a summary holds the same addresses, and no two of its blocks could be one', () => {
    fc.assert(
      fc.property(crowds, ([, some, more]) => {
        const summary = summarise([...some, ...more]);
        expect(valuesOf(summary)).toEqual(valuesOf([...some, ...more]));
        expect(firstOverlap(summary)).toBeUndefined();
        for (const [i, block] of summary.entries()) {
          const next = summary[i + 1];
          if (!next || next.prefixLength !== block.prefixLength) continue;
          const aligned = block.base % (2n * cidrSize(block)) === 0n;
          expect(aligned && next.base === block.base + cidrSize(block)).toBe(false);
        }
      }),
    );
  });

  it('a difference holds what is in the one and not in the other', () => {
    fc.assert(
      fc.property(crowds, ([, some, holes]) => {
        const left = subtractCidrs(some, holes);
        const wanted = valuesOf(some);
        for (const value of valuesOf(holes)) wanted.delete(value);
        expect(valuesOf(left)).toEqual(wanted);
      }),
    );
    expect(subtractCidrs([parseCidr('10.0.0.0/29')], [parseCidr('10.0.0.0/31')]).map(formatCidr)).toEqual([
      '10.0.0.2/31',
      '10.0.0.4/30',
    ]);
    expect(subtractRanges([rangeOf(parseCidr('10.0.0.0/8'))], [rangeOf(parseCidr('::/0'))]).length).toBe(1);
  });

  it('the first free block is the lowest that touches nothing', () => {
    fc.assert(
      fc.property(crowds, fc.nat(8), fc.boolean(), ([family, [within, ...taken], others], longer, wide) => {
        fc.pre(within !== undefined);
        const prefixLength = Math.min(within!.prefixLength + longer, addressBits(family));
        // Wide ones often take everything: without them there is more to find.
        const all = [...taken, ...others].filter((one) => wide || one.prefixLength > addressBits(family) - 6);
        const wanted = [...subnets(within!, prefixLength)].find(
          (one) => !all.some((other) => cidrsOverlap(one, other)),
        );
        expect(firstFreeBlock(within!, all, prefixLength)).toEqual(wanted);
      }),
    );
  });

  it('the first free block is found at once in a huge range', () => {
    const taken = [parseCidr('::/1'), parseCidr('8000::/100')];
    expect(formatCidr(firstFreeBlock({ family: 6, base: 0n, prefixLength: 0 }, taken, 120)!)).toBe(
      '8000::1000:0/120',
    );
    const first = parseCidr('10.244.0.0/32');
    expect(formatCidr(firstFreeBlock(parseCidr('10.244.0.0/16'), [first], 24)!)).toBe('10.244.1.0/24');
    expect(firstFreeBlock(parseCidr('10.244.0.0/24'), [parseCidr('10.0.0.0/8')], 24)).toBeUndefined();
    expect(() => firstFreeBlock(parseCidr('10.244.0.0/25'), [], 24)).toThrow(/has no \/24 in it/);
  });

  it('an overlap is found exactly when two of them overlap', () => {
    fc.assert(
      fc.property(crowds, ([, some]) => {
        const overlap = some.some((a, i) => some.some((b, j) => i < j && cidrsOverlap(a, b)));
        const found = firstOverlap(some);
        expect(found !== undefined).toBe(overlap);
        if (found) expect(cidrsOverlap(...found)).toBe(true);
      }),
    );
    expect(() => refuseOverlap([parseCidr('10.0.0.0/8'), parseCidr('10.244.0.0/16')], 'ranges')).toThrow(
      "ranges '10.244.0.0/16' overlaps 10.0.0.0/8; give ranges that have no address in common",
    );
    expect(() => refuseOverlap([parseCidr('10.0.0.0/8'), parseCidr('11.0.0.0/8')], 'ranges')).not.toThrow();
  });
});
