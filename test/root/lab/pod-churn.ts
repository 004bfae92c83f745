import { setTimeout as delay } from 'node:timers/promises';
import type { KubeClient } from '../../../src/kube/client.ts';
import { Informer } from '../../../src/kube/informer.ts';
import { PODS } from '../../../src/kube/resources.ts';
import type { Pod } from '../../../src/kube/types.ts';
import { untilDone } from './until-done.ts';

const NAMESPACE = 'default';
/** How long a pod may take to run, and to go, whoever is killed meanwhile. Milliseconds. */
const PATIENCE_MS = 90_000;
const POLL_MS = 20;

/** Prints 0, 1, 2, …, five a second: whoever starts it again begins anew, whoever loses a line leaves a gap. */
export const COUNTER = ['sh', '-c', 'i=0; while :; do echo $i; i=$((i+1)); sleep 0.2; done'];

export function busybox(name: string, node: string, command: string[]): Pod {
  return {
    metadata: { namespace: NAMESPACE, name },
    spec: {
      nodeName: node,
      terminationGracePeriodSeconds: 1,
      containers: [{ name: 'main', image: 'busybox', command }],
    },
  };
}

/** Pods that come and go on some nodes, and what a watch sees of them. */
export class PodChurn {
  readonly #client: KubeClient;
  readonly #informer: Informer<Pod>;
  /** Who has an address: by the watch, from when it is in a status until the pod is gone or has ended. */
  readonly #holders = new Map<string, string>();
  /** Addresses that two pods had at a time. */
  readonly twice: string[] = [];
  /** Pods that ran and are gone again. */
  done = 0;

  constructor(client: KubeClient) {
    this.#client = client;
    this.#informer = new Informer(client, PODS, {
      namespace: NAMESPACE,
      retry: { first: 20, longest: 200 },
    });
    this.#informer.on('add', (pod) => this.#seen(pod));
    this.#informer.on('update', (pod) => this.#seen(pod));
    this.#informer.on('delete', (pod) => this.#over(pod));
  }

  get pods(): Pod[] {
    return this.#informer.list();
  }

  async start(): Promise<void> {
    await this.#informer.start().synced;
  }

  async stop(): Promise<void> {
    await this.#informer.stop();
  }

  /** Makes pod after pod on a node, each when the one before it has gone, until the signal. */
  async run(name: string, node: string, signal: AbortSignal): Promise<void> {
    const never = new AbortController().signal;
    for (let i = 0; !signal.aborted; i++) {
      const pod = busybox(`${name}-${i}`, node, ['sleep', '1d']);
      const key = { namespace: NAMESPACE, name: `${name}-${i}` };
      await untilDone(never, () => this.#client.create(PODS, pod), 409);
      await this.until(key.name, (now) => now?.status?.phase === 'Running', 'run');
      await untilDone(never, () => this.#client.delete(PODS, key), 404);
      await this.until(key.name, (now) => now === undefined, 'go');
      this.done++;
    }
  }

  /** Waits for a state of a pod. @throws Error with the state that it stays in */
  async until(
    name: string,
    holds: (pod: Pod | undefined) => boolean,
    what: string,
  ): Promise<Pod | undefined> {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const pod = this.#informer.get(`${NAMESPACE}/${name}`);
      if (holds(pod)) return pod;
      if (Date.now() > deadline) throw new Error(`${name} does not ${what}: ${JSON.stringify(pod?.status)}`);
      await delay(POLL_MS);
    }
  }

  #seen(pod: Pod): void {
    const { phase, podIP } = pod.status ?? {};
    if (phase === 'Failed' || phase === 'Succeeded') this.#over(pod);
    else if (podIP) this.#holds(pod, podIP);
  }

  #holds(pod: Pod, podIP: string): void {
    const holder = this.#holders.get(podIP);
    const uid = pod.metadata?.uid ?? '';
    if (holder !== undefined && holder !== uid) this.twice.push(`${podIP}: ${holder}, ${uid}`);
    this.#holders.set(podIP, uid);
  }

  #over(pod: Pod): void {
    for (const [address, uid] of this.#holders) if (uid === pod.metadata?.uid) this.#holders.delete(address);
  }
}
