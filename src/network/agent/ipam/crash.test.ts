import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isAddressError } from '../../../address/error.ts';
import { isIpamError } from './error.ts';
import { FakeClock } from './fake-clock.ts';
import { type Chance, type CrashKind, FakeDisk } from './fake-disk.ts';
import { IpamStore } from './store.ts';

const COOLDOWN_SECONDS = 10;
const KEYS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l'];
// Thirteen addresses, so that they run out and come round again.
const BLOCKS = ['10.244.0.0/28', 'fd12::/124'];

type Step =
  | { kind: 'burst'; requests: readonly { allocate: boolean; twice: boolean; key: string }[] }
  | { kind: 'wait'; ms: number }
  | { kind: 'crash'; after: number; cut: CrashKind }
  | { kind: 'failure'; after: number }
  | { kind: 'restart' }
  | { kind: 'set clock back'; ms: number };

/** The addresses that a key holds, as one text; '' when none. */
type Held = string;

/** Drives a store on a fake disk and checks after every step that no promise was broken. */
class Trial {
  readonly clock = new FakeClock();
  readonly disk: FakeDisk;
  store!: IpamStore;
  #cut: CrashKind = 'process';
  /** What each key must hold, or, while that is unknown, what it may hold. */
  readonly #allowed = new Map<string, Set<Held>>(KEYS.map((key) => [key, new Set([''])]));
  /** When each address was released, in real time, at the latest known moment before which it was not. */
  readonly #releasedAt = new Map<string, number>();
  crashes = 0;

  constructor(chance: Chance) {
    this.disk = new FakeDisk(chance);
  }

  /** Opens the store, again and again should a crash or a failure hit even that, and compares. */
  async open(): Promise<void> {
    for (;;) {
      try {
        this.store = await IpamStore.open('/fake', {
          blocks: BLOCKS,
          cooldownSeconds: COOLDOWN_SECONDS,
          clock: this.clock,
          folder: this.disk.open(),
          rewriteAfterBytes: 2_000,
        });
        break;
      } catch (error) {
        if (!isIpamError(error, 'write-failed') && !/process is dead|EIO/.test(String(error))) throw error;
        if (this.disk.crashed) this.#reboot();
      }
    }
    for (const key of KEYS) {
      const held = this.#heldBy(key);
      expect([...this.#allowed.get(key)!], `what ${key} holds after a restart`).toContain(held);
      this.#allowed.set(key, new Set([held]));
    }
    this.#check();
  }

  async run(step: Step): Promise<void> {
    switch (step.kind) {
      case 'wait':
        this.clock.real += step.ms;
        return;
      case 'set clock back':
        this.clock.setWall(-step.ms);
        return;
      case 'crash':
        this.disk.crashAt = this.disk.operations + step.after;
        this.#cut = step.cut;
        return;
      case 'failure':
        this.disk.failAt.add(this.disk.operations + step.after);
        return;
      case 'restart':
        await this.store.close();
        if (this.disk.crashed) this.#reboot();
        return this.open();
      case 'burst':
        await Promise.all(step.requests.map((request) => this.#request(request)));
        if (this.disk.crashed) {
          this.#reboot();
          return this.open();
        }
        this.#check();
    }
  }

  #reboot(): void {
    this.crashes++;
    this.disk.restart(this.#cut);
    if (this.#cut === 'power') this.clock.reboot();
  }

  #heldBy(key: string): Held {
    return this.store.get({ containerId: key, ifName: 'eth0' })?.addresses.join() ?? '';
  }

  async #request({
    allocate,
    twice,
    key,
  }: {
    allocate: boolean;
    twice: boolean;
    key: string;
  }): Promise<void> {
    const allowed = this.#allowed.get(key)!;
    const before = this.#heldBy(key);
    const requestedAt = this.clock.real;
    const attachment = {
      containerId: key,
      ifName: 'eth0',
      netns: `/run/netns/${key}`,
      hostLink: `azv${key}`,
    };
    try {
      if (allocate) {
        const settled = await Promise.allSettled([
          this.store.allocate(attachment),
          ...(twice ? [this.store.allocate(attachment)] : []),
        ]);
        // Where the first one fails, the second tries by itself, and may do better.
        const results = settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
        if (results[0] === undefined) throw (settled[0] as PromiseRejectedResult).reason;
        const held = results[0].record.addresses.join();
        expect(results.filter((one) => !one.existed).length).toBe(before === '' ? 1 : 0);
        for (const { record } of results) expect(record.addresses.join()).toBe(held);
        if (before !== '') expect(held, `${key} asked again`).toBe(before);
        else this.#mustHaveRested(held, requestedAt);
        allowed.clear();
        allowed.add(held);
      } else {
        const released = await this.store.release(attachment);
        expect(released?.addresses.join() ?? '').toBe(before);
        for (const address of before ? before.split(',') : []) this.#releasedAt.set(address, requestedAt);
        allowed.clear();
        allowed.add('');
      }
    } catch (error) {
      if (isAddressError(error, 'cooling-down')) {
        expect(error.retryAfterMs).toBeGreaterThan(0);
        expect(error.retryAfterMs).toBeLessThanOrEqual(COOLDOWN_SECONDS * 1000);
        return;
      }
      if (isAddressError(error, 'exhausted')) return;
      if (!isIpamError(error, 'write-failed')) throw error;
      // It may be on disk nevertheless, and come back after a crash; until then it did not happen.
      if (!allocate) {
        // The first of several failed releases may be the one on disk, and its pod is gone since that moment.
        if (!allowed.has('')) {
          for (const address of before.split(',')) this.#releasedAt.set(address, requestedAt);
        }
        allowed.add('');
      } else if (before === '') this.#anything(allowed);
      if (!this.disk.crashed) expect(this.#heldBy(key), 'after a failed write').toBe(before);
    }
  }

  /** After an allocation without answer the key may hold any one pair of addresses. */
  #anything(allowed: Set<Held>): void {
    for (let i = 2; i < 15; i++) {
      for (let j = 2; j < 15; j++) allowed.add(`10.244.0.${i},fd12::${j.toString(16)}`);
    }
  }

  #mustHaveRested(held: Held, now: number): void {
    for (const address of held.split(',')) {
      const releasedAt = this.#releasedAt.get(address);
      if (releasedAt !== undefined) {
        expect(now - releasedAt, `rest of ${address}`).toBeGreaterThanOrEqual(COOLDOWN_SECONDS * 1000);
      }
    }
  }

  /** No address has two owners, and what was acknowledged is there. */
  #check(): void {
    const all = this.store.records().flatMap((record) => record.addresses);
    expect(new Set(all).size, all.join()).toBe(all.length);
    for (const key of KEYS) expect([...this.#allowed.get(key)!]).toContain(this.#heldBy(key));
    const { blocks, records } = this.store.stats();
    for (const block of blocks) expect(block.held).toBe(records);
  }
}

const requests = fc
  .uniqueArray(
    fc.record({
      allocate: fc.boolean(),
      twice: fc.boolean(),
      key: fc.constantFrom(...KEYS),
    }),
    { selector: ({ key }) => key, minLength: 1, maxLength: KEYS.length, size: 'max' },
  )
  .map((some) => ({ kind: 'burst' as const, requests: some }));

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: requests },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(6_000) }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('crash' as const),
        after: fc.nat(8),
        cut: fc.constantFrom<CrashKind[]>('process', 'power'),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('failure' as const), after: fc.nat(8) }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'restart' as const }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('set clock back' as const), ms: fc.nat(100_000) }),
    },
  ),
  { minLength: 5, maxLength: 40, size: 'max' },
);

/** A repeatable source of chance. */
function chanceOf(seed: number): Chance {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

describe('the address store on a disk that fails', () => {
  it('breaks no promise in any history of requests, crashes, failures and restarts', {
    timeout: 60_000,
  }, async () => {
    let crashes = 0;
    await fc.assert(
      fc.asyncProperty(steps, fc.nat(), async (history, seed) => {
        const trial = new Trial(chanceOf(seed));
        await trial.open();
        for (const step of history) await trial.run(step);
        crashes += trial.crashes;
      }),
      { numRuns: 200 },
    );
    expect(crashes).toBeGreaterThan(100);
  });

  it('breaks none when it is cut off at each boundary of a fixed history', { timeout: 60_000 }, async () => {
    const burst = (allocate: boolean, keys: string): Step => ({
      kind: 'burst',
      requests: [...keys].map((key) => ({ allocate, twice: false, key })),
    });
    const history: Step[] = [
      burst(true, 'abc'),
      burst(false, 'b'),
      burst(true, 'defgh'),
      { kind: 'restart' },
      burst(false, 'acd'),
      { kind: 'wait', ms: 10_000 },
      burst(true, 'bcd'),
      burst(true, 'aijkl'),
    ];
    const whole = new Trial(chanceOf(1));
    await whole.open();
    for (const step of history) await whole.run(step);
    const boundaries = whole.disk.operations;
    expect(boundaries).toBeGreaterThan(20);
    for (const cut of ['process', 'power'] as const) {
      for (let at = 0; at < boundaries; at++) {
        for (let seed = 0; seed < 4; seed++) {
          const trial = new Trial(chanceOf(seed * 7919 + at));
          await trial.run({ kind: 'crash', after: at, cut });
          await trial.open();
          for (const step of history) await trial.run(step);
          expect(trial.crashes, `boundary ${at}`).toBe(1);
        }
      }
    }
  });
});
