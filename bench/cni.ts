import { inNamespace } from '../src/kernel/netns.ts';
import { BenchAgent, type Command, pluginCall, type Sandbox } from './harness/agent.ts';
import { referencePlugins } from './harness/artifacts.ts';
import { type Call, type Outcome, runCalls } from './harness/calls.ts';
import { nodeNamespace } from './harness/node-namespace.ts';
import type { Scratch } from './harness/scratch.ts';
import { median, orderOf } from './harness/statistics.ts';
import { type Bench, type BenchContext, compared, type Result } from './result.ts';

const PARALLEL = [1, 8, 16];
/** Calls of each kind in a round, at least; two waves where calls are parallel. Short rounds see the same weather. */
const CALLS = 8;
/** Rounds that only warm caches and just-in-time compilers: the agent is a daemon that has served before. */
const WARM_UP = 3;

/** A plugin and the namespace that its calls are made in. */
interface Subject {
  readonly name: 'flyover' | 'ptp';
  readonly netns: string;
  call(command: Command, sandbox: Sandbox): Call;
}

/** The median of each round, in milliseconds. */
interface Samples {
  readonly flyover: number[];
  readonly ptp: number[];
}

/** ADD and DEL of the plugin against ptp with host-local, as a runtime sees them. */
export const cni: Bench = {
  name: 'cni',
  title: 'ADD and DEL against the reference plugins ptp and host-local, at 1, 8 and 16 in parallel',
  rounds: 24,
  place: 'inside',
  async run(context) {
    const { scratch } = context;
    const node = nodeNamespace(scratch, 'flyover', '10.0.1.4');
    const agent = new BenchAgent(scratch, node, {
      nodeName: 'bench',
      nodeAddresses: ['10.0.1.4'],
      nodeBlocks: ['10.244.0.0/24'],
      podCIDRs: ['10.244.0.0/16'],
      cooldownSeconds: 0, // or the block would run dry: no node starts 250 pods in half a minute
    });
    await agent.start();
    try {
      const flyover: Subject = { name: 'flyover', netns: node, call: (...call) => agent.call(...call) };
      const subjects = [flyover, reference(scratch)];
      const results: Result[] = [];
      for (const parallel of PARALLEL) results.push(...(await measure(context, parallel, subjects)));
      return results;
    } finally {
      await agent.stop();
    }
  },
};

/** The reference plugins switch on ip_forward wherever they run: a namespace of their own. */
function reference(scratch: Scratch): Subject {
  const folder = referencePlugins();
  const netns = nodeNamespace(scratch, 'ptp', '10.0.1.5');
  const config = {
    cniVersion: '1.0.0',
    name: 'bench',
    type: 'ptp',
    mtu: 1500,
    ipam: {
      type: 'host-local',
      dataDir: scratch.path('host-local'),
      ranges: [[{ subnet: '10.245.0.0/16' }]],
      routes: [{ dst: '0.0.0.0/0' }],
    },
  };
  return {
    name: 'ptp',
    netns,
    call: (command, sandbox) => pluginCall(`${folder}/ptp`, command, sandbox, config),
  };
}

async function measure(
  { scratch, rounds, progress }: BenchContext,
  parallel: number,
  subjects: Subject[],
): Promise<Result[]> {
  const count = Math.max(CALLS, parallel * 2);
  const pods = new Map(
    subjects.map(({ name }) => [
      name,
      Array.from({ length: count }, (_, i) => scratch.namespace(`${name}-${parallel}-${i}`)),
    ]),
  );
  const samples = { ADD: emptySamples(), DEL: emptySamples() };
  const floor: number[] = [];
  for (let round = -WARM_UP; round < rounds; round++) {
    for (const command of ['ADD', 'DEL'] as const) {
      for (const subject of orderOf(subjects, round + WARM_UP)) {
        const sandboxes = pods.get(subject.name)!.map((netns, i) => ({
          containerId: `bench-${subject.name}-${parallel}-${round + WARM_UP}-${i}`,
          netns,
        }));
        const calls = sandboxes.map((sandbox) => subject.call(command, sandbox));
        const outcomes = inNamespace(subject.netns, () => runCalls(calls, parallel));
        refuseFailures(outcomes, `${subject.name} ${command}`);
        if (round >= 0) samples[command][subject.name].push(median(outcomes.map(({ ms }) => ms)));
      }
    }
    const nothing = Array.from({ length: count }, () => ({ path: '/bin/true', env: {}, stdin: '' }));
    const floors = runCalls(nothing, parallel).map(({ ms }) => ms);
    if (round >= 0) floor.push(median(floors));
    await progress(`${parallel} in parallel, round ${Math.max(0, round + 1)} of ${rounds}`);
  }
  return [
    {
      ...result('add', parallel, samples.ADD.flyover, samples.ADD.ptp),
      against: 'ADD of ptp + host-local',
      target: '<= 0.35',
    },
    {
      ...result('del', parallel, samples.DEL.flyover, samples.DEL.ptp),
      against: 'DEL of ptp + host-local',
      target: '<= 1',
    },
    // What of it is the start of any process, which no plugin can be without.
    { ...result('floor', parallel, floor, samples.ADD.flyover), against: 'our ADD; value is /bin/true' },
  ];
}

function result(what: string, parallel: number, values: readonly number[], others: readonly number[]) {
  return { name: `cni/${what}/${parallel}`, unit: 'ms', ...compared(values, others) };
}

function emptySamples(): Samples {
  return { flyover: [], ptp: [] };
}

function refuseFailures(outcomes: readonly Outcome[], what: string): void {
  const failed = outcomes.find(({ exit }) => exit !== 0);
  if (failed) throw new Error(`${what} failed with ${failed.exit}: ${failed.stdout.slice(0, 500)}`);
}
