import { setTimeout as delay } from 'node:timers/promises';
import { KubeClient } from '../../kube/client.ts';
import { type KubeConfig, parseKubeConfig } from '../../kube/kube-config.ts';
import { PODS } from '../../kube/resources.ts';
import type { Pod as PodObject } from '../../kube/types.ts';
import { findMachine } from '../../lab/machine/index.ts';
import { machineRefOf } from '../../lab/supervisor/machine-files.ts';
import type { NodeView } from '../../lab/supervisor/views.ts';
import { kubeconfigOf } from '../commands/kubeconfig.ts';
import { execInPod } from './pod-exec.ts';

/** TCP port on which every pod of the demo answers with its own name and the address that it sees the caller at. */
export const ECHO_PORT = 8080;
/** socat's words for that service; the name comes from the environment. */
export const ECHO_SERVICE = [
  'socat',
  `TCP-LISTEN:${ECHO_PORT},fork,reuseaddr`,
  'SYSTEM:echo $ECHO_NAME $SOCAT_PEERADDR',
];

const NAMESPACE = 'default';
/** How long a pod may take until it runs, and a program in it until it ends, in milliseconds. */
const START_MS = 60_000;
const EXEC_MS = 20_000;
const POLL_MS = 50;

/** A pod of one container. */
export interface Pod {
  name: string;
  address: string;
  node: NodeView;
  /** Runs a program in the container. */
  exec(argv: string[]): Promise<{ code: number; output: string }>;
}

/** The Kubernetes APIs of clusters, one connection each. */
export class Apis {
  readonly #open = new Map<string, Promise<{ config: KubeConfig; client: KubeClient }>>();

  async of(cluster: string): Promise<{ config: KubeConfig; client: KubeClient }> {
    let api = this.#open.get(cluster);
    if (!api) {
      api = kubeconfigOf(cluster).then((text) => {
        const config = parseKubeConfig(text);
        return { config, client: new KubeClient(config, { userAgent: 'flyover-demo' }) };
      });
      this.#open.set(cluster, api);
    }
    return await api;
  }

  /** A cluster that was made anew has another API. */
  forget(cluster: string): void {
    this.#open.delete(cluster);
  }

  async close(): Promise<void> {
    for (const api of this.#open.values()) (await api).client.close();
  }
}

export function machineOf(node: NodeView): NonNullable<ReturnType<typeof findMachine>> {
  const machine = findMachine(machineRefOf(node.name));
  if (!machine) throw new Error(`node ${node.name} does not run`);
  return machine;
}

/** Starts a pod on a node that answers on {@link ECHO_PORT}, and waits until it runs. The image must be on the node. */
export async function startPod(apis: Apis, node: NodeView, name: string, image: string): Promise<Pod> {
  const { client, config } = await apis.of(node.cluster);
  await client.create(PODS, manifest(node, name, image));
  const deadline = Date.now() + START_MS;
  for (;;) {
    const pod = await client.get(PODS, { namespace: NAMESPACE, name });
    const address = pod.status?.podIP;
    if (pod.status?.phase === 'Running' && address !== undefined) {
      const exec = (argv: string[]) => execInPod(config, { namespace: NAMESPACE, name }, argv, EXEC_MS);
      return { name, address, node, exec };
    }
    if (Date.now() > deadline) throw new Error(`pod ${name} does not run: ${whyNot(pod)}`);
    await delay(POLL_MS);
  }
}

function manifest(node: NodeView, name: string, image: string): PodObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: NAMESPACE, labels: { app: 'echo' } },
    spec: {
      nodeSelector: { 'kubernetes.io/hostname': node.name },
      terminationGracePeriodSeconds: 1,
      containers: [
        {
          name: 'echo',
          image,
          imagePullPolicy: 'IfNotPresent',
          command: ECHO_SERVICE,
          env: [{ name: 'ECHO_NAME', value: `${node.cluster}/${name}` }],
          ports: [{ containerPort: ECHO_PORT }],
        },
      ],
    },
  };
}

function whyNot({ status }: PodObject): string {
  const waiting = status?.containerStatuses?.[0]?.state?.waiting;
  const condition = status?.conditions?.find((each) => each.status === 'False');
  return waiting?.message ?? waiting?.reason ?? condition?.message ?? status?.phase ?? 'it has no status';
}
