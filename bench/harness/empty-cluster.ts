import { setTimeout as sleep } from 'node:timers/promises';
import { KubeClient } from '../../src/kube/client.ts';
import { parseKubeConfig } from '../../src/kube/kube-config.ts';
import { DEPLOYMENTS, PODS } from '../../src/kube/resources.ts';
import { call } from '../../src/lab/supervisor/client.ts';

/** The cluster's DNS: the only pods of a new cluster. */
const DNS = { namespace: 'kube-system', name: 'coredns' };
const DNS_PODS = { namespace: DNS.namespace, labelSelector: 'k8s-app=kube-dns' };
const PATIENCE_MS = 120_000;
const EVERY_MS = 50;

/** A client with the administrator's rights of a cluster in the lab. */
export async function adminClient(cluster: string): Promise<KubeClient> {
  const { kubeconfig } = await call<{ kubeconfig: string }>('GET', `/v1/clusters/${cluster}/kubeconfig`);
  return new KubeClient(parseKubeConfig(kubeconfig));
}

/**
 * Takes the cluster's DNS away, so that nodes are weighed without pods, or have room for as many as they may have.
 *
 * @returns when no pod is left in the cluster
 * @throws Error with the pods that are left after two minutes
 */
export async function withoutPods(client: KubeClient): Promise<void> {
  // Not before its pods are there: otherwise they could be on their way while none is seen.
  const { spec } = await client.get(DEPLOYMENTS, DNS);
  await until('the pods of DNS exist', async () => {
    const { items } = await client.list(PODS, DNS_PODS);
    return items.length >= (spec?.replicas ?? 1) ? undefined : `${items.length} do`;
  });
  await client.patch(DEPLOYMENTS, DNS, { spec: { replicas: 0 } }, { type: 'merge' });
  await until('the cluster has no pods', async () => {
    const { items } = await client.list(PODS);
    if (items.length === 0) return undefined;
    return `left: ${items.map(({ metadata }) => metadata?.name).join(', ')}`;
  });
}

/** @param missing - undefined when it holds, else what is in the way */
async function until(what: string, missing: () => Promise<string | undefined>): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const text = await missing();
    if (text === undefined) return;
    if (performance.now() > deadline) {
      throw new Error(`${what}: not after ${PATIENCE_MS / 1000} s; ${text}`);
    }
    await sleep(EVERY_MS);
  }
}
