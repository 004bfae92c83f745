import type { IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { BenchApiServer } from './harness/kube-api.ts';
import { median } from './harness/statistics.ts';
import { type Bench, budgeted } from './result.ts';

const PODS = 10_000;
const WATCHERS = 1_000;
/** Connections that are opened at a time. */
const BATCH = 50;
const LIST_BUDGET_MS = 1_000;
const EVENT_BUDGET_MS = 100;
const MEMORY_BUDGET_MB = 120;
const REST_MS = 3_000;
const NEWLINE = 10;
const POD = '/api/v1/namespaces/default/pods/pod-1';

/** The embedded API server with ten thousand pods and a thousand watchers. */
export const kubeApi: Bench = {
  name: 'kube-api',
  title: `the embedded Kubernetes API with ${PODS} pods: list, an event to ${WATCHERS} watchers, memory, against budgets`,
  rounds: 5,
  place: 'inside',
  async run(context) {
    const { scratch, rounds, progress } = context;
    const folder = scratch.path('kube-api');
    let server = await BenchApiServer.start(folder);
    try {
      await server.createPods(PODS);
      await progress(`${PODS} pods stored`);
      await server.stop();
      // As it is after a restart, when nothing is left of the work of storing them.
      server = await BenchApiServer.start(folder);
      await sleep(REST_MS);
      const memory = server.memory();
      const lists: number[] = [];
      for (let round = 0; round < rounds; round++) {
        const started = performance.now();
        const text = await server.text('GET', '/api/v1/pods');
        lists.push(performance.now() - started);
        if (text.split('"uid"').length <= PODS) throw new Error('the list is not whole');
        await progress(`list ${round + 1} of ${rounds}: ${lists.at(-1)!.toFixed(0)} ms`);
      }
      const events = await fanOut(server, rounds);
      return [
        { name: 'kube-api/list-10000-pods', unit: 'ms', ...budgeted(median(lists), LIST_BUDGET_MS) },
        { name: 'kube-api/event-to-1000-watchers', unit: 'ms', ...budgeted(median(events), EVENT_BUDGET_MS) },
        { name: 'kube-api/memory-10000-pods', unit: 'MB', ...budgeted(memory, MEMORY_BUDGET_MB) },
      ];
    } finally {
      await server.stop();
    }
  },
};

/** From a change's request until the last watcher has heard of it, all in one client process. Milliseconds. */
async function fanOut(server: BenchApiServer, rounds: number): Promise<number[]> {
  const { metadata } = JSON.parse(await server.text('GET', '/api/v1/pods?limit=1')) as {
    metadata: { resourceVersion: string };
  };
  const watchers: IncomingMessage[] = [];
  while (watchers.length < WATCHERS) {
    const path = `/api/v1/pods?watch=true&resourceVersion=${metadata.resourceVersion}`;
    watchers.push(...(await Promise.all(Array.from({ length: BATCH }, () => server.open('GET', path)))));
  }
  let heard = 0;
  let all = () => {};
  for (const watcher of watchers)
    watcher.on('data', (chunk: Buffer) => {
      // An event is a line; the end of one may come by itself.
      if (chunk.at(-1) === NEWLINE && ++heard === WATCHERS) all();
    });
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const everybody = new Promise<void>((resolve) => {
      all = resolve;
    });
    heard = 0;
    const started = performance.now();
    const label = JSON.stringify({ metadata: { labels: { round: String(round) } } });
    await Promise.all([server.text('PATCH', POD, label, 'application/merge-patch+json'), everybody]);
    times.push(performance.now() - started);
  }
  for (const watcher of watchers) watcher.destroy();
  return times;
}
