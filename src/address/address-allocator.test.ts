import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AddressAllocator, checkMaxPods } from './address-allocator.ts';
import { nthAddress, parseCidr } from './cidr.ts';
import { AddressError } from './error.ts';
import { formatAddress, type IpAddress, parseAddress } from './ip.ts';

const BLOCK = '10.244.3.0/24';

function fill(allocator: AddressAllocator, now = 0): IpAddress[] {
  return Array.from({ length: allocator.capacity }, () => allocator.allocate(now));
}

function errorOf(act: () => unknown): AddressError {
  try {
    act();
  } catch (error) {
    if (error instanceof AddressError) return error;
    throw error;
  }
  throw new Error('did not throw');
}

describe('AddressAllocator', () => {
  it('starts at .2 and gives out 250 addresses, then says that the node is full', () => {
    const allocator = new AddressAllocator({ block: BLOCK });
    const given = fill(allocator);
    expect(given.map(formatAddress)).toEqual(Array.from({ length: 250 }, (_, i) => `10.244.3.${i + 2}`));
    expect(errorOf(() => allocator.allocate(0)).message).toBe(
      "node block '10.244.3.0/24' has 250 addresses in use of the 250 that this node may use; remove a pod, or add a node",
    );
    expect(allocator.counts(0)).toEqual({ capacity: 250, held: 250, cooling: 0, available: 0 });
  });

  it('does the same in a /120', () => {
    const allocator = new AddressAllocator({ block: 'fd12:3456:789a::300/120' });
    const given = fill(allocator);
    expect([given[0]!, given[249]!].map(formatAddress)).toEqual([
      'fd12:3456:789a::302',
      'fd12:3456:789a::3fb',
    ]);
    expect(errorOf(() => allocator.allocate(0)).code).toBe('exhausted');
  });

  it('holds no more than maxPods', () => {
    const allocator = new AddressAllocator({ block: BLOCK, maxPods: 10 });
    expect(allocator.capacity).toBe(10);
    fill(allocator);
    expect(errorOf(() => allocator.allocate(0)).fix).toMatch(/raise maxPods/);
    // A released place is free at once: the next pod gets an address that was never used.
    allocator.release(parseAddress('10.244.3.2'), 5);
    expect(formatAddress(allocator.next(5))).toBe('10.244.3.12');
    expect(formatAddress(allocator.allocate(5))).toBe('10.244.3.12');
    for (const wrong of [9, 251, 0, -1, 10.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(errorOf(() => new AddressAllocator({ block: BLOCK, maxPods: wrong })).message).toBe(
        `maxPods '${wrong}' is not a whole number from 10 to 250; use 10 to 250`,
      );
    }
    expect([checkMaxPods(10), checkMaxPods(250)]).toEqual([10, 250]);
  });

  it('gives the longest released address, and only after its cool-down', () => {
    const allocator = new AddressAllocator({ block: '10.0.0.0/29', cooldownMs: 30_000 });
    const [a, b] = fill(allocator);
    expect(allocator.capacity).toBe(5);
    expect(allocator.release(b!, 1_000)).toBe(true);
    expect(allocator.release(b!, 9_000)).toBe(false);
    allocator.release(a!, 2_500);
    const error = errorOf(() => allocator.allocate(11_000));
    expect([error.code, error.retryAfterMs]).toEqual(['cooling-down', 20_000]);
    expect(error.message).toBe(
      "node block '10.0.0.0/29' has no address ready: 3 are held and the other 2 were released less than 30 s ago; " +
        'try again in 20 s, or set a shorter cool-down',
    );
    expect([allocator.coolsFor(a!, 11_000), allocator.coolsFor(b!, 31_000)]).toEqual([21_500, 0]);
    expect(allocator.counts(31_000)).toEqual({ capacity: 5, held: 3, cooling: 1, available: 1 });
    expect(allocator.allocate(31_000)).toEqual(b);
    expect(errorOf(() => allocator.allocate(32_499)).retryAfterMs).toBe(1);
    expect(allocator.allocate(32_500)).toEqual(a);
  });

  it('takes over addresses of running pods', () => {
    const allocator = new AddressAllocator({ block: BLOCK });
    allocator.reserve('10.244.3.2');
    allocator.reserve('10.244.3.254');
    expect(formatAddress(allocator.allocate(0))).toBe('10.244.3.3');
    expect(errorOf(() => allocator.reserve('10.244.3.3')).code).toBe('in-use');
    for (const impossible of ['10.244.3.0', '10.244.3.1', '10.244.3.255', '10.244.4.7', 'fd12::7']) {
      expect(errorOf(() => allocator.reserve(impossible)).code).toBe('out-of-range');
    }
    allocator.release(parseAddress('10.244.3.2'), 0);
    allocator.reserve('10.244.3.2');
    expect(allocator.isHeld(parseAddress('10.244.3.2'))).toBe(true);
  });

  it('serves a block of another size, within reason', () => {
    const wide = new AddressAllocator({ block: 'fd12::/64' });
    expect(fill(wide).length).toBe(250);
    wide.release(wide.reserve('fd12::ffff'), 0);
    expect(errorOf(() => new AddressAllocator({ block: '10.0.0.0/30' })).code).toBe('too-small');
    expect(errorOf(() => new AddressAllocator({ block: '10.0.0.7/24' })).code).toBe('host-bits-set');
    expect(errorOf(() => new AddressAllocator({ block: BLOCK, cooldownMs: -1 })).code).toBe('malformed');
    expect(errorOf(() => new AddressAllocator({ block: BLOCK, cooldownMs: Number.NaN })).code).toBe(
      'malformed',
    );
  });

  it('behaves as the obvious slow allocator, through any history and through JSON', () => {
    const block = parseCidr('10.0.0.16/28');
    const hosts = [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14];
    const steps = fc.array(
      fc.oneof(
        { weight: 4, arbitrary: fc.record({ kind: fc.constant('allocate' as const) }) },
        { weight: 3, arbitrary: fc.record({ kind: fc.constant('release' as const), offset: fc.nat(15) }) },
        { weight: 1, arbitrary: fc.record({ kind: fc.constant('reserve' as const), offset: fc.nat(15) }) },
        { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const) }) },
        { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(150) }) },
      ),
      { maxLength: 150, size: 'max' },
    );
    fc.assert(
      fc.property(steps, fc.integer({ min: 10, max: 13 }), fc.nat(200), (history, maxPods, cooldownMs) => {
        let allocator = new AddressAllocator({ block, maxPods, cooldownMs });
        const held = new Set<number>();
        let released: { offset: number; at: number }[] = [];
        let now = 0;
        for (const step of history) {
          if (step.kind === 'wait') now += step.ms;
          else if (step.kind === 'restart') {
            allocator = AddressAllocator.fromJSON(JSON.parse(JSON.stringify(allocator)));
          } else if (step.kind === 'release') {
            const had = held.delete(step.offset);
            if (had) released.push({ offset: step.offset, at: now });
            expect(allocator.release(nthAddress(block, step.offset), now)).toBe(had);
          } else if (step.kind === 'reserve') {
            const reserve = () => allocator.reserve(nthAddress(block, step.offset));
            if (!hosts.includes(step.offset) || held.has(step.offset)) expect(reserve).toThrow(AddressError);
            else {
              reserve();
              held.add(step.offset);
              released = released.filter((one) => one.offset !== step.offset);
            }
          } else {
            const fresh = hosts.find(
              (one) => !held.has(one) && !released.some(({ offset }) => offset === one),
            );
            const oldest = released[0];
            if (held.size >= maxPods) expect(errorOf(() => allocator.allocate(now)).code).toBe('exhausted');
            else if (fresh === undefined && oldest && oldest.at + cooldownMs > now) {
              expect(errorOf(() => allocator.allocate(now)).retryAfterMs).toBe(oldest.at + cooldownMs - now);
            } else {
              const wanted = fresh ?? oldest!.offset;
              expect(allocator.allocate(now)).toEqual(nthAddress(block, wanted));
              if (fresh === undefined) released.shift();
              held.add(wanted);
            }
          }
          const cooling = released.filter(({ at }) => at + cooldownMs > now).length;
          const available = Math.min(Math.max(0, maxPods - held.size), hosts.length - held.size - cooling);
          expect(allocator.counts(now)).toEqual({ capacity: maxPods, held: held.size, cooling, available });
          expect(new Set(allocator.held().map(formatAddress))).toEqual(
            new Set([...held].map((offset) => formatAddress(nthAddress(block, offset)))),
          );
        }
      }),
      { numRuns: 300 },
    );
  });
});
