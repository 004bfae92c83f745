import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { ensureUp } from '../src/cli/commands/up.ts';
import { findMachine } from '../src/lab/machine/index.ts';
import { LAB_STATE } from '../src/lab/paths.ts';
import { call } from '../src/lab/supervisor/client.ts';
import { controlPlaneRef } from '../src/lab/supervisor/machine-files.ts';
import { takeDown } from '../src/lab/supervisor/teardown.ts';
import type { ClusterView } from '../src/lab/supervisor/views.ts';
import { adminClient, withoutPods } from './harness/empty-cluster.ts';
import { median } from './harness/statistics.ts';
import { type Bench, type BenchContext, budgeted } from './result.ts';

/** The cluster and the virtual network that these benches make in the lab, and take away again. */
const NAME = 'fly-bench';
const NODES = 3;
const READY_BUDGET_S = 8;
/** Of a node's own daemons, kubelet included, and of a cluster's control plane. */
const NODE_BUDGET_MB = 220;
const CONTROL_PLANE_BUDGET_MB = 300;
/** How long a node may rest before it is weighed: what only its start needed is given back by then. */
const REST_MS = 5000;

/** From the request until Kubernetes has all nodes as Ready; the cluster's DNS comes up behind that. */
export const clusterReady: Bench = {
  name: 'cluster-ready',
  title: `a cluster of ${NODES} nodes in the lab, from the request until all are Ready, against its budget`,
  rounds: 3,
  place: 'machine',
  run: (context) =>
    inLab(context, async () => {
      const seconds: number[] = [];
      for (let round = 0; round < context.rounds; round++) {
        const started = performance.now();
        await createCluster();
        seconds.push((performance.now() - started) / 1000);
        await context.progress(
          `round ${round + 1} of ${context.rounds}: ready after ${seconds.at(-1)!.toFixed(1)} s`,
        );
        await removeCluster();
      }
      const value = median(seconds);
      return [
        {
          name: 'cluster-ready/3-nodes',
          unit: 's',
          ...budgeted(value, READY_BUDGET_S),
        },
      ];
    }),
};

/** Every process of a node that has no pods, and of a control plane. */
export const nodeMemory: Bench = {
  name: 'node-memory',
  title:
    "the memory of a node's and of a control plane's own processes (PSS), without pods, against their budgets",
  rounds: 3,
  place: 'machine',
  run: (context) =>
    inLab(context, async () => {
      const { nodes } = await createCluster();
      // Each pod has a process of containerd's on its node, which would be weighed with the node's own.
      using client = await adminClient(NAME);
      await withoutPods(client);
      const inits = nodes.map(({ init }) => init!);
      const control = findMachine(controlPlaneRef(NAME))!.init.pid;
      const [samples, controls]: [number[], number[]] = [[], []];
      for (let round = 0; round < context.rounds; round++) {
        await sleep(REST_MS);
        samples.push(...inits.map(weight));
        controls.push(weight(control));
        await context.progress(`round ${round + 1} of ${context.rounds}: ${samples.at(-1)!.toFixed(1)} MB`);
      }
      for (const init of [inits[0]!, control]) {
        const parts = processesOf(init).map(({ name, pss }) => `${name} ${pss.toFixed(1)}`);
        await context.progress(
          `${init === control ? 'control plane' : 'one node'} in MB: ${parts.join(', ')}`,
        );
      }
      return [
        { name: 'node-memory/pss', unit: 'MB', ...budgeted(median(samples), NODE_BUDGET_MB) },
        {
          name: 'node-memory/control-plane',
          unit: 'MB',
          ...budgeted(median(controls), CONTROL_PLANE_BUDGET_MB),
        },
      ];
    }),
};

/** Runs something in the lab that is up, or in one of its own, and leaves the machine as it was, also on a signal. */
export async function inLab<T>(context: BenchContext, body: () => Promise<T>): Promise<T> {
  const keepState = existsSync(LAB_STATE);
  const { already } = await ensureUp((text) => void context.progress(text));
  const leave = async (): Promise<void> => {
    if (already) await removeCluster();
    else await takeDown({ keepState, report: () => undefined });
  };
  const forget = context.beforeEnd(leave);
  try {
    await removeCluster(); // one that a killed bench left
    return await body();
  } finally {
    forget();
    await leave();
  }
}

export async function createCluster(nodes = NODES): Promise<ClusterView> {
  const cluster = await call<ClusterView>('POST', '/v1/clusters', { name: NAME, nodes, vnet: NAME });
  const broken = cluster.nodes.find(
    ({ agent, containerd, init }) => agent !== 'running' || containerd !== 'running' || !init,
  );
  if (broken) throw new Error(`node ${broken.name} does not run: ${JSON.stringify(broken)}`);
  return cluster;
}

async function removeCluster(): Promise<void> {
  for (const what of ['clusters', 'networks']) {
    const all = await call<{ name: string }[]>('GET', `/v1/${what}`);
    if (all.some(({ name }) => name === NAME)) await call('DELETE', `/v1/${what}/${NAME}`);
  }
}

/** The processes of a node, which has a process namespace of its own, with their PSS in MB. */
function processesOf(init: number): { name: string; pss: number }[] {
  const namespaceOf = (pid: number | string): number | undefined => {
    try {
      return statSync(`/proc/${pid}/ns/pid`).ino;
    } catch {
      return undefined; // it is gone, or nobody's to look at
    }
  };
  const own = namespaceOf(init);
  if (own === undefined) throw new Error(`process ${init}, the init of a node, is gone`);
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && namespaceOf(name) === own)
    .flatMap((pid) => {
      try {
        const pss = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1];
        return [
          { name: readFileSync(`/proc/${pid}/comm`, 'utf8').trim(), pss: (Number(pss ?? 0) * 1024) / 1e6 },
        ];
      } catch {
        return []; // it ended meanwhile
      }
    });
}

/** MB of PSS of all processes of a machine. */
function weight(init: number): number {
  return sum(processesOf(init).map(({ pss }) => pss));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
