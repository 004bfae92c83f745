import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { KubeClient } from '../../kube/client.ts';
import { isKubeError } from '../../kube/error.ts';
import { EventRecorder } from '../../kube/event-recorder.ts';
import { loadKubeConfig } from '../../kube/kube-config.ts';
import { parseQuantity } from '../../kube/quantity.ts';
import { PODS } from '../../kube/resources.ts';
import { CriClient } from './cri.ts';
import type { PodEvents } from './events.ts';
import { serveLocally } from './local-socket.ts';
import type { KubeletPod, Service } from './model.ts';
import { NodeAgent } from './node/node-agent.ts';
import { machineResources } from './node/node-facts.ts';
import { ObjectCache } from './objects.ts';
import type { KubeletOptions } from './options.ts';
import { PodPaths } from './paths.ts';
import { refuse } from './pods/admission.ts';
import { watchPods, watchServices } from './pods/api-source.ts';
import { PodCgroups } from './pods/cgroups.ts';
import { Images } from './pods/images.ts';
import { Killer } from './pods/killer.ts';
import { PodManager } from './pods/pod-manager.ts';
import { RuntimeCache } from './pods/runtime-cache.ts';
import { Starter } from './pods/starter.ts';
import { StaticPods } from './pods/static-source.ts';
import { ProbeManager } from './probes/probe-manager.ts';
import type { NodeResources } from './resources.ts';
import { RuntimeEvents } from './runtime-events.ts';
import { StatusWriter } from './status/status-writer.ts';
import { CriPodLookup } from './streaming/lookup.ts';
import { KubeletServer } from './streaming/server.ts';
import { TokenCache } from './tokens.ts';
import { PodVolumes } from './volumes/pod-volumes.ts';

export type Log = (message: string) => void;

/** A running kubelet. */
export interface Kubelet {
  readonly cri: CriClient;
  /** The node's pods with their statuses as this kubelet knows them. */
  readonly pods: Pick<PodManager, 'find' | 'objects'>;
  /** Lets everything go on running without it. */
  stop(): Promise<void>;
}

/** How long one question for the runtime waits, and the pause before the next. Milliseconds. */
const QUESTION_MS = 5000;
const PAUSE_MS = 200;

/** Waits for the runtime, however long it takes: without it there is nothing to do. */
async function runtimeAnswers(cri: CriClient, log: Log): Promise<void> {
  for (let complaint = ''; ; await delay(PAUSE_MS)) {
    try {
      await cri.version(QUESTION_MS);
      return;
    } catch (error) {
      const { message } = error as Error;
      if (message !== complaint) log(`runtime: ${message}`);
      complaint = message;
    }
  }
}

function recorderOf(client: KubeClient | undefined, nodeName: string, log: Log): PodEvents {
  if (!client) {
    return {
      event: (pod, type, reason, message) =>
        log(`${type} ${reason} ${pod.namespace}/${pod.name}: ${message}`),
    };
  }
  const recorder = new EventRecorder(client, {
    component: 'kubelet',
    host: nodeName,
    onError: (error) => log(`event: ${(error as Error).message}`),
  });
  return {
    event(pod, type, reason, message, container) {
      if (!pod.object.metadata?.uid || pod.isStatic) return;
      const { resourceVersion } = pod.object.metadata;
      const fieldPath =
        container && `spec.${container.isInit ? 'initContainers' : 'containers'}{${container.name}}`;
      const about = { apiVersion: 'v1', kind: 'Pod', namespace: pod.namespace, name: pod.name, uid: pod.uid };
      const reference = {
        ...about,
        ...(resourceVersion ? { resourceVersion } : {}),
        ...(fieldPath ? { fieldPath } : {}),
      };
      recorder.event(reference, type, reason, message);
    },
  };
}

function resourcesOf(options: KubeletOptions): NodeResources {
  const machine = machineResources(options.root);
  const { cpu, memory } = options.capacity;
  return {
    ...machine,
    ...(cpu ? { cpu: parseQuantity(cpu) } : {}),
    ...(memory ? { memory: parseQuantity(memory) } : {}),
  };
}

/** Deletes a pod that has ended from the API: nobody waits for it any more. */
async function finalize(client: KubeClient | undefined, pod: KubeletPod): Promise<void> {
  const { namespace, name, uid } = pod;
  try {
    await client?.delete(PODS, { namespace, name }, { gracePeriodSeconds: 0, preconditions: { uid } });
  } catch (error) {
    if (!isKubeError(error, 404, 409)) throw error;
  }
}

/** The server that the API server asks for logs, exec, attach and port-forward. */
async function serve(
  options: KubeletOptions,
  pki: string,
  cri: CriClient,
  manager: PodManager,
  log: Log,
): Promise<KubeletServer> {
  const read = (name: string): string => readFileSync(join(pki, name), 'utf8');
  const server = new KubeletServer({
    address: options.nodeIps[0]!,
    port: options.port,
    cert: read('kubelet.crt'),
    key: read('kubelet.key'),
    ca: read('ca.crt'),
    cri,
    lookup: new CriPodLookup(cri, {
      get: (namespace, name) => manager.find(namespace, name),
      list: () => manager.objects(),
    }),
    health: () => manager.runtimeError,
    onError: (error, path) => log(`${path}: ${(error as Error).message}`),
  });
  await server.listen();
  return server;
}

/** Starts a kubelet in this process, which lives in the node's own namespaces. */
export async function startKubelet(options: KubeletOptions, log: Log): Promise<Kubelet> {
  const { nodeName, nodeIps } = options;
  mkdirSync(options.root, { recursive: true, mode: 0o750 });
  mkdirSync(options.memoryRoot, { recursive: true, mode: 0o750 });
  const client = options.kubeconfig
    ? new KubeClient(loadKubeConfig({ kubeconfig: options.kubeconfig }), {
        userAgent: 'kubelet/v1.33.0 flyover',
      })
    : undefined;
  const cri = new CriClient(options.cri);
  const paths = new PodPaths(options.root, options.memoryRoot);
  const node = resourcesOf(options);
  const events = recorderOf(client, nodeName, log);
  const cache = new RuntimeCache(cri, paths);
  const objects = new ObjectCache(client);
  const volumes = new PodVolumes({ paths, objects, tokens: new TokenCache(client), node, nodeIps });
  const images = new Images(cri, objects, events);
  const probes = new ProbeManager(cri, events, nodeIps[0]!);
  const services = client && watchServices(client, log);
  const dns = { servers: options.clusterDns, domain: options.clusterDomain };
  const servicesOf = (namespace: string): Service[] => {
    const master = services?.get('default/kubernetes');
    return [...(master ? [master] : []), ...(services?.byIndex('namespace', namespace) ?? [])];
  };
  const starter = new Starter({
    ...{ cri, images, volumes, objects, events, paths, node, nodeIps, dns },
    services: (namespace) => [...new Set(servicesOf(namespace))],
  });
  const settings = {
    name: nodeName,
    addresses: nodeIps,
    maxPods: options.maxPods,
    labels: options.nodeLabels,
  };
  const { requestedPodCidrs, root, port } = options;
  const agent =
    client &&
    new NodeAgent(client, cri, { ...settings, requestedPodCidrs, resources: node, root, port }, log);
  const manager: PodManager = new PodManager({
    ...{ cri, cache, volumes, images, starter, probes, events, paths, nodeIps, log },
    killer: new Killer(cri, events, nodeIps[0]!),
    statuses: new StatusWriter(client, log),
    cgroups: new PodCgroups(),
    admit: (pod) =>
      refuse(
        pod,
        manager.others(pod.uid),
        {
          resources: node,
          maxPods: options.maxPods,
          labels: pod.isStatic ? undefined : agent?.node?.metadata?.labels,
        },
        nodeName,
      ),
    finalize: (pod) => finalize(client, pod),
    hasEvents: () => ends.connected,
  });
  const ends = new RuntimeEvents(options.cri, () => manager.ended());
  // A node that waits for its runtime says so.
  agent?.start();
  await runtimeAnswers(cri, log);
  await manager.start();
  ends.start();
  const files = options.staticPods ? new StaticPods(options.staticPods, nodeName, manager, log) : undefined;
  files?.start();
  const socket = serveLocally(
    join(options.memoryRoot, 'kubelet.sock'),
    () => manager.objects(),
    () => manager.runtimeError,
  );
  const server = options.pki ? await serve(options, options.pki, cri, manager, log) : undefined;
  // Variables of services are part of a container for its whole life: they are to be complete when it starts.
  await services?.synced;
  const pods = client && watchPods(client, nodeName, manager, log);
  if (!client) manager.complete();
  return {
    cri,
    pods: manager,
    async stop() {
      files?.stop();
      ends.stop();
      manager.stop();
      socket.close();
      await server?.close();
      await Promise.all([pods?.stop(), services?.stop(), agent?.stop()]);
      client?.close();
      cri.close();
    },
  };
}
