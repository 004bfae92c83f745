import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { KubeObject } from '../schema/types.ts';
import { badRequest, notFound, StatusError } from '../server/status.ts';
import type { Access } from '../server/types.ts';
import type { Target } from './forward.ts';

const PODS = { group: '', plural: 'pods' };
const NODES = { group: '', plural: 'nodes' };
const KUBELET_PORT = 10_250;
/** Which of a node's addresses is dialled, best first. */
const PREFERRED = ['InternalIP', 'ExternalIP', 'InternalDNS', 'Hostname', 'ExternalDNS'];

interface Container {
  name: string;
  ports?: { containerPort: number; name?: string }[];
}

export interface PodSpec {
  nodeName?: string;
  containers?: Container[];
  initContainers?: Container[];
  ephemeralContainers?: Container[];
}

interface NodeStatus {
  addresses?: { type: string; address: string }[];
  daemonEndpoints?: { kubeletEndpoint?: { Port?: number } };
}

export const specOf = (pod: KubeObject): PodSpec => (pod.spec ?? {}) as PodSpec;

/** The pod. @throws StatusError 404 */
export function podOf(access: Access, namespace: string | undefined, name: string | undefined): KubeObject {
  const pod = access.get(PODS, namespace, name ?? '');
  if (!pod) throw notFound(PODS, name ?? '');
  return pod;
}

/** The container that is meant: the one that is named, or the only one. @throws StatusError 400 in upstream's words */
export function containerOf(pod: KubeObject, asked: string | null): string {
  const { containers = [], initContainers = [], ephemeralContainers = [] } = specOf(pod);
  const name = pod.metadata?.name ?? '';
  if (asked) {
    if ([...containers, ...initContainers, ...ephemeralContainers].some((each) => each.name === asked))
      return asked;
    throw badRequest(`container ${asked} is not valid for pod ${name}`);
  }
  if (containers.length === 1) return containers[0]!.name;
  const names = (of: Container[]): string => `[${of.map((each) => each.name).join(' ')}]`;
  const others = initContainers.length > 0 ? ` or one of the init containers: ${names(initContainers)}` : '';
  throw badRequest(
    `a container name must be specified for pod ${name}, choose one of: ${names(containers)}${others}`,
  );
}

/** The pod's node. @throws StatusError 400 for a pod that has none yet */
export function hostOf(pod: KubeObject): string {
  const { nodeName } = specOf(pod);
  if (nodeName) return nodeName;
  throw badRequest(`pod ${pod.metadata?.name} does not have a host assigned`);
}

/** How kubelets are reached: with the certificate that they let in. */
export class Kubelets {
  readonly #tls: { readonly ca: string; readonly cert: string; readonly key: string };

  /** @param pki - the folder that `ensurePki` made */
  constructor(pki: string) {
    const read = (name: string): string => readFileSync(join(pki, name), 'utf8');
    this.#tls = {
      ca: read('ca.crt'),
      cert: read('apiserver-kubelet-client.crt'),
      key: read('apiserver-kubelet-client.key'),
    };
  }

  /** The kubelet of a node. @param parts - of the path, to be encoded @throws StatusError */
  target(access: Access, node: string, parts: readonly string[], query?: URLSearchParams): Target {
    const object = access.get(NODES, undefined, node);
    if (!object) throw notFound(NODES, node);
    const { addresses = [], daemonEndpoints } = (object.status ?? {}) as NodeStatus;
    const host = PREFERRED.flatMap((type) => addresses.filter((each) => each.type === type))[0]?.address;
    if (!host)
      throw new StatusError(
        500,
        'InternalError',
        `no preferred addresses found; known addresses: ${JSON.stringify(addresses.map((each) => each.type))}`,
        {},
      );
    const path = `/${parts.map(encodeURIComponent).join('/')}`;
    const search = query?.toString() ?? '';
    return {
      tls: this.#tls,
      host,
      port: daemonEndpoints?.kubeletEndpoint?.Port || KUBELET_PORT,
      path: search ? `${path}?${search}` : path,
      kubelet: true,
    };
  }
}
