import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { pino } from 'pino';
import type { KubeClient } from '../src/kube/client.ts';
import { FakeApi } from '../src/kube/testing.ts';
import type { Node, Pod } from '../src/kube/types.ts';
import { KubernetesSource } from '../src/network/agent/kubernetes/source.ts';
import { artifact } from './harness/artifacts.ts';
import type { Scratch } from './harness/scratch.ts';
import { median } from './harness/statistics.ts';
import { type Bench, type BenchContext, budgeted, type Result } from './result.ts';

const NODES = 1000;
const PODS_A_NODE = 250;
const NODES_PATH = '/api/v1/nodes';
const BLOCKS_BUDGET_S = 5;
const OPERATOR_BUDGET_MB = 130;
const SYNC_BUDGET_MS = 1000;
const INFORMERS_BUDGET_MB = 4;

/**
 * A large cluster's operator, as the process that it is, and what one agent holds of that cluster. The nodes are objects
 * only; the API server is a plain one in memory in this process, so that nothing but its clients is measured.
 */
export const operator: Bench = {
  name: 'operator',
  title: `${NODES} nodes x ${PODS_A_NODE} pods: blocks for all nodes, the operator's memory, one agent's informers, against budgets`,
  rounds: 5,
  place: 'inside',
  async run(context) {
    return [...(await blocks(context)), ...(await informers(context))];
  },
};

async function blocks({ scratch, rounds, progress }: BenchContext): Promise<Result[]> {
  const seconds: number[] = [];
  const memory: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const api = await FakeApi.start();
    let left = NODES;
    for (let i = 0; i < NODES; i++) api.put(NODES_PATH, nodeOf(i));
    const all = new Promise<void>((resolve) => {
      api.intercept = (method, url) => {
        if (method === 'PATCH' && url.pathname.startsWith(NODES_PATH) && --left === 0) setImmediate(resolve);
        return undefined;
      };
    });
    const started = performance.now();
    const child = startOperator(scratch, api);
    await Promise.race([all, ended(child)]);
    seconds.push((performance.now() - started) / 1000);
    const given = new Set(api.all<Node>(NODES_PATH).map((node) => node.spec?.podCIDR));
    if (given.size !== NODES || given.has(undefined))
      throw new Error(`${given.size} different blocks for ${NODES} nodes`);
    await sleep(500);
    memory.push(residentMb(child));
    child.kill();
    await ended(child).catch(() => undefined);
    await api.close();
    await progress(
      `round ${round + 1} of ${rounds}: ${seconds.at(-1)!.toFixed(1)} s, ${memory.at(-1)!.toFixed(0)} MB`,
    );
  }
  return [
    { name: `operator/blocks-of-${NODES}-nodes`, unit: 's', ...budgeted(median(seconds), BLOCKS_BUDGET_S) },
    { name: 'operator/memory', unit: 'MB', ...budgeted(median(memory), OPERATOR_BUDGET_MB) },
  ];
}

/** One agent's view of a cluster with a quarter of a million pods: its own, and its settings. */
async function informers({ scratch, rounds, progress }: BenchContext): Promise<Result[]> {
  const api = await FakeApi.start();
  for (let i = 0; i < NODES; i++) {
    api.put(NODES_PATH, nodeOf(i, `10.${128 + Math.floor(i / 256)}.${i % 256}.0/24`));
    for (let pod = 0; pod < PODS_A_NODE; pod++) api.put('/api/v1/pods', podOf(i, pod));
  }
  api.put('/api/v1/configmaps', {
    metadata: { namespace: 'kube-system', name: 'flyover-config' },
    data: { podCIDRs: '10.128.0.0/9' },
  } as never);
  await progress(`${NODES * PODS_A_NODE} pods stored`);
  const milliseconds: number[] = [];
  const memory: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const before = heapMb();
    const started = performance.now();
    const client: KubeClient = api.client();
    const source = await KubernetesSource.start({
      client,
      log: pino({ level: 'silent' }),
      nodeName: 'n7',
      saved: scratch.path(`settings-${round}.json`),
    });
    source.text();
    const nobody = { podNamespace: 'default', podName: 'nobody' } as never;
    while (!source.podGone(nobody)) await sleep(1);
    milliseconds.push(performance.now() - started);
    memory.push(heapMb() - before);
    await source.close();
    await progress(
      `informers ${round + 1} of ${rounds}: ${milliseconds.at(-1)!.toFixed(0)} ms, ${memory.at(-1)!.toFixed(1)} MB`,
    );
  }
  await api.close();
  return [
    { name: 'operator/agent-informers', unit: 'ms', ...budgeted(median(milliseconds), SYNC_BUDGET_MS) },
    { name: 'operator/agent-informers-heap', unit: 'MB', ...budgeted(median(memory), INFORMERS_BUDGET_MB) },
  ];
}

function startOperator(scratch: Scratch, api: FakeApi): ChildProcess {
  const folder = scratch.path('operator');
  mkdirSync(folder, { recursive: true });
  const kubeconfig = join(folder, 'kubeconfig');
  const config = {
    'current-context': 'bench',
    contexts: [{ name: 'bench', context: { cluster: 'bench' } }],
    clusters: [{ name: 'bench', cluster: { server: api.config.server } }],
  };
  writeFileSync(kubeconfig, JSON.stringify(config), { mode: 0o600 });
  const options = ['--kubeconfig', kubeconfig, '--pod-cidr', '10.128.0.0/9', '--log-level', 'warn'];
  return spawn(process.execPath, [artifact('operator.js'), ...options], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

/** @throws Error always: a process that is needed has ended */
async function ended(child: ChildProcess): Promise<never> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  throw new Error('the operator has ended');
}

function nodeOf(i: number, podCIDR?: string): Node {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: `n${i}`, labels: { 'kubernetes.io/hostname': `n${i}`, 'kubernetes.io/os': 'linux' } },
    spec: podCIDR === undefined ? {} : { podCIDR, podCIDRs: [podCIDR] },
    status: {
      addresses: [{ type: 'InternalIP', address: `10.0.${Math.floor(i / 200)}.${(i % 200) + 4}` }],
      // What makes real nodes large.
      images: Array.from({ length: 50 }, (_, n) => ({
        names: [`registry.example/image-${n}:1`],
        sizeBytes: n,
      })),
    },
  };
}

function podOf(node: number, i: number): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace: 'default', name: `pod-${node}-${i}`, labels: { app: `app-${i}` } },
    spec: { nodeName: `n${node}`, containers: [{ name: 'main', image: 'busybox' }] },
  };
}

let collect: (() => void) | undefined;

/** What is in use after the garbage is gone. */
function heapMb(): number {
  if (!collect) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
  }
  collect();
  return process.memoryUsage().heapUsed / 1e6;
}

function residentMb(child: ChildProcess): number {
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1000;
}
