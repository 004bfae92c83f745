import { CRASH_STEPS } from './crash.ts';
import type { PluginAnswer, TestNode } from './testing.ts';

export interface ChurnOptions {
  /** How many ADDs, each with its DEL. */
  readonly pods: number;
  /** How many at a time. */
  readonly parallel: number;
  /** Reaching its step so many times kills an agent. */
  readonly every: number;
}

export interface ChurnResult {
  /** Agents that were killed, each at another step than the one before. */
  readonly kills: number;
  /** Calls that got no answer: the agent died over them, or was dead. */
  readonly unanswered: number;
  /** What must not happen, in words. */
  readonly faults: readonly string[];
}

/**
 * Makes and removes pods while the agent is killed at one step of ADD and DEL after the other. Calls that it dies
 * over are repeated as a runtime may: the same ADD again, or a DEL and a new sandbox; a DEL over the socket or
 * through the front, which queues it. Ends with an agent that runs and no pod.
 */
export async function churn(node: TestNode, options: ChurnOptions): Promise<ChurnResult> {
  const { pods, parallel, every } = options;
  const holders = new Map<string, string>();
  const faults: string[] = [];
  let kills = 0;
  let unanswered = 0;
  let started = 0;
  let over = false;
  let serving = Promise.withResolvers<void>();
  const end = Promise.withResolvers<void>();

  const keepAgent = async (): Promise<void> => {
    while (!over) {
      const step = CRASH_STEPS[kills % CRASH_STEPS.length];
      try {
        await node.start({ FLYOVER_CRASH_AT: `${step}:${every}` });
      } catch {
        // Replaying a queued DEL may have reached the step before it served.
        kills++;
        continue;
      }
      serving.resolve();
      await Promise.race([node.ended(), end.promise]);
      if (over) return;
      serving = Promise.withResolvers<void>();
      kills++;
    }
  };
  const call = async (command: string, pod: string): Promise<PluginAnswer | undefined> => {
    await serving.promise;
    const answer = await node.cni(command, pod);
    if (!answer) unanswered++;
    return answer;
  };
  const remove = async (pod: string, chance: number): Promise<void> => {
    for (let tries = 0; ; tries++) {
      const answer = (tries + chance) % 3 === 2 ? await node.front('DEL', pod) : await call('DEL', pod);
      if (answer && answer.exit !== 0) faults.push(`DEL ${pod}: ${JSON.stringify(answer.json)}`);
      if (answer) return;
    }
  };
  const worker = async (): Promise<void> => {
    while (started < pods) {
      const number = started++;
      const pod = `churn-${number}`;
      node.net.namespace(pod);
      let answer = await call('ADD', pod);
      // Every other time the runtime gives up and takes a new sandbox.
      while (!answer && number % 2 === 0) answer = await call('ADD', pod);
      if (answer && answer.exit !== 0) faults.push(`ADD ${pod}: ${JSON.stringify(answer.json)}`);
      const address: string | undefined = answer?.json?.ips?.[0]?.address;
      if (address !== undefined) {
        const holder = holders.get(address);
        if (holder !== undefined) faults.push(`${address} was given to ${pod} while ${holder} had it`);
        holders.set(address, pod);
        await new Promise((resolve) => setImmediate(resolve));
        holders.delete(address);
      }
      await remove(pod, number);
      node.net.remove(pod);
    }
  };

  const keeping = keepAgent();
  await Promise.all(Array.from({ length: parallel }, worker));
  over = true;
  end.resolve();
  await keeping;
  await node.stop('SIGKILL');
  await node.start();
  return { kills, unanswered, faults };
}
