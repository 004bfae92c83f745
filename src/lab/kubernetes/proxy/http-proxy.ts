import type { KubeObject } from '../schema/types.ts';
import { badRequest, notFound, unavailable } from '../server/status.ts';
import type { Access, ConnectHandler, RequestContext } from '../server/types.ts';
import { forward, type Target } from './forward.ts';
import { type Kubelets, podOf, specOf } from './kubelet.ts';

interface ProxyName {
  readonly scheme: 'http' | 'https';
  readonly name: string;
  /** A number, or a port's name; empty for the default. */
  readonly port: string;
}

/** Reads `name`, `name:port`, `scheme:name:port` (port may be empty). @throws StatusError 400 */
export function proxyName(text: string): ProxyName {
  const parts = text.split(':');
  const wrong = badRequest(`invalid proxy name "${text}": it is [SCHEME:]NAME[:PORT]`);
  if (parts.length > 3) throw wrong;
  const [scheme, name, port] = parts.length === 3 ? parts : ['http', parts[0], parts[1] ?? ''];
  if ((scheme !== 'http' && scheme !== 'https' && scheme !== '') || !name) throw wrong;
  return { scheme: scheme === 'https' ? 'https' : 'http', name, port: port ?? '' };
}

/** The path behind `proxy`, as it was sent, with the query. */
function restOf(context: RequestContext): string {
  const url = context.request.url ?? '';
  const mark = url.indexOf('?');
  const query = mark === -1 ? '' : url.slice(mark);
  const path = mark === -1 ? url : url.slice(0, mark);
  const marker = '/proxy';
  const at = path.indexOf(marker, path.indexOf(`/${context.kind.plural}/`) + 1);
  const rest = at === -1 ? '' : path.slice(at + marker.length);
  return `${rest.startsWith('/') ? rest : `/${rest}`}${query}`;
}

function target(name: ProxyName, host: string, port: number, path: string): Target {
  // As upstream, which knows no authority for what runs in pods.
  return { host, port, path, ...(name.scheme === 'https' && { tls: { insecure: true } }) };
}

const defaultPort = (name: ProxyName): number => (name.scheme === 'https' ? 443 : 80);

/** `nodes/proxy`: the node's kubelet. */
export function nodeProxy(kubelets: Kubelets): ConnectHandler {
  return async (context, access) => {
    const { name, port } = proxyName(context.name ?? '');
    const to = kubelets.target(access, name, []);
    if (port !== '' && Number(port) !== to.port)
      throw badRequest(`nodes are only proxied to their kubelet, which listens on ${to.port}`);
    const { kubelet: _, ...plain } = to;
    return forward(context, { ...plain, path: restOf(context) });
  };
}

function podPort(pod: KubeObject, name: ProxyName): number {
  if (/^\d+$/.test(name.port)) return Number(name.port);
  const ports = (specOf(pod).containers ?? []).flatMap((container) => container.ports ?? []);
  if (name.port === '') return ports[0]?.containerPort ?? defaultPort(name);
  const found = ports.find((port) => port.name === name.port);
  if (!found) throw badRequest(`pod ${name.name} has no port ${name.port}`);
  return found.containerPort;
}

/** `pods/proxy`: the pod's own address, as far as this server can reach it. */
export const podProxy: ConnectHandler = async (context, access) => {
  const name = proxyName(context.name ?? '');
  const pod = podOf(access, context.namespace, name.name);
  const ip = (pod.status as { podIP?: string } | undefined)?.podIP;
  if (!ip) throw badRequest('address not allowed');
  return forward(context, target(name, ip, podPort(pod, name), restOf(context)));
};

interface ServicePort {
  name?: string;
  port: number;
}

interface EndpointSlice {
  endpoints?: { addresses?: string[]; conditions?: { ready?: boolean } }[] | null;
  ports?: { name?: string; port?: number }[] | null;
}

/** Addresses that are ready for one of a service's ports. */
function backends(access: Access, namespace: string, service: KubeObject, name: ProxyName) {
  const ports = ((service.spec as { ports?: ServicePort[] } | undefined)?.ports ?? []) as ServicePort[];
  const wanted =
    name.port === '' && ports.length === 1
      ? ports[0]
      : ports.find((port) => port.name === name.port || String(port.port) === name.port);
  if (!wanted) throw unavailable(`no service port "${name.port}" found for service "${name.name}"`);
  const slices = access
    .list({ group: 'discovery.k8s.io', plural: 'endpointslices' }, namespace)
    .filter((slice) => slice.metadata?.labels?.['kubernetes.io/service-name'] === name.name);
  return (slices as (KubeObject & EndpointSlice)[]).flatMap((slice) =>
    (slice.ports ?? [])
      .filter((port) => (port.name ?? '') === (wanted.name ?? ''))
      .flatMap((port) =>
        (slice.endpoints ?? [])
          .filter((endpoint) => endpoint.conditions?.ready !== false)
          .flatMap((endpoint) => endpoint.addresses ?? [])
          .map((host) => ({ host, port: port.port ?? wanted.port })),
      ),
  );
}

/** `services/proxy`: one of the service's pods that are ready. */
export const serviceProxy: ConnectHandler = async (context, access) => {
  const name = proxyName(context.name ?? '');
  const resource = { group: '', plural: 'services' };
  const namespace = context.namespace ?? '';
  const service = access.get(resource, namespace, name.name);
  if (!service) throw notFound(resource, name.name);
  const found = backends(access, namespace, service, name);
  const one = found[Math.floor(Math.random() * found.length)];
  if (!one) throw unavailable(`no endpoints available for service "${name.name}"`);
  return forward(context, target(name, one.host, one.port, restOf(context)));
};
