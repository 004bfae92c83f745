import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeClient } from '../src/kube/client.ts';
import { Informer } from '../src/kube/informer.ts';
import { DEPLOYMENTS, PODS } from '../src/kube/resources.ts';
import type { Deployment, Pod } from '../src/kube/types.ts';
import { CriClient } from '../src/lab/kubelet/cri.ts';
import { criSocket, findMachine } from '../src/lab/machine/index.ts';
import { machineRefOf } from '../src/lab/supervisor/machine-files.ts';
import type { NodeView } from '../src/lab/supervisor/views.ts';
import { adminClient, withoutPods } from './harness/empty-cluster.ts';
import { createCluster, inLab } from './lab.ts';
import type { Bench } from './result.ts';

const PODS_A_NODE = 250;
const IMAGE = 'busybox';
const COMMAND = ['sh', '-c', 'trap "exit 0" TERM; sleep 1d & wait'];
/** As many as the kubelet starts at one time. */
const PARALLEL = 8;
const PATIENCE_MS = 300_000;
const NAMESPACE = 'default';

/**
 * All the pods that a node may have, by a Deployment on one empty node; and on another empty node the same sandboxes and containers
 * by containerd alone, asked as many at a time.
 */
export const pods: Bench = {
  name: 'pods',
  title: `${PODS_A_NODE} pods on one node, from the Deployment until all run, against containerd's own time for them`,
  rounds: 1,
  place: 'machine',
  extra: true,
  run: (context) =>
    inLab(context, async () => {
      const cluster = await createCluster(2);
      const [one, other] = cluster.nodes as [NodeView, NodeView];
      const client = await adminClient(cluster.name);
      const cri = new CriClient(criSocket(findMachine(machineRefOf(other.name))!));
      try {
        // With a pod of the cluster's own on it the node would have no room for as many.
        await withoutPods(client);
        // Neither pulls it while the clock runs.
        await cri.pullImage(IMAGE);
        const deployed = await deploy(client, one, (text) => context.progress(text));
        await context.progress(`${PODS_A_NODE} pods run after ${deployed.toFixed(1)} s`);
        const alone = await byContainerd(cri);
        await context.progress(`containerd alone: ${alone.toFixed(1)} s`);
        return [
          {
            name: `pods/${PODS_A_NODE}`,
            unit: 's',
            value: deployed,
            reference: alone,
            ratio: deployed / alone,
            against: "containerd's own time for the same sandboxes and containers",
          },
        ];
      } finally {
        cri.close();
        client.close();
      }
    }),
};

/** Seconds until all pods run, each with an address of its own in the node's block. */
async function deploy(
  client: KubeClient,
  node: NodeView,
  progress: (text: string) => Promise<void>,
): Promise<number> {
  const informer = new Informer(client, PODS, { namespace: NAMESPACE, labelSelector: 'app=many' });
  informer.start();
  await informer.synced;
  const started = performance.now();
  await client.create(DEPLOYMENTS, manifest(node.name));
  const running = (): Pod[] => informer.list().filter((pod) => pod.status?.phase === 'Running');
  for (let said = 0; running().length < PODS_A_NODE; ) {
    if (performance.now() - started > PATIENCE_MS) {
      throw new Error(`${running().length} of ${PODS_A_NODE} pods run after ${PATIENCE_MS / 1000} s`);
    }
    if (running().length >= said + 50) {
      said = running().length;
      await progress(`${said} pods run`);
    }
    await sleep(20);
  }
  const seconds = (performance.now() - started) / 1000;
  const prefix = node.nodeBlock.replace(/0\/24$/, '');
  const addresses = new Set(running().map((pod) => pod.status?.podIP ?? ''));
  informer.stop();
  const strange = [...addresses].find((address) => !address.startsWith(prefix));
  if (addresses.size !== PODS_A_NODE || strange !== undefined) {
    throw new Error(`${addresses.size} addresses for ${PODS_A_NODE} pods, among them ${strange}`);
  }
  return seconds;
}

/** So many pods on one node. */
export function manifest(node: string, replicas = PODS_A_NODE): Deployment {
  const labels = { app: 'many' };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'many', namespace: NAMESPACE },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          nodeSelector: { 'kubernetes.io/hostname': node },
          containers: [{ name: 'sleep', image: IMAGE, command: COMMAND }],
        },
      },
    },
  };
}

/** Seconds for the same through CRI, with nothing above it. */
async function byContainerd(cri: CriClient): Promise<number> {
  const started = performance.now();
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < PODS_A_NODE) {
      const name = `bare-${next++}`;
      const sandbox = {
        metadata: { name, uid: name, namespace: NAMESPACE, attempt: 0 },
        hostname: name,
        logDirectory: `/var/log/pods/${name}`,
        linux: {},
      };
      const id = await cri.runPodSandbox(sandbox);
      const container = await cri.createContainer(
        id,
        {
          metadata: { name: 'sleep', attempt: 0 },
          image: { image: IMAGE },
          command: COMMAND,
          logPath: 'sleep.log',
          linux: {},
        },
        sandbox,
      );
      await cri.startContainer(container);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  return (performance.now() - started) / 1000;
}
