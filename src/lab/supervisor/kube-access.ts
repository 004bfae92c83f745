import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { KubeClient } from '../../kube/client.ts';
import { parseKubeConfig } from '../../kube/kube-config.ts';
import { NODES } from '../../kube/resources.ts';
import type { Node } from '../../kube/types.ts';
import { replaceFile } from '../files.ts';
import { kubeconfigText } from '../kubernetes/auth/kubeconfig.ts';
import { issueClient, MASTERS } from '../kubernetes/auth/pki.ts';
import { kubernetesFile, pkiOf } from './machine-files.ts';

/** Who asks: a user of the cluster's API, with its groups. */
export interface ApiUser {
  readonly user: string;
  readonly groups?: readonly string[];
}

const ADMIN: ApiUser = { user: 'admin', groups: [MASTERS] };

/** The address that a cluster's API is served at. */
export function apiServerUrl(cluster: { apiServerAddress: string }): string {
  return `https://${cluster.apiServerAddress}:443`;
}

/** A kubeconfig for a user, with a certificate of its own. The cluster's authority must have been made. */
export async function kubeconfigFor(
  cluster: { name: string; apiServerAddress: string },
  user: ApiUser,
): Promise<string> {
  const { cert, key, ca } = await issueClient(pkiOf(cluster.name), user);
  return kubeconfigText({
    server: apiServerUrl(cluster),
    cluster: cluster.name,
    user: user.user,
    ca,
    cert,
    key,
  });
}

/** Writes a kubeconfig unless one is there that was made by the present authority for the present address. */
export async function ensureKubeconfig(
  path: string,
  cluster: { name: string; apiServerAddress: string },
  user: ApiUser,
): Promise<void> {
  if (existsSync(path)) {
    const text = readFileSync(path, 'utf8');
    const ca = readFileSync(join(pkiOf(cluster.name), 'ca.crt')).toString('base64');
    if (text.includes(ca) && text.includes(apiServerUrl(cluster))) return;
  }
  replaceFile(path, await kubeconfigFor(cluster, user), 0o600);
}

/** Makes the administrator's kubeconfig, once. */
export async function ensureAdmin(cluster: { name: string; apiServerAddress: string }): Promise<void> {
  await ensureKubeconfig(kubernetesFile(cluster.name, 'admin.conf'), cluster, ADMIN);
}

/** The administrator's kubeconfig. @throws Error before the control plane was started once */
export function adminKubeconfig(cluster: string): string {
  const path = kubernetesFile(cluster, 'admin.conf');
  if (!existsSync(path)) {
    throw new Error(`cluster ${cluster} has no Kubernetes API yet; see flyover cluster show ${cluster}`);
  }
  return readFileSync(path, 'utf8');
}

/** A client with the administrator's rights. */
export function adminClient(cluster: string): KubeClient {
  return new KubeClient(parseKubeConfig(adminKubeconfig(cluster)), { userAgent: 'flyover-lab' });
}

/**
 * Waits until something holds, asking again and again.
 * @param ask - undefined when it holds; otherwise what is still missing
 * @throws Error with what was missing last, after `patienceMs`, or as soon as `works` says that it is pointless
 */
export async function waitFor(
  what: string,
  ask: () => Promise<string | undefined>,
  options: { patienceMs: number; everyMs: number; works: () => string | undefined },
): Promise<void> {
  const deadline = Date.now() + options.patienceMs;
  for (;;) {
    const missing = await ask().catch((error: Error) => error.message);
    if (missing === undefined) return;
    const pointless = options.works();
    if (pointless !== undefined) throw new Error(`${what}: ${pointless} (${missing})`);
    if (Date.now() > deadline) {
      throw new Error(`${what}: not after ${options.patienceMs / 1000} s (${missing})`);
    }
    await delay(options.everyMs);
  }
}

const NOT_REGISTERED = 'it has not registered';

function readyCondition(node: Node) {
  return node.status?.conditions?.find((condition) => condition.type === 'Ready');
}

/** What of a node's own is missing, its network aside; undefined when its kubelet has registered and works. */
export async function whyNotRegistered(client: KubeClient, name: string): Promise<string | undefined> {
  const node = await client.find(NODES, { name });
  if (!node) return NOT_REGISTERED;
  const ready = readyCondition(node);
  if (ready?.status === 'True' || ready?.message?.includes('NetworkReady=false')) return undefined;
  return ready?.message ?? 'it has no Ready condition';
}

/** What keeps a node from being Ready, as the cluster's API has it; undefined when it is. */
export async function whyNotReady(client: KubeClient, name: string): Promise<string | undefined> {
  const node = await client.find(NODES, { name });
  if (!node) return NOT_REGISTERED;
  const ready = readyCondition(node);
  if (ready?.status === 'True') return undefined;
  return ready?.message ?? 'it has no Ready condition';
}
