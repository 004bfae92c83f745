import fc from 'fast-check';
import { type Cidr, cidrOf } from './cidr.ts';
import { addressBits, type Family, highest, type IpAddress } from './ip.ts';

/** Arbitrary values for the property tests of this room and of those above it. */
export const families: fc.Arbitrary<Family> = fc.constantFrom<Family[]>(4, 6);

export const addresses: fc.Arbitrary<IpAddress> = families.chain(addressesOf);

export function addressesOf(family: Family): fc.Arbitrary<IpAddress> {
  return fc.bigInt({ min: 0n, max: highest(family) }).map((value) => ({ family, value }));
}

export const cidrs: fc.Arbitrary<Cidr> = families.chain((family) =>
  fc
    .tuple(addressesOf(family), fc.integer({ min: 0, max: addressBits(family) }))
    .map(([address, prefixLength]) => cidrOf(address, prefixLength)),
);

/** Blocks inside one /24 or /120, so that they often touch: every address can then be checked one by one. */
export function crowdedCidrs(family: Family): fc.Arbitrary<Cidr[]> {
  const bits = addressBits(family);
  const base = family === 4 ? 0x0af4_0000n : 0xfd12n << 112n;
  const one = fc
    .tuple(fc.bigInt({ min: 0n, max: 255n }), fc.integer({ min: bits - 8, max: bits }))
    .map(([offset, prefixLength]) => cidrOf({ family, value: base + offset }, prefixLength));
  return fc.array(one, { maxLength: 12, size: 'max' });
}
