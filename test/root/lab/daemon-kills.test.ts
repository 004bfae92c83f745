import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { KubeClient } from '../../../src/kube/client.ts';
import { parseKubeConfig } from '../../../src/kube/kube-config.ts';
import { NODES, PODS } from '../../../src/kube/resources.ts';
import { namespaceOf } from '../../../src/lab/fabric/names.ts';
import { CriClient } from '../../../src/lab/kubelet/cri.ts';
import { criSocket, findMachine, findService } from '../../../src/lab/machine/index.ts';
import type { MachineRef, ProcessIdentity } from '../../../src/lab/machine/types.ts';
import { namespacePath } from '../../../src/lab/paths.ts';
import { controlPlaneRef, machineRefOf } from '../../../src/lab/supervisor/machine-files.ts';
import { runningSupervisor } from '../../../src/lab/supervisor/run-folder.ts';
import type { ClusterView } from '../../../src/lab/supervisor/views.ts';
import { putLabAside } from './aside.ts';
import { flyover, flyoverJson } from './cli.ts';
import { Ledger } from './ledger.ts';
import { busybox, COUNTER, PodChurn } from './pod-churn.ts';

/**
 * Needs root. Every daemon of a cluster is killed with SIGKILL, one at a time and then all together, while pods come and
 * go and somebody writes: containers run on, what was acknowledged is there, and no address is given twice.
 */
const CLUSTER = 'kills';
const PATIENCE_MS = 90_000;

let bringBack: (() => Promise<void>) | undefined;
let cluster: ClusterView;
let client: KubeClient;

beforeAll(async () => {
  bringBack = await putLabAside();
  expect((await flyover('up')).code).toBe(0);
  cluster = await flyoverJson<ClusterView>('cluster', 'create', CLUSTER, '--nodes', '2', '--max-pods', '40');
  client = new KubeClient(parseKubeConfig((await flyover('kubeconfig', CLUSTER)).stdout));
}, 240_000);
afterAll(async () => {
  client?.close();
  await bringBack?.();
}, 240_000);

/** Something that is killed, and how one finds it when it is back. */
interface Victim {
  name: string;
  find(): ProcessIdentity | undefined;
}

function service(ref: MachineRef, name: string): Victim {
  return { name: `${ref.id}/${name}`, find: () => findService(ref, name)?.process };
}

function victims(): Victim[] {
  return [
    ...['apiserver', 'operator', 'controllers'].map((name) => service(controlPlaneRef(CLUSTER), name)),
    ...cluster.nodes.flatMap(({ name }) =>
      ['agent', 'kubelet'].map((each) => service(machineRefOf(name), each)),
    ),
    { name: 'supervisor', find: runningSupervisor },
  ];
}

/** Kills them at once, and waits until each runs again: the supervisor by hand, the others by the supervisor. */
async function kill(all: readonly Victim[]): Promise<void> {
  const before = all.map(({ find }) => find());
  expect(before).not.toContain(undefined);
  for (const process_ of before) process.kill(process_!.pid, 'SIGKILL');
  if (all.some(({ name }) => name === 'supervisor')) {
    const { code, stderr } = await flyover('up');
    expect([code, stderr]).toEqual([0, expect.any(String)]);
  }
  const away = (): string[] =>
    all.flatMap(({ name, find }, i) => {
      const now = find();
      const same = now?.pid === before[i]!.pid && now.startTime === before[i]!.startTime;
      return now && !same ? [] : [name];
    });
  await expect.poll(away, { timeout: PATIENCE_MS, interval: 50 }).toEqual([]);
}

/** The pods that a node has links to, by the kernel. */
function routesOf(node: string): string[] {
  const argv = [`--net=${namespacePath(namespaceOf.node(node))}`, 'ip', '-j', 'route'];
  const routes = JSON.parse(execFileSync('nsenter', argv, { encoding: 'utf8' })) as { dst: string }[];
  const block = cluster.nodes.find(({ name }) => name === node)!.nodeBlock;
  const prefix = block.slice(0, block.lastIndexOf('.') + 1);
  return routes.flatMap(({ dst }) => (dst.startsWith(prefix) && dst !== block ? [dst] : [])).sort();
}

/** The pods that a node's runtime has, by uid. */
async function sandboxesOf(node: string): Promise<string[]> {
  using cri = new CriClient(criSocket(findMachine(machineRefOf(node))!));
  return (await cri.listPodSandbox()).map(({ metadata }) => metadata?.uid ?? '').sort();
}

/** What the API says of a node's pods, those of the cluster itself among them. */
async function podsOf(node: string): Promise<{ uids: string[]; addresses: string[] }> {
  const { items } = await client.list(PODS, { fieldSelector: `spec.nodeName=${node}` });
  return {
    uids: items.map(({ metadata }) => metadata?.uid ?? '').sort(),
    addresses: items.flatMap(({ status, spec }) => (spec?.hostNetwork ? [] : [status?.podIP ?? ''])).sort(),
  };
}

test("whatever daemons are killed, pods run on, writes stay written, and addresses are each one pod's", {
  timeout: 240_000,
}, async () => {
  const churn = new PodChurn(client);
  await churn.start();
  const counters = cluster.nodes.map(({ name }) => ({ name: `counter-${name}`, node: name }));
  for (const { name, node } of counters) await client.create(PODS, busybox(name, node, COUNTER));
  const running = (name: string) => churn.until(name, (pod) => pod?.status?.phase === 'Running', 'run');
  const begun = await Promise.all(counters.map(({ name }) => running(name)));

  const end = new AbortController();
  const ledgers = ['ledger-a', 'ledger-b'].map((name) => new Ledger(client, name, end.signal));
  const work = Promise.all([
    ...ledgers.map((ledger) => ledger.run()),
    ...cluster.nodes.flatMap(({ name }) =>
      ['a', 'b'].map((each) => churn.run(`churn-${each}-${name}`, name, end.signal)),
    ),
  ]);
  const failed = work.then(
    () => undefined,
    (error: unknown) => error,
  );
  try {
    // In the middle of something each time: a pod that starts, one that goes, a write.
    for (const victim of victims()) {
      await kill([victim]);
      await delay(Math.random() * 500);
    }
    for (let round = 0; round < 3; round++) {
      await kill(victims());
      await delay(Math.random() * 500);
    }
  } finally {
    end.abort();
  }
  expect(await failed).toBeUndefined();
  expect(churn.done).toBeGreaterThan(4);
  expect(Math.min(...ledgers.map(({ acknowledged }) => acknowledged))).toBeGreaterThan(50);

  // No acknowledged write lost.
  expect((await Promise.all(ledgers.map((ledger) => ledger.missing()))).flat()).toEqual([]);

  // Nothing that ran was touched: the same containers, which have counted on without a gap.
  for (const [i, { name }] of counters.entries()) {
    const now = await client.get(PODS, { namespace: 'default', name });
    const idOf = (pod: typeof now | undefined) => pod?.status?.containerStatuses?.[0]?.containerID;
    expect([idOf(now), now.status?.podIP]).toEqual([idOf(begun[i]), begun[i]?.status?.podIP]);
    expect(now.status?.containerStatuses?.[0]?.restartCount).toBe(0);
    const read = () =>
      client
        .raw('GET', join('/api/v1/namespaces/default/pods', name, 'log'))
        .then((text) => text.trim().split('\n'));
    const lines = await read();
    expect(lines).toEqual(lines.map((_, number) => String(number)));
    await expect
      .poll(async () => (await read()).length, { timeout: PATIENCE_MS })
      .toBeGreaterThan(lines.length);
  }

  // No address twice, and what is on the nodes is what the API says: nothing is left of pods that are gone.
  expect(churn.twice).toEqual([]);
  for (const { node } of counters) {
    const onNode = async () => ({ uids: await sandboxesOf(node), addresses: routesOf(node) });
    const strange = async () => {
      const [wanted, found] = [await podsOf(node), await onNode()];
      return JSON.stringify(wanted) === JSON.stringify(found) ? 'nothing' : { wanted, found };
    };
    await expect.poll(strange, { timeout: PATIENCE_MS }).toBe('nothing');
    const ready = async () =>
      (await client.get(NODES, { name: node })).status?.conditions?.find(({ type }) => type === 'Ready')
        ?.status;
    await expect.poll(ready, { timeout: PATIENCE_MS }).toBe('True');
  }
  await churn.stop();
});
