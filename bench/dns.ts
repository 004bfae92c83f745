import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encode } from 'dns-packet';
import { FakeApi } from '../src/kube/testing.ts';
import { artifact } from './harness/artifacts.ts';
import { DnsLoad } from './harness/dns-load.ts';
import type { Scratch } from './harness/scratch.ts';
import { median } from './harness/statistics.ts';
import { type Bench, budgeted } from './result.ts';

const SERVICES = 10_000;
/** Names that most queries are for. */
const FAVOURITES = 200;
const QUERIES = 20_000;
const RATE = 20_000;
const P99_BUDGET_MS = 20;
const MEMORY_BUDGET_MB = 100;
const UNDER_WAY = 128;
const SECONDS = 4;

/**
 * The cluster's DNS server as the process that it is, and who asks it as another: both share the machine's two cores.
 * Half of the queries are for a few names, half for any; a third of them is of the kind that search paths add and
 * nobody has.
 */
export const dns: Bench = {
  name: 'dns',
  title: `cluster DNS with ${SERVICES} Services: queries a second, 99th percentile at ${RATE} a second, memory, against budgets`,
  rounds: 3,
  place: 'inside',
  async run({ scratch, rounds, progress }) {
    const api = await FakeApi.start();
    fill(api);
    const { child, port } = await startServer(scratch, api);
    const load = new DnsLoad(port, queries());
    const rates: number[] = [];
    const latencies: number[] = [];
    try {
      // Once round, so that the code is compiled.
      load.atRate(RATE / 4, 2);
      await progress('the server has seen its first queries');
      for (let round = 0; round < rounds; round++) {
        const most = load.atOnce(UNDER_WAY, SECONDS);
        const steady = load.atRate(RATE, SECONDS);
        if (most.wrong + steady.wrong > 0)
          throw new Error(`${most.wrong + steady.wrong} answers were failures`);
        rates.push(most.perSecond);
        latencies.push(steady.p99);
        await progress(
          `round ${round + 1} of ${rounds}: ${most.perSecond.toFixed(0)}/s; at ${RATE}/s p99 ${steady.p99.toFixed(1)} ms, ${steady.lost} of ${steady.sent} lost`,
        );
      }
      const memory = proportionalMb(child);
      const rate = median(rates);
      return [
        {
          name: 'dns/queries-per-second',
          unit: '1/s',
          value: rate,
          reference: RATE,
          ratio: rate / RATE,
          against: 'budget',
          target: '>= 1',
        },
        { name: `dns/p99-at-${RATE}`, unit: 'ms', ...budgeted(median(latencies), P99_BUDGET_MS) },
        { name: 'dns/memory', unit: 'MB', ...budgeted(memory, MEMORY_BUDGET_MB) },
      ];
    } finally {
      load.close();
      child.kill('SIGKILL');
      await api.close();
    }
  },
};

function fill(api: FakeApi): void {
  api.put('/api/v1/namespaces', { metadata: { name: 'default' } });
  for (let i = 0; i < SERVICES; i++) {
    api.put('/api/v1/services', {
      metadata: { name: `s${i}`, namespace: 'default' },
      spec: { clusterIP: `10.0.${i >> 8}.${i & 255}`, ports: [{ name: 'http', port: 80 }] },
    } as never);
  }
}

/** Always the same ones. */
function queries(): Buffer[] {
  let seed = 1;
  const random = (below: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 0x8000_0000;
    return Math.floor((seed / 0x8000_0000) * below);
  };
  return Array.from({ length: QUERIES }, (_, i) => {
    const service = `s${random(i % 2 === 0 ? FAVOURITES : SERVICES)}.default.svc.cluster.local`;
    const name = i % 3 === 0 ? `${service}.default.svc.cluster.local` : service;
    const type = i % 5 === 0 ? ('AAAA' as const) : ('A' as const);
    return encode({ type: 'query', flags: 0x0100, questions: [{ name, type }] });
  });
}

async function startServer(scratch: Scratch, api: FakeApi): Promise<{ child: ChildProcess; port: number }> {
  const folder = scratch.path('dns');
  mkdirSync(folder, { recursive: true });
  const kubeconfig = join(folder, 'kubeconfig');
  const config = {
    'current-context': 'bench',
    contexts: [{ name: 'bench', context: { cluster: 'bench' } }],
    clusters: [{ name: 'bench', cluster: { server: api.config.server } }],
  };
  writeFileSync(kubeconfig, JSON.stringify(config), { mode: 0o600 });
  const loopback = ['--listen', '127.0.0.1', '--port', '0', '--pages', '127.0.0.1'];
  const pages = ['--health-port', '0', '--ready-port', '0', '--metrics-port', '0'];
  const argv = [artifact('dns.js'), '--kubeconfig', kubeconfig, ...loopback, ...pages];
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  const ready = new Promise<number>((resolve) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      const port = /^\.:(\d+)$/m.exec(said)?.[1];
      if (port !== undefined && said.includes('; ready')) resolve(Number(port));
    });
  });
  const ended = once(child, 'exit').then(() => {
    throw new Error(`the DNS server ended: ${said.slice(-500)}`);
  });
  // It is killed in the end; what is of interest is an end before it serves.
  ended.catch(() => undefined);
  return { child, port: await Promise.race([ready, ended]) };
}

/** What it takes of the machine's memory: of what it shares with others its part. */
function proportionalMb(child: ChildProcess): number {
  const rollup = readFileSync(`/proc/${child.pid}/smaps_rollup`, 'utf8');
  return Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1]) / 1000;
}
