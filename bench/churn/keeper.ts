import { setTimeout as sleep } from 'node:timers/promises';
import { CRASH_STEPS, type CrashStep } from '../../src/network/agent/crash.ts';
import type { BenchAgent } from '../harness/agent.ts';

/** Starts the agent again and again, each time to be killed at the next step of ADD and DEL. */
export class AgentKeeper {
  /** How often it was killed at each step. */
  readonly kills: Record<CrashStep, number>;
  readonly #agent: BenchAgent;
  readonly #every: number;
  #rounds = 0;
  #over = false;
  #serving = Promise.withResolvers<void>();
  #failure: unknown;

  /** @param every how often, on average, a step is reached until the agent dies there */
  constructor(agent: BenchAgent, every: number) {
    this.#agent = agent;
    this.#every = every;
    this.kills = Object.fromEntries(CRASH_STEPS.map((step) => [step, 0])) as Record<CrashStep, number>;
  }

  /** Resolves when an agent serves. @throws what stopped this keeper */
  async serving(): Promise<void> {
    await this.#serving.promise;
    if (this.#failure) throw this.#failure;
  }

  /** Resolves after {@link stop}. @throws Error when an agent ends by itself */
  async run(): Promise<void> {
    try {
      while (!this.#over) await this.#once();
    } catch (error) {
      this.#failure = error;
      this.#serving.resolve();
      throw error;
    }
  }

  /** Ends the agent, and starts none any more. */
  async stop(): Promise<void> {
    this.#over = true;
    await this.#agent.stop('SIGKILL');
  }

  async #once(): Promise<void> {
    const step = CRASH_STEPS[this.#rounds++ % CRASH_STEPS.length]!;
    const times = 1 + Math.floor(Math.random() * (2 * this.#every - 1));
    const ended = this.#agent.launch({ FLYOVER_CRASH_AT: `${step}:${times}` });
    // A queued DEL may kill it before it serves.
    void this.#watch();
    const { code, signal } = await ended;
    this.#serving.resolve();
    if (!this.#failure) this.#serving = Promise.withResolvers<void>();
    if (this.#over) return;
    if (signal !== 'SIGKILL')
      throw new Error(`the agent ended with ${code ?? signal}:\n${this.#agent.log.slice(-2000)}`);
    this.kills[step]++;
  }

  /** Says when the agent that was just started serves. */
  async #watch(): Promise<void> {
    const { pid } = this.#agent;
    const serving = this.#serving;
    while (pid !== undefined && this.#agent.pid === pid) {
      if ((await this.#agent.get('/readyz').catch(() => undefined))?.status === 200) {
        serving.resolve();
        return;
      }
      await sleep(5);
    }
  }
}
