import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { ConntrackSocket } from '../src/kernel/conntrack/index.ts';
import { setNetSysctl } from '../src/kernel/netns.ts';
import { NftSocket } from '../src/kernel/nft/index.ts';
import type { NodeNetwork } from '../src/network/dataplane/model.ts';
import { ServiceTable } from '../src/network/dataplane/services/service-table.ts';
import { tableModel } from '../src/network/dataplane/table.ts';
import { syncTable } from '../src/network/dataplane/table-sync.ts';
import type { ServiceTranslation } from '../src/service/types.ts';
import { nodeNamespace } from './harness/node-namespace.ts';
import { openings, startAnswering } from './harness/ping-pong.ts';
import { outputOf } from './harness/programs.ts';
import { buildStage, type Cluster } from './harness/stage.ts';
import { median, orderOf } from './harness/statistics.ts';
import { type Bench, type BenchContext, budgeted, compared, type Result } from './result.ts';
import { ServiceChains } from './services-chains.ts';

const SERVICES = 10_000;
/**
 * How many Services the other side gets: its time grows with the square, and 10,000 take more than a minute.
 * FLYOVER_BENCH_CHAINS=10000 has it all.
 */
const CHAINS = Number(process.env.FLYOVER_BENCH_CHAINS ?? 2_000);
const LOAD_BUDGET_S = 2;
const CHANGE_BUDGET_MS = 20;
const ADDITIONS = 20;
/** Of one round. */
const OPENINGS = 500;
const NETWORK = {
  nodeAddresses: ['10.0.1.4'],
  podCIDRs: ['10.244.0.0/16'],
  serviceCIDRs: ['10.96.0.0/16'],
};
const NODE: NodeNetwork = {
  ...NETWORK,
  nodeName: 'bench',
  nodeBlocks: ['10.244.0.0/24'],
  nonMasqueradeRanges: [],
  routing: 'fabric',
  mtu: 0,
  peers: [],
  trackPodTraffic: false,
};
const MEASURED = '10.96.255.1';
const PORTS = { open: 5300, stream: 5201, otherOpen: 5400, otherStream: 5301 };
/** The same pod and port, through its Service and without it: conntrack knows both on the client's node. */
const SERVICE = { name: 'service', suffix: '', to: MEASURED, open: PORTS.open, stream: PORTS.stream };
const DIRECT = {
  name: 'the backend itself',
  suffix: '',
  to: undefined,
  open: PORTS.open,
  stream: PORTS.stream,
};
/** The same pod at a port that no Service leads to: conntrack has no part in it. */
const ELSEWHERE = {
  name: 'untracked',
  suffix: '/untracked',
  to: undefined,
  open: PORTS.otherOpen,
  stream: PORTS.otherStream,
};
const WAYS = [SERVICE, DIRECT, ELSEWHERE];

/** Services as elements of shared maps against a chain for each, and a connection through one against none. */
export const services: Bench = {
  name: 'services',
  title: `${SERVICES} Services x 2 endpoints: load and changes, against a chain for each (${CHAINS} of them); through a Service, against pod to pod`,
  rounds: 20,
  place: 'inside',
  async run(context) {
    return [...(await tables(context)), ...(await paths(context))];
  },
};

async function tables({ scratch, rounds, progress }: BenchContext): Promise<Result[]> {
  const netns = nodeNamespace(scratch, 'tables', NETWORK.nodeAddresses[0]!);
  using chainsNft = NftSocket.open({ netns: nodeNamespace(scratch, 'chains', '10.0.1.5') });
  using table = openTable(netns);
  // The backends are elements of it too.
  using podNft = NftSocket.open({ netns });
  syncTable(podNft, tableModel(NODE, []));
  const chains = new ServiceChains(chainsNft, NETWORK.podCIDRs[0]!);
  const all = Array.from({ length: SERVICES }, (_, i) => serviceOf(i));
  const some = all.slice(0, CHAINS);
  const ms = { load: [] as number[], loadSome: [] as number[], loadChains: [] as number[] };
  const add = { all: [] as number[], some: [] as number[], chains: [] as number[] };
  const change: number[] = [];
  let touched = 0;
  // As many rounds of a second and more would measure nothing better.
  const loads = Math.min(rounds, 3);
  for (let round = 0; round < loads; round++) {
    const number = (i: number) => SERVICES + round * 1000 + i;
    for (const side of orderOf(['maps', 'chains'] as const, round)) {
      if (side === 'maps') {
        ms.loadSome.push(timed(() => table.sync(some)));
        for (let i = 0; i < ADDITIONS; i++)
          add.some.push(timed(() => table.update([serviceOf(number(i))], [])));
        table.remove();
      } else {
        ms.loadChains.push(timed(() => chains.load(some)));
        for (let i = 0; i < ADDITIONS; i++) add.chains.push(timed(() => chains.add(serviceOf(number(i)))));
        chains.remove();
      }
    }
    ms.load.push(timed(() => table.sync(all)));
    for (let i = 0; i < ADDITIONS; i++) {
      add.all.push(timed(() => table.update([serviceOf(number(i))], [])));
      change.push(timed(() => (touched = table.update([serviceOf(i * 7, round + 1)], []).changes)));
    }
    table.remove();
    const [maps, other] = [ms.load.at(-1)! / 1000, ms.loadChains.at(-1)! / 1000];
    await progress(
      `round ${round + 1} of ${loads}: ${SERVICES} in ${maps.toFixed(2)} s, ${CHAINS} as chains in ${other.toFixed(2)} s`,
    );
  }
  const seconds = (values: readonly number[]) => values.map((value) => value / 1000);
  const against = `${CHAINS} chains`;
  return [
    { name: 'services/load', unit: 's', ...budgeted(median(seconds(ms.load)), LOAD_BUDGET_S) },
    {
      name: `services/load-of-${CHAINS}`,
      unit: 's',
      ...compared(seconds(ms.loadSome), seconds(ms.loadChains)),
      against,
    },
    { name: 'services/one-more', unit: 'ms', ...budgeted(median(add.all), CHANGE_BUDGET_MS) },
    { name: `services/one-more-of-${CHAINS}`, unit: 'ms', ...compared(add.some, add.chains), against },
    { name: 'services/one-endpoint', unit: 'ms', ...budgeted(median(change), CHANGE_BUDGET_MS) },
    // Its place in the Service, and itself in the pod table.
    { name: 'services/one-endpoint-elements', unit: 'elements', ...budgeted(touched, 2) },
  ];
}

async function paths({ scratch, rounds, progress }: BenchContext): Promise<Result[]> {
  const { fabric } = await buildStage(scratch);
  const { remote } = fabric;
  using table = openTable(fabric.nodes[0].netns);
  const many = Array.from({ length: SERVICES }, (_, i) => serviceOf(i));
  table.sync([...many, measuredService(fabric)]);
  for (const port of [PORTS.open, PORTS.otherOpen]) await startAnswering(remote.netns, port);
  for (const port of [PORTS.stream, PORTS.otherStream]) await startStreams(remote.netns, port);
  // A server's side of closed connections lingers for a minute: enough ports, or looking for one is what is measured.
  setNetSysctl(fabric.pod.netns, 'ipv4/ip_local_port_range', '1024 65535');
  const opened = new Map<string, number[]>(WAYS.map(({ name }) => [name, []]));
  const streamed = new Map<string, number[]>(WAYS.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const { name, to, open, stream } of orderOf(WAYS, round)) {
      const address = to ?? remote.address;
      const times = await openings(fabric.pod.netns, address, open, OPENINGS);
      opened.get(name)!.push(1e6 / median(times));
      streamed.get(name)!.push(await oneStream(fabric.pod.netns, address, stream));
    }
    await progress(`round ${round + 1} of ${rounds}`);
  }
  const results = (what: string, unit: string, samples: ReadonlyMap<string, readonly number[]>): Result[] =>
    [DIRECT, ELSEWHERE].map(({ name: against, suffix }) => ({
      name: `services/${what}${suffix}`,
      unit,
      ...compared(samples.get(SERVICE.name)!, samples.get(against)!),
      against,
      target: '>= 0.95',
    }));
  return [...results('first-packet', 'openings/s', opened), ...results('throughput', 'Gbit/s', streamed)];
}

function openTable(netns: string): ServiceTable {
  return new ServiceTable(NftSocket.open({ netns }), ConntrackSocket.open({ netns }), NETWORK);
}

/** Number `i` with two endpoints; `change` moves one of them. */
function serviceOf(i: number, change = 0): ServiceTranslation {
  const key = `namespace-${i % 100}/service-${i}`;
  const at = (n: number) => `10.244.${(n >> 8) & 255}.${n & 255}`;
  return {
    key,
    ports: [
      {
        id: `${key}:http`,
        frontends: [
          {
            kind: 'cluster-ip',
            address: `10.96.${(i >> 8) & 255}.${i & 255}`,
            protocol: 'TCP',
            port: 80,
            backends: [
              { address: at(i * 2), port: 8080, local: false },
              { address: at(i * 2 + 1), port: 8080 + change, local: false },
            ],
            masquerade: true,
            empty: 'reject',
          },
        ],
      },
    ],
  };
}

function measuredService({ remote }: Cluster): ServiceTranslation {
  const frontends = [PORTS.open, PORTS.stream].map((port) => ({
    kind: 'cluster-ip' as const,
    address: MEASURED,
    protocol: 'TCP' as const,
    port,
    backends: [{ address: remote.address, port, local: false }],
    masquerade: true,
    empty: 'reject' as const,
  }));
  return { key: 'default/measured', ports: [{ id: 'default/measured:tcp', frontends }] };
}

function timed(body: () => unknown): number {
  const started = performance.now();
  body();
  return performance.now() - started;
}

async function startStreams(netns: string, port: number): Promise<void> {
  const argv = [`--net=${netns}`, 'iperf3', '--server', '--forceflush', '--port', String(port)];
  const server = spawn('nsenter', argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(server, 'exit').then(([code]) => {
    throw new Error(`iperf3 ended with ${code}`);
  });
  await Promise.race([once(server.stdout, 'data'), ended]);
  server.stdout.resume();
  ended.catch(() => {}); // at the end of the bench
}

/** Gbit/s that arrive in a second of one stream. */
async function oneStream(netns: string, address: string, port: number): Promise<number> {
  const argv = [
    'iperf3',
    '--client',
    address,
    '--port',
    String(port),
    '--time',
    '1',
    '--interval',
    '0',
    '--json',
  ];
  const report = JSON.parse(await outputOf(netns, argv)) as {
    error?: string;
    end: { sum_received: { bits_per_second: number } };
  };
  if (report.error) throw new Error(`iperf3 to ${address}: ${report.error}`);
  return report.end.sum_received.bits_per_second / 1e9;
}
