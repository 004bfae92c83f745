import type { KubeClient } from '../../../kube/client.ts';
import { Informer } from '../../../kube/informer.ts';
import { PODS, SERVICES } from '../../../kube/resources.ts';
import type { Pod } from '../../../kube/types.ts';
import { type Service, toKubeletPod } from '../model.ts';
import type { PodManager } from './pod-manager.ts';

/** The node's pods as the API server has them. */
export function watchPods(
  client: KubeClient,
  nodeName: string,
  manager: PodManager,
  log: (message: string) => void,
): Informer<Pod> {
  const informer = new Informer<Pod>(client, PODS, { fieldSelector: `spec.nodeName=${nodeName}` });
  const guarded = (what: (pod: ReturnType<typeof toKubeletPod>) => void) => (object: Pod) => {
    try {
      what(toKubeletPod(object));
    } catch (error) {
      log((error as Error).message);
    }
  };
  informer.on(
    'add',
    guarded((pod) => manager.set(pod)),
  );
  informer.on(
    'update',
    guarded((pod) => manager.set(pod)),
  );
  informer.on(
    'delete',
    guarded((pod) => manager.delete(pod)),
  );
  informer.on('error', (error) => log(`pods: ${error.message}`));
  void informer.synced.then(() => manager.complete());
  return informer.start();
}

/** All services, as far as containers' variables need them. */
export function watchServices(client: KubeClient, log: (message: string) => void): Informer<Service> {
  const informer = new Informer<Service>(client, SERVICES, {
    indexers: { namespace: ({ metadata }) => [metadata?.namespace ?? ''] },
    transform: ({ apiVersion, kind, metadata, spec }) => ({
      ...(apiVersion ? { apiVersion } : {}),
      ...(kind ? { kind } : {}),
      metadata: {
        name: metadata?.name ?? '',
        namespace: metadata?.namespace ?? '',
        uid: metadata?.uid ?? '',
        resourceVersion: metadata?.resourceVersion ?? '',
      },
      spec: { clusterIP: spec?.clusterIP ?? '', ports: spec?.ports ?? [] },
    }),
  });
  informer.on('error', (error) => log(`services: ${error.message}`));
  return informer.start();
}
