import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeClient } from './client.ts';
import { isKubeError } from './error.ts';
import { LEASES } from './resources.ts';
import type { Lease } from './types.ts';

export interface LeaderElectorOptions {
  /** Of the Lease. */
  readonly namespace: string;
  readonly name: string;
  /** Who we are; no two processes may have the same. */
  readonly identity: string;
  /** Milliseconds, all three; defaults are upstream's 15, 10 and 2 s. */
  readonly leaseMs?: number;
  readonly renewMs?: number;
  readonly retryMs?: number;
  /** Told of what went wrong, and of who leads. */
  readonly onError?: (error: unknown) => void;
  readonly onLeader?: (identity: string) => void;
  /** Milliseconds of a clock that never goes back. Default `performance.now`. */
  readonly now?: () => number;
}

/**
 * Leadership by a Lease (coordination.k8s.io/v1), as Kubernetes' own controllers have it. Nobody's clock is compared
 * with another's: a lease is over when *we* have seen it unchanged for its whole time. Whoever leads counts from the
 * moment before its last good renewal and steps down after `renewMs`, which is before anybody else can take over after
 * `leaseMs`; `leads` says so to the millisecond, also in a process that was stopped for a while.
 */
export class LeaderElector {
  readonly #client: KubeClient;
  readonly #options: LeaderElectorOptions;
  readonly #leaseMs: number;
  readonly #renewMs: number;
  readonly #retryMs: number;
  readonly #now: () => number;
  #observed: { readonly lease: Lease; readonly text: string; readonly at: number } | undefined;
  #holdUntil = Number.NEGATIVE_INFINITY;
  #leader = '';
  /** Counts how often we gave up. */
  #term = 0;

  /** @throws RangeError unless lease > renew > retry */
  constructor(client: KubeClient, options: LeaderElectorOptions) {
    this.#client = client;
    this.#options = options;
    this.#leaseMs = options.leaseMs ?? 15_000;
    this.#renewMs = options.renewMs ?? 10_000;
    this.#retryMs = options.retryMs ?? 2000;
    this.#now = options.now ?? (() => performance.now());
    if (this.#leaseMs > this.#renewMs && this.#renewMs > this.#retryMs && this.#retryMs > 0) return;
    throw new RangeError(
      `leader election: ${this.#leaseMs}, ${this.#renewMs}, ${this.#retryMs} ms do not get smaller; keep lease > renew > retry > 0`,
    );
  }

  /** Whether we lead at this very moment. To be asked before each write. */
  get leads(): boolean {
    return this.#now() < this.#holdUntil;
  }

  /** Who holds the lease as far as we have seen; empty when nobody. */
  get leader(): string {
    return this.#leader;
  }

  /**
   * Waits for the lead, then runs `body`, whose signal aborts when the lead is lost or `signal` aborts. Resolves when
   * `body` has ended, and gives the lease back, so that the next one need not wait.
   */
  async run(signal: AbortSignal, body: (term: AbortSignal) => Promise<void>): Promise<void> {
    while (!signal.aborted && !(await this.#try()))
      await this.#pause(signal, this.#retryMs * (1 + Math.random() * 0.2));
    if (signal.aborted) return this.#release();
    const term = new AbortController();
    const end = (): void => term.abort();
    signal.addEventListener('abort', end, { once: true });
    const renewing = this.#renew(term);
    try {
      await body(term.signal);
    } finally {
      end();
      signal.removeEventListener('abort', end);
      await renewing;
      await this.#release();
    }
  }

  /** Keeps the lease until the term ends, and ends it when it cannot. */
  async #renew(term: AbortController): Promise<void> {
    while (!term.signal.aborted) {
      // Whatever hangs, at its time the term is over.
      const over = setTimeout(() => term.abort(), Math.max(0, this.#holdUntil - this.#now()));
      await this.#pause(term.signal, this.#retryMs);
      if (!term.signal.aborted) {
        const trying = this.#try();
        const ended = new Promise<boolean>((resolve) =>
          term.signal.addEventListener('abort', () => resolve(false), { once: true }),
        );
        const kept = await Promise.race([trying, ended]);
        // Lost to another, who has seen us late.
        if (!kept && this.#leader !== this.#options.identity) term.abort();
      }
      clearTimeout(over);
      if (!this.leads) term.abort();
    }
  }

  async #pause(signal: AbortSignal, milliseconds: number): Promise<void> {
    await sleep(milliseconds, undefined, { signal }).catch(() => {});
  }

  /** Takes the lease if it is free, ours or over. Whether we have it. */
  async #try(): Promise<boolean> {
    const { namespace, name, identity } = this.#options;
    const term = this.#term;
    // Before the request: what the server writes is written after this.
    const started = this.#now();
    try {
      const live = await this.#client.find(LEASES, { namespace, name });
      if (!live) {
        return this.#have(await this.#client.create(LEASES, this.#lease(undefined)), started, term);
      }
      this.#observe(live);
      const holder = live.spec?.holderIdentity ?? '';
      if (holder !== '' && holder !== identity && !this.#over(live)) return false;
      return this.#have(await this.#client.replace(LEASES, this.#lease(live)), started, term);
    } catch (error) {
      // Another was faster.
      if (!isKubeError(error, 409)) this.#options.onError?.(error);
      return false;
    }
  }

  #have(lease: Lease, started: number, term: number): boolean {
    this.#observe(lease);
    // An answer that came after we had given up.
    if (term !== this.#term) return false;
    this.#holdUntil = started + this.#renewMs;
    return true;
  }

  #observe(lease: Lease): void {
    const text = JSON.stringify(lease.spec ?? {});
    if (this.#observed?.text !== text) this.#observed = { lease, text, at: this.#now() };
    else this.#observed = { ...this.#observed, lease };
    const leader = lease.spec?.holderIdentity ?? '';
    if (leader === this.#leader) return;
    this.#leader = leader;
    if (leader !== this.#options.identity) this.#holdUntil = Number.NEGATIVE_INFINITY;
    this.#options.onLeader?.(leader);
  }

  /** Whether we have seen it unchanged for all its time. */
  #over(lease: Lease): boolean {
    const seconds = lease.spec?.leaseDurationSeconds;
    const milliseconds = Math.max(this.#leaseMs, (seconds ?? 0) * 1000);
    return this.#observed !== undefined && this.#now() - this.#observed.at >= milliseconds;
  }

  #lease(live: Lease | undefined): Lease {
    const { namespace, name, identity } = this.#options;
    const now = microTime();
    const before = live?.spec;
    const again = before?.holderIdentity === identity;
    return {
      ...(live ?? { metadata: { namespace, name } }),
      spec: {
        holderIdentity: identity,
        leaseDurationSeconds: Math.ceil(this.#leaseMs / 1000),
        acquireTime: again && before?.acquireTime ? before.acquireTime : now,
        renewTime: now,
        leaseTransitions: live ? (before?.leaseTransitions ?? 0) + (again ? 0 : 1) : 0,
      },
    };
  }

  /** Only what is ours, and only as we know it: by its resourceVersion. */
  async #release(): Promise<void> {
    const held = this.#holdUntil;
    this.#term++;
    this.#holdUntil = Number.NEGATIVE_INFINITY;
    const lease = this.#observed?.lease;
    if (!lease || lease.spec?.holderIdentity !== this.#options.identity) return;
    if (held === Number.NEGATIVE_INFINITY) return;
    const now = microTime();
    const { holderIdentity: _, ...rest } = lease.spec;
    const spec = { ...rest, leaseDurationSeconds: 1, renewTime: now, acquireTime: now };
    await this.#client.replace(LEASES, { ...lease, spec }).catch((error: unknown) => {
      if (!isKubeError(error, 404, 409)) this.#options.onError?.(error);
    });
  }
}

/** As Kubernetes writes a MicroTime. */
function microTime(): string {
  return new Date().toISOString().replace('Z', '000Z');
}
