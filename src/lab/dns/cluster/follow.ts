import type { KubeClient } from '../../../kube/client.ts';
import { Informer } from '../../../kube/informer.ts';
import { ENDPOINT_SLICES, NAMESPACES, SERVICES } from '../../../kube/resources.ts';
import type { EndpointSlice, KubeObject, Namespace, Service } from '../../../kube/types.ts';
import type { ServiceDirectory } from '../zone/directory.ts';

const SERVICE_NAME = 'kubernetes.io/service-name';

/** Keeps a directory as the API server has it. */
export class DirectoryFollower {
  readonly #informers: readonly [Informer<Namespace>, Informer<Service>, Informer<EndpointSlice>];

  /** @param onError - told when the API server cannot be reached; it is tried again */
  constructor(client: KubeClient, directory: ServiceDirectory, onError: (error: Error) => void) {
    const namespaces = new Informer(client, NAMESPACES, { transform: bare });
    const services = new Informer(client, SERVICES, { transform: bareService });
    const slices = new Informer(client, ENDPOINT_SLICES, { transform: bareSlice });
    namespaces.on('add', (namespace) => directory.setNamespace(namespace));
    namespaces.on('delete', (namespace) => directory.removeNamespace(namespace));
    services.on('add', (service) => directory.setService(service));
    services.on('update', (service) => directory.setService(service));
    services.on('delete', (service) => directory.removeService(service));
    slices.on('add', (slice) => directory.setSlice(slice));
    slices.on('update', (slice) => directory.setSlice(slice));
    slices.on('delete', (slice) => directory.removeSlice(slice));
    this.#informers = [namespaces, services, slices];
    for (const informer of this.#informers) informer.on('error', onError);
  }

  /** Resolves when the directory is whole for the first time. */
  async start(): Promise<void> {
    await Promise.all(this.#informers.map((informer) => informer.start().synced));
  }

  /** Whether the directory has been whole. */
  get hasSynced(): boolean {
    return this.#informers.every((informer) => informer.hasSynced);
  }

  get connected(): boolean {
    return this.#informers.every((informer) => informer.connected);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#informers.map((informer) => informer.stop()));
  }
}

/** Objects are kept for as long as they live: only what names depend on. */
function bare<T extends KubeObject>({ metadata }: T): T {
  const { name, namespace, uid, resourceVersion } = metadata ?? {};
  return {
    metadata: {
      ...(name === undefined ? {} : { name }),
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    },
  } as T;
}

function bareService(service: Service): Service {
  const { type, clusterIP, clusterIPs, externalName, ports } = service.spec ?? {};
  return {
    ...bare(service),
    spec: {
      ...(type === undefined ? {} : { type }),
      ...(clusterIP === undefined ? {} : { clusterIP }),
      ...(clusterIPs === undefined ? {} : { clusterIPs }),
      ...(externalName === undefined ? {} : { externalName }),
      ...(ports === undefined ? {} : { ports }),
    },
  };
}

function bareSlice(slice: EndpointSlice): EndpointSlice {
  const kept: EndpointSlice = {
    ...bare(slice),
    addressType: slice.addressType,
    ...(slice.ports ? { ports: slice.ports } : {}),
    endpoints: (slice.endpoints ?? []).map(({ addresses, hostname, conditions }) => ({
      addresses,
      ...(hostname === undefined ? {} : { hostname }),
      ...(conditions?.ready === undefined ? {} : { conditions: { ready: conditions.ready } }),
    })),
  };
  const service = slice.metadata?.labels?.[SERVICE_NAME];
  if (service !== undefined) kept.metadata = { ...kept.metadata, labels: { [SERVICE_NAME]: service } };
  return kept;
}
