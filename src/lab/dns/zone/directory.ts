import type { EndpointSlice, Namespace, Service } from '../../../kube/types.ts';
import { canonicalAddress } from './reverse.ts';

export interface NamedPort {
  /** Empty for a Service's only port without a name. */
  readonly name: string;
  /** In lower case: `tcp`. */
  readonly protocol: string;
  readonly port: number;
}

/** What of a Service names depend on. */
export interface ServiceEntry {
  readonly namespace: string;
  readonly name: string;
  readonly headless: boolean;
  /** Of `type: ExternalName`, in lower case, without the last dot. */
  readonly externalName?: string;
  readonly clusterIPs: readonly string[];
  readonly ports: readonly NamedPort[];
}

export interface EndpointEntry {
  readonly address: string;
  /** Its label below the Service: the hostname, or one made from the address. */
  readonly label: string;
  /** Whether the label is one that the pod has given itself (`hostname` and `subdomain`). */
  readonly named: boolean;
  readonly ports: readonly NamedPort[];
}

interface SliceEntry {
  /** `namespace/name` of the Service. */
  readonly service: string;
  /** The ready ones. */
  readonly endpoints: readonly EndpointEntry[];
}

const SERVICE_NAME = 'kubernetes.io/service-name';

/** The Services, endpoints and namespaces of a cluster, as names need them. No answer depends on anything else. */
export class ServiceDirectory {
  #generation = 1;
  readonly #namespaces = new Set<string>();
  readonly #services = new Map<string, ServiceEntry>();
  readonly #slices = new Map<string, SliceEntry>();
  /** Keys of slices by that of their Service. */
  readonly #slicesOf = new Map<string, Set<string>>();
  /** Keys of Services by ClusterIP, and of slices by the address of an endpoint that has a name. */
  readonly #servicesAt = new Map<string, Set<string>>();
  readonly #slicesAt = new Map<string, Set<string>>();

  /** Changes with every change of what is in here. */
  get generation(): number {
    return this.#generation;
  }

  get counts(): { namespaces: number; services: number; endpointSlices: number } {
    return {
      namespaces: this.#namespaces.size,
      services: this.#services.size,
      endpointSlices: this.#slices.size,
    };
  }

  setNamespace(namespace: Namespace): void {
    const name = namespace.metadata?.name ?? '';
    if (this.#namespaces.has(name)) return;
    this.#namespaces.add(name);
    this.#generation++;
  }

  removeNamespace(namespace: Namespace): void {
    if (this.#namespaces.delete(namespace.metadata?.name ?? '')) this.#generation++;
  }

  setService(service: Service): void {
    const key = keyOf(service);
    const entry = serviceEntry(service);
    const before = this.#services.get(key);
    if (before && JSON.stringify(before) === JSON.stringify(entry)) return;
    if (before) unlink(this.#servicesAt, before.clusterIPs, key);
    this.#services.set(key, entry);
    link(this.#servicesAt, entry.clusterIPs, key);
    this.#generation++;
  }

  removeService(service: Service): void {
    const key = keyOf(service);
    const before = this.#services.get(key);
    if (!before) return;
    unlink(this.#servicesAt, before.clusterIPs, key);
    this.#services.delete(key);
    this.#generation++;
  }

  setSlice(slice: EndpointSlice): void {
    const key = keyOf(slice);
    const entry = sliceEntry(slice);
    const before = this.#slices.get(key);
    if (before && entry && JSON.stringify(before) === JSON.stringify(entry)) return;
    if (before) this.#drop(key, before);
    if (entry) {
      this.#slices.set(key, entry);
      link(this.#slicesOf, [entry.service], key);
      link(this.#slicesAt, addressesOfNamed(entry), key);
    }
    if (before || entry) this.#generation++;
  }

  removeSlice(slice: EndpointSlice): void {
    const key = keyOf(slice);
    const before = this.#slices.get(key);
    if (!before) return;
    this.#drop(key, before);
    this.#generation++;
  }

  #drop(key: string, entry: SliceEntry): void {
    this.#slices.delete(key);
    unlink(this.#slicesOf, [entry.service], key);
    unlink(this.#slicesAt, addressesOfNamed(entry), key);
  }

  hasNamespace(name: string): boolean {
    return this.#namespaces.has(name);
  }

  /** @param key `namespace/name` */
  service(key: string): ServiceEntry | undefined {
    return this.#services.get(key);
  }

  /** The ready endpoints of a Service. @param key `namespace/name` */
  endpoints(key: string): EndpointEntry[] {
    return [...(this.#slicesOf.get(key) ?? [])].flatMap((slice) => [
      ...(this.#slices.get(slice)?.endpoints ?? []),
    ]);
  }

  servicesAt(address: string): ServiceEntry[] {
    return [...(this.#servicesAt.get(address) ?? [])].map((key) => this.#services.get(key)!);
  }

  /** Endpoints at an address that have given themselves a name, each with the key of its Service. */
  namedEndpointsAt(address: string): { service: string; endpoint: EndpointEntry }[] {
    return [...(this.#slicesAt.get(address) ?? [])].flatMap((key) => {
      const { service, endpoints } = this.#slices.get(key)!;
      return endpoints
        .filter((endpoint) => endpoint.named && endpoint.address === address)
        .map((endpoint) => ({ service, endpoint }));
    });
  }
}

function keyOf(object: Service | EndpointSlice): string {
  return `${object.metadata?.namespace}/${object.metadata?.name}`;
}

function link(index: Map<string, Set<string>>, at: readonly string[], key: string): void {
  for (const each of at) {
    const keys = index.get(each);
    if (keys) keys.add(key);
    else index.set(each, new Set([key]));
  }
}

function unlink(index: Map<string, Set<string>>, at: readonly string[], key: string): void {
  for (const each of at) {
    const keys = index.get(each);
    keys?.delete(key);
    if (keys?.size === 0) index.delete(each);
  }
}

function addressesOfNamed({ endpoints }: SliceEntry): string[] {
  return endpoints.filter(({ named }) => named).map(({ address }) => address);
}

function portsOf(
  ports: readonly { name?: string; protocol?: string; port?: number }[] | undefined,
): NamedPort[] {
  return (ports ?? []).flatMap(({ name = '', protocol = 'TCP', port }) =>
    port === undefined ? [] : [{ name: name.toLowerCase(), protocol: protocol.toLowerCase(), port }],
  );
}

function serviceEntry({ metadata, spec }: Service): ServiceEntry {
  const given = spec?.clusterIPs?.length ? spec.clusterIPs : [spec?.clusterIP ?? ''];
  const external = spec?.type === 'ExternalName';
  return {
    namespace: metadata?.namespace ?? '',
    name: metadata?.name ?? '',
    headless: !external && given[0] === 'None',
    ...(external ? { externalName: (spec.externalName ?? '').toLowerCase().replace(/\.$/, '') } : {}),
    clusterIPs: external ? [] : given.flatMap((address) => canonicalAddress(address) ?? []),
    ports: portsOf(spec?.ports),
  };
}

function sliceEntry({ metadata, endpoints, ports, addressType }: EndpointSlice): SliceEntry | undefined {
  const name = metadata?.labels?.[SERVICE_NAME];
  if (!name || addressType === 'FQDN') return undefined;
  const named = portsOf(ports);
  return {
    service: `${metadata?.namespace}/${name}`,
    endpoints: (endpoints ?? [])
      // Unknown is to be taken for ready. Who publishes also what is not ready has it so in the slice.
      .filter(({ conditions }) => conditions?.ready !== false)
      .flatMap(({ addresses, hostname }) =>
        addresses.flatMap((text) => {
          const address = canonicalAddress(text);
          if (address === undefined) return [];
          const label = hostname?.toLowerCase() ?? address.replaceAll(/[.:]/g, '-');
          return [{ address, label, named: hostname !== undefined && hostname !== '', ports: named }];
        }),
      ),
  };
}
