import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { createNamespace, deleteNamespace } from '../../src/kernel/netns.ts';
import type { BenchAgent, Sandbox } from '../harness/agent.ts';
import { type Answer, callOnce } from '../harness/call-once.ts';
import type { Scratch } from '../harness/scratch.ts';
import type { AgentKeeper } from './keeper.ts';
import type { Ledger } from './ledger.ts';

/** A pod that has its address. */
interface Pod extends Sandbox {
  readonly address: string;
}

/** Pods that each worker lets live at a time. */
const LIVE = 4;
/** One ADD of so many is given up by its runtime, which kills the plugin. */
const GIVEN_UP = 40;

/**
 * Starts and ends pods as a container runtime does: a sandbox whose ADD fails gets a DEL and another one, with another id
 * and another namespace, takes its place.
 */
export class Runtime {
  /** ADDs that failed, were given up or lost their agent. */
  failedAdds = 0;
  readonly faults: string[] = [];
  readonly #scratch: Scratch;
  readonly #agent: BenchAgent;
  readonly #keeper: AgentKeeper;
  readonly #ledger: Ledger;
  #left: number;
  #number = 0;

  constructor(scratch: Scratch, agent: BenchAgent, keeper: AgentKeeper, ledger: Ledger, pods: number) {
    this.#scratch = scratch;
    this.#agent = agent;
    this.#keeper = keeper;
    this.#ledger = ledger;
    this.#left = pods;
  }

  /** Pods that are still to be started. */
  get left(): number {
    return this.#left;
  }

  /** One of those who work at the same time; resolves when there is no pod left to start and its own are gone. */
  async work(): Promise<void> {
    const live: Pod[] = [];
    while (this.#left > 0) {
      this.#left--;
      live.push(await this.#start());
      if (live.length >= randomInt(1, LIVE + 1)) await this.#end(live.shift()!);
    }
    for (const pod of live) await this.#end(pod);
  }

  /** A pod, after as many tries as it takes. */
  async #start(): Promise<Pod> {
    for (;;) {
      const sandbox = this.#sandbox();
      const giveUp = randomInt(GIVEN_UP) === 0 ? randomInt(5) : undefined;
      const answer = await callOnce(this.#agent.call('ADD', sandbox), giveUp);
      const address = answer.exit === 0 ? addressIn(answer) : undefined;
      if (address !== undefined) {
        this.#ledger.give(sandbox.containerId, address, performance.now());
        if (randomInt(8) === 0) await this.#check(sandbox, answer);
        return { ...sandbox, address };
      }
      this.failedAdds++;
      if (answer.exit === 0) this.faults.push(`ADD ${sandbox.containerId}: no address in ${answer.stdout}`);
      await this.#remove(sandbox);
      // Most runtimes wait a little; some try at once, while there is no agent.
      if (randomInt(4) > 0) await this.#keeper.serving();
      if (codeOf(answer) === 11) await sleep(randomInt(20));
    }
  }

  async #end(pod: Pod): Promise<void> {
    this.#ledger.release(pod.containerId, pod.address, performance.now());
    await this.#remove(pod);
  }

  /** DEL, some of them twice, and then the namespace goes: also while the DEL only waits in the spool. */
  async #remove(sandbox: Sandbox): Promise<void> {
    for (let times = randomInt(5) === 0 ? 2 : 1; times > 0; times--) {
      const answer = await callOnce(this.#agent.call('DEL', sandbox));
      if (answer.exit !== 0) this.faults.push(`DEL ${sandbox.containerId} failed: ${answer.stdout}`);
    }
    deleteNamespace(sandbox.netns);
  }

  /** CHECK of a pod that nobody touches: all is as ADD left it, or there is no agent at the moment. */
  async #check(sandbox: Sandbox, added: Answer): Promise<void> {
    const answer = await callOnce(
      this.#agent.call('CHECK', sandbox, { prevResult: JSON.parse(added.stdout) }),
    );
    if (answer.exit !== 0 && codeOf(answer) !== 11) {
      this.faults.push(`CHECK ${sandbox.containerId}: ${answer.stdout}`);
    }
  }

  #sandbox(): Sandbox {
    const containerId = `churn-${this.#number++}`;
    const netns = this.#scratch.path('pods', containerId);
    createNamespace(netns);
    return { containerId, netns };
  }
}

function addressIn({ stdout }: Answer): string | undefined {
  const { ips } = JSON.parse(stdout) as { ips?: { address?: string }[] };
  return ips?.[0]?.address?.split('/')[0];
}

/** The code of a CNI error; undefined for anything else. */
function codeOf({ stdout }: Answer): number | undefined {
  return stdout === '' ? undefined : (JSON.parse(stdout) as { code?: number }).code;
}
