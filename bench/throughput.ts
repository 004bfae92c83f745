import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { outputOf } from './harness/programs.ts';
import { orderOf } from './harness/statistics.ts';
import { buildPaths, NODE_TO_NODE, type Path, POD_TO_POD } from './paths.ts';
import { type Bench, compared, type Result } from './result.ts';

/** One short stream. */
interface Sample {
  /** Gbit/s that arrived. */
  readonly speed: number;
  /** Gbit for each second of processor time, of both sides and of what the kernel did on their behalf. */
  readonly economy: number;
}

const SECONDS = '1';

/** One TCP stream by iperf3 over each path in turn. */
export const throughput: Bench = {
  name: 'throughput',
  title: 'one TCP stream from pod to pod, against node to node through the same fabric',
  rounds: 20,
  place: 'inside',
  async run({ scratch, rounds, progress }) {
    const paths = await buildPaths(scratch);
    for (const { to } of paths) await startServer(to.netns);
    const samples = new Map<string, Sample[]>(paths.map(({ name }) => [name, []]));
    for (let round = 0; round < rounds; round++) {
      for (const path of orderOf(paths, round)) samples.get(path.name)!.push(await measure(path));
      await progress(`round ${round + 1} of ${rounds}`);
    }
    return paths
      .filter(({ name }) => name !== NODE_TO_NODE)
      .flatMap(({ name }) => compare(name, samples.get(name)!, samples.get(NODE_TO_NODE)!));
  },
};

function compare(name: string, samples: readonly Sample[], others: readonly Sample[]): Result[] {
  const by = (what: keyof Sample) =>
    compared(
      samples.map((one) => one[what]),
      others.map((one) => one[what]),
    );
  const against = NODE_TO_NODE;
  const speed: Result = { name: `throughput/${name}`, unit: 'Gbit/s', ...by('speed'), against };
  const economy: Result = { name: `throughput/${name}/cpu`, unit: 'Gbit/CPU s', ...by('economy'), against };
  return [name === POD_TO_POD ? { ...speed, target: '>= 0.95' } : speed, economy];
}

async function startServer(netns: string): Promise<void> {
  const argv = [`--net=${netns}`, 'iperf3', '--server', '--forceflush'];
  const server = spawn('nsenter', argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(server, 'exit').then(([code]) => {
    throw new Error(`iperf3 ended with ${code}`);
  });
  await Promise.race([once(server.stdout, 'data'), ended]);
  server.stdout.resume();
  ended.catch(() => {}); // at the end of the bench
}

/** What of `iperf3 --json` is read; see its `end` object. */
interface Report {
  readonly error?: string;
  readonly end: {
    readonly sum_received: { readonly bytes: number; readonly bits_per_second: number };
    /** Percent of one processor. */
    readonly cpu_utilization_percent: { readonly host_total: number; readonly remote_total: number };
    readonly sum_sent: { readonly seconds: number };
  };
}

async function measure({ name, from, to }: Path): Promise<Sample> {
  const argv = ['iperf3', '--client', to.address, '--time', SECONDS, '--json', '--interval', '0'];
  const report = JSON.parse(await outputOf(from.netns, argv)) as Report;
  if (report.error) throw new Error(`iperf3 ${name}: ${report.error}`);
  const { sum_received: received, cpu_utilization_percent: cpu } = report.end;
  const speed = received.bits_per_second / 1e9;
  return { speed, economy: (speed * 100) / (cpu.host_total + cpu.remote_total) };
}
