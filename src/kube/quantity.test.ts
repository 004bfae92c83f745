import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseQuantity, Quantity, tryQuantity } from './quantity.ts';

describe('quantity', () => {
  test.each([
    ['100m', '100m', 1, 100],
    ['1000m', '1', 1, 1000],
    ['0.5', '500m', 1, 500],
    ['1.5', '1500m', 2, 1500],
    ['1', '1', 1, 1000],
    ['12000', '12k', 12_000, 12_000_000],
    ['1024Mi', '1Gi', 1024 ** 3, 1024 ** 3 * 1000],
    ['1.5Gi', '1536Mi', 1.5 * 1024 ** 3, 1.5 * 1024 ** 3 * 1000],
    ['0.5Mi', '512Ki', 512 * 1024, 512 * 1024 * 1000],
    ['1Ki', '1Ki', 1024, 1_024_000],
    ['0.5Ki', '512', 512, 512_000],
    ['1e3', '1e3', 1000, 1_000_000],
    ['12e6', '12e6', 12e6, 12e9],
    ['1E', '1E', 1e18, 1e21],
    ['-1', '-1', -1, -1000],
    ['+5', '5', 5, 5000],
    ['.5', '500m', 1, 500],
    ['5.', '5', 5, 5000],
    ['0', '0', 0, 0],
    ['0Mi', '0', 0, 0],
    ['1n', '1n', 1, 1],
    ['0.1n', '1n', 1, 1],
  ])('%s is %s', (text, canonical, value, milli) => {
    const quantity = parseQuantity(text);
    expect(quantity.toString()).toBe(canonical);
    expect(quantity.value()).toBe(value);
    expect(quantity.milliValue()).toBe(milli);
  });

  test.each(['', ' ', 'a', '1x', '1mm', '--1', '1 Gi', '.', '1KI', '1ki', '1e', '1.2.3'])(
    'refuses "%s"',
    (text) => {
      expect(() => parseQuantity(text)).toThrow(/quantit/);
      expect(tryQuantity(text)).toBeUndefined();
    },
  );

  test('numbers of JSON', () => {
    expect(parseQuantity(2).toString()).toBe('2');
    expect(parseQuantity(0.1).toString()).toBe('100m');
  });

  test('the canonical form means the same and is stable', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }),
        fc.constantFrom('DecimalSI' as const, 'DecimalExponent' as const),
        (nanos, format) => {
          const text = new Quantity(nanos, format).toString();
          expect(parseQuantity(text).nanos).toBe(nanos);
          expect(parseQuantity(text).toString()).toBe(text);
        },
      ),
    );
  });

  test('addition and order agree with bigint', () => {
    fc.assert(
      fc.property(fc.bigInt(), fc.bigInt(), (a, b) => {
        const [left, right] = [new Quantity(a), new Quantity(b)];
        expect(left.add(right).subtract(right).compare(left)).toBe(0);
        expect(Math.sign(left.compare(right))).toBe(a < b ? -1 : a > b ? 1 : 0);
      }),
    );
  });
});
