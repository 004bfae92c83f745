import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeElements, hasTwins, type RawElement } from './decode-element.ts';
import { decodeData, decodeKey, encodeElement } from './element.ts';
import { type SetSchema, schemaOf, sizeOf, typeId } from './schema.ts';
import type { MapSpec, SetElement, SetSpec } from './spec.ts';

const table = { family: 'inet', name: 't' } as const;
const schema = (spec: Omit<SetSpec, 'table' | 'name'> & Partial<MapSpec>): SetSchema =>
  schemaOf({ table, name: 's', ...spec } as SetSpec);

describe('elements', () => {
  test('parts of a concatenation are padded to words, a single key is not', () => {
    const key = (spec: Parameters<typeof schema>[0], value: SetElement['key']): string | undefined =>
      encodeElement(schema(spec), { key: value }, 's').key?.toString('hex');
    expect(key({ key: 'inet_service' }, 80)).toBe('0050');
    expect(key({ key: ['inet_proto', 'inet_service'] }, ['tcp', 80])).toBe('0600000000500000');
    expect(key({ key: ['ether_addr', 'ipv4_addr'] }, ['02:00:00:00:00:01', '1.2.3.4'])).toBe(
      '020000000001000001020304',
    );
    expect(sizeOf(['ifname', 'ipv4_addr'])).toBe(20);
    // The number that nft shows for `ifname . ipv4_addr`.
    expect(typeId(['ifname', 'ipv4_addr'])).toBe(0xa47);
  });

  const octets = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255)).map((o) => o.join('.'));
  const port = fc.nat(65_535);

  test('keys and data come back as they were given', () => {
    const map = schema({ key: ['ifname', 'ipv4_addr', 'inet_service'], data: ['ipv4_addr', 'inet_service'] });
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z0-9-]{1,15}$/), octets, port, octets, port, (name, a, p, b, q) => {
        const { key, end, data } = encodeElement(map, { key: [name, a, p], data: [b, q] }, 's');
        expect(end).toBeUndefined();
        expect(decodeKey(map, key, end)).toEqual([name, a, p]);
        expect(decodeData(map, data!)).toEqual([b, q]);
      }),
    );
  });

  test('intervals of several parts come back as they were given', () => {
    const set = schema({ key: ['ipv4_addr', 'inet_service'], interval: true });
    fc.assert(
      fc.property(octets, port, port, (a, p, q) => {
        const ports = p === q ? p : `${Math.min(p, q)}-${Math.max(p, q)}`;
        const { key, end } = encodeElement(set, { key: [a, ports] }, 's');
        expect(decodeKey(set, key, end)).toEqual([a, ports]);
      }),
    );
  });

  test.each([
    [
      'key of the wrong length',
      { key: ['ipv4_addr', 'mark'] },
      { key: '10.0.0.1' },
      'must have 2 parts: ipv4_addr . mark',
    ],
    [
      'data in a set',
      { key: 'ipv4_addr' },
      { key: '10.0.0.1', data: 'drop' },
      'a set has none; make it a map',
    ],
    [
      'no data in a map',
      { key: 'ipv4_addr', data: 'mark' },
      { key: '10.0.0.1' },
      'elements of a map need it',
    ],
    [
      'a bad verdict',
      { key: 'ipv4_addr', data: 'verdict' },
      { key: '10.0.0.1', data: 'jump' },
      'jump CHAIN or goto CHAIN',
    ],
    [
      'an unknown verdict',
      { key: 'ipv4_addr', data: 'verdict' },
      { key: '10.0.0.1', data: 'allow' },
      'must be accept, drop',
    ],
    [
      'a timeout where there is none',
      { key: 'ipv4_addr' },
      { key: '10.0.0.1', timeout: 5 },
      'the set has no timeout',
    ],
    [
      'half a millisecond',
      { key: 'ipv4_addr', timeout: 9 },
      { key: '10.0.0.1', timeout: 0.5 },
      'must be a whole number from 1 to',
    ],
    ['a prefix without intervals', { key: 'ipv4_addr' }, { key: '10.0.0.0/8' }, 'must be an IPv4 address'],
    [
      'a counter without name',
      { key: 'ipv4_addr', data: 'counter' },
      { key: '10.0.0.1', data: 5 },
      'must be the name of a counter',
    ],
    [
      'too little data',
      { key: 'ipv4_addr', data: ['ipv4_addr', 'mark'] },
      { key: '10.0.0.1', data: '10.0.0.1' },
      'must have 2 parts',
    ],
  ] as const)('no element: %s', (_, spec, element, rule) => {
    const broken = element as unknown as SetElement;
    expect(() => encodeElement(schema(spec as Parameters<typeof schema>[0]), broken, 'set s')).toThrow(rule);
  });
});

describe('what the kernel lists', () => {
  const plain = schema({ key: 'ipv4_addr', interval: true });
  const at = (address: string, flags = 0): RawElement => ({
    key: encodeElement(schema({ key: 'ipv4_addr' }), { key: address }, 's').key!,
    flags,
  });
  const END = 1;
  const keys = (raw: RawElement[]): unknown => decodeElements(plain, raw).map(({ key }) => key);

  test('is put together from first values and ends, in any order', () => {
    expect(keys([at('11.0.0.0', END), at('10.0.0.0'), at('1.1.1.2', END), at('1.1.1.1')])).toEqual([
      '1.1.1.1',
      '10.0.0.0/8',
    ]);
  });

  test('has neighbours, open ends, and an end where nothing began', () => {
    expect(
      keys([
        at('0.0.0.0', END),
        at('10.0.0.0'),
        at('11.0.0.0', END),
        at('11.0.0.0'),
        at('12.0.0.0', END),
        at('240.0.0.0'),
      ]),
    ).toEqual(['10.0.0.0/8', '11.0.0.0/8', '240.0.0.0/4']);
  });

  test('may leave out the end between neighbours, as nft does', () => {
    expect(keys([at('10.0.0.0'), at('11.0.0.0'), at('11.0.0.3', END)])).toEqual([
      '10.0.0.0/8',
      '11.0.0.0-11.0.0.2',
    ]);
  });

  test('shows when it was read during a rearrangement', () => {
    expect(hasTwins([at('10.0.0.1'), at('10.0.0.2')])).toBe(false);
    expect(hasTwins([at('10.0.0.1'), at('10.0.0.1', END)])).toBe(false);
    expect(hasTwins([at('10.0.0.1'), at('10.0.0.2'), at('10.0.0.1')])).toBe(true);
  });
});
