import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { deleteNamespace } from '../../src/kernel/netns.ts';
import type { CrashStep } from '../../src/network/agent/crash.ts';
import { IpamStore } from '../../src/network/agent/ipam/store.ts';
import { BenchAgent } from '../harness/agent.ts';
import { nodeNamespace } from '../harness/node-namespace.ts';
import type { Scratch } from '../harness/scratch.ts';
import { differences, footprintOf } from './footprint.ts';
import { AgentKeeper } from './keeper.ts';
import { Ledger } from './ledger.ts';
import { Runtime } from './runtime.ts';

export interface ChurnOptions {
  readonly scratch: Scratch;
  /** How many pods get an address; each is removed again. */
  readonly pods: number;
  readonly parallel: number;
  /** How often, on average, a step is reached until the agent is killed there. */
  readonly every: number;
  /** The agent's bundle; the built one when not said. */
  readonly program?: string;
  readonly progress?: (text: string) => unknown;
}

export interface ChurnReport {
  readonly pods: number;
  readonly seconds: number;
  /** How often the agent was killed at each step. */
  readonly kills: Readonly<Record<CrashStep, number>>;
  /** ADDs that failed because of that, or were given up. */
  readonly failedAdds: number;
  /** The most pods that lived at one time. */
  readonly most: number;
  /** What must not happen, in words: addresses given twice or too soon, refused DELs, failed CHECKs. */
  readonly faults: readonly string[];
  /** What was left behind after everything was deleted and the agent had settled it, in words. */
  readonly leaks: readonly string[];
}

/** Half a node's usual block: addresses have to be used again soon. */
const BLOCK = '10.244.0.0/25';
const COOLDOWN_SECONDS = 1;
/** How long the kernel may take to free namespaces. */
const PATIENCE_MS = 10_000;

/** Many short-lived pods on one node while the agent is killed at every step of ADD and DEL in turn. */
export async function churn(options: ChurnOptions): Promise<ChurnReport> {
  const { scratch, pods, parallel, every } = options;
  const netns = nodeNamespace(scratch, 'node', '10.0.1.4');
  const node = {
    nodeName: 'churn',
    nodeAddresses: ['10.0.1.4'],
    nodeBlocks: [BLOCK],
    podCIDRs: ['10.244.0.0/16'],
    cooldownSeconds: COOLDOWN_SECONDS,
  };
  const agent = new BenchAgent(scratch, netns, node, options.program);
  scratch.onRemove(() => {
    for (const path of podNamespaces(scratch)) deleteNamespace(path);
  });
  await agent.start();
  const before = await footprintOf(agent, netns);
  await agent.stop();

  const started = performance.now();
  const ledger = new Ledger(COOLDOWN_SECONDS * 1000);
  const keeper = new AgentKeeper(agent, every);
  const runtime = new Runtime(scratch, agent, keeper, ledger, pods);
  const kept = keeper.run();
  const told = setInterval(() => options.progress?.(`${pods - runtime.left} of ${pods} pods`), 5000);
  try {
    await Promise.race([Promise.all(Array.from({ length: parallel }, () => runtime.work())), kept]);
  } finally {
    clearInterval(told);
    await keeper.stop();
  }
  await kept;
  const seconds = (performance.now() - started) / 1000;

  await agent.start();
  let leaks: string[];
  const deadline = performance.now() + PATIENCE_MS;
  do {
    leaks = differences(before, await footprintOf(agent, netns));
    if (leaks.length > 0) await sleep(100);
  } while (leaks.length > 0 && performance.now() < deadline);
  await agent.stop();
  leaks.push(...(await recordsLeft(agent.stateFolder)), ...podNamespaces(scratch));
  const { failedAdds } = runtime;
  const faults = [...ledger.faults, ...runtime.faults];
  return { pods: ledger.given, seconds, kills: keeper.kills, failedAdds, most: ledger.most, faults, leaks };
}

/** What the journal holds, read as the agent reads it. */
async function recordsLeft(folder: string): Promise<string[]> {
  await using store = await IpamStore.open(folder, { blocks: [BLOCK] });
  return store
    .records()
    .map(({ containerId, addresses }) => `journal: ${containerId} has ${addresses.join()}`);
}

/** Where namespaces of pods are still pinned. */
function podNamespaces(scratch: Scratch): string[] {
  const folder = scratch.path('pods');
  return existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [];
}
