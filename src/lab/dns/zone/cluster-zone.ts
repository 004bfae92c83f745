import { isAddress } from '../../../address/ip.ts';
import { TYPE } from '../wire/constants.ts';
import type { ResourceRecord } from '../wire/message.ts';
import type { EndpointEntry, NamedPort, ServiceDirectory, ServiceEntry } from './directory.ts';
import { ELSEWHERE, found, type Lookup, NODATA, NXDOMAIN, type Zone } from './lookup.ts';
import { isHostName } from './names.ts';
import { addressOfReverse, canonicalAddress, isReverse } from './reverse.ts';

/** Of the specification that this zone follows: what TXT of `dns-version` says. */
const SCHEMA_VERSION = '1.1.0';

export interface ClusterZoneOptions {
  /** Such as `cluster.local`. */
  readonly domain: string;
  /** Seconds that answers, also those that deny, may be kept. */
  readonly ttl: number;
  /** `namespace/name` of the Service of the DNS server itself. */
  readonly nameServer: string;
  /** Seconds since 1970: for the serial number. */
  readonly now?: () => number;
}

/** A name that an SRV record may point to, with its address. */
interface Target {
  readonly host: string;
  readonly address: string;
  readonly port: NamedPort;
}

/**
 * "Kubernetes DNS-Based Service Discovery", schema 1.1.0, and what CoreDNS answers beyond it: names of endpoints below
 * Services that are not headless, SRV records at the name of a Service itself, and names of pods for every address.
 */
export class ClusterZone implements Zone {
  readonly #directory: ServiceDirectory;
  readonly #options: ClusterZoneOptions;
  readonly #labels: number;
  #serial = { generation: -1, value: 0 };

  constructor(directory: ServiceDirectory, options: ClusterZoneOptions) {
    this.#directory = directory;
    this.#options = { ...options, domain: options.domain.toLowerCase() };
    this.#labels = options.domain.split('.').length;
  }

  get generation(): number {
    return this.#directory.generation;
  }

  lookup(name: string, type: number): Lookup {
    const { domain } = this.#options;
    if (name === domain) return this.#apex(name, type);
    if (!name.endsWith(`.${domain}`)) return this.#reverse(name, type);
    const labels = name.split('.').slice(0, -this.#labels);
    switch (labels.at(-1)) {
      case 'svc':
        return this.#inServices(name, labels.slice(0, -1), type);
      case 'pod':
        return this.#inPods(name, labels.slice(0, -1), type);
      case 'dns-version':
        if (labels.length > 1) return NXDOMAIN;
        return type === TYPE.TXT ? found([this.#record(name, 'TXT', SCHEMA_VERSION)]) : NODATA;
      case 'dns':
        if (labels.length === 1) return NODATA;
        return labels.length === 2 && labels[0] === 'ns' ? this.#ownAddress(name, type) : NXDOMAIN;
      default:
        return NXDOMAIN;
    }
  }

  authority(name: string): ResourceRecord {
    const { domain, ttl, now = () => Date.now() / 1000 } = this.#options;
    if (this.#serial.generation !== this.generation)
      this.#serial = { generation: this.generation, value: Math.floor(now()) };
    const data = {
      mname: `ns.dns.${domain}`,
      rname: `hostmaster.${domain}`,
      serial: this.#serial.value,
      refresh: 7200,
      retry: 1800,
      expire: 86_400,
      minimum: ttl,
    };
    const apex = isReverse(name) ? name.split('.').slice(-2).join('.') : domain;
    return { name: apex, type: 'SOA', ttl, data };
  }

  #apex(name: string, type: number): Lookup {
    if (type === TYPE.SOA) return found([this.authority(name)]);
    if (type !== TYPE.NS) return NODATA;
    const host = `ns.dns.${this.#options.domain}`;
    return found([this.#record(name, 'NS', host)], this.#addresses(host, this.#ownAddresses()));
  }

  #ownAddresses(): readonly string[] {
    return this.#directory.service(this.#options.nameServer)?.clusterIPs ?? [];
  }

  #ownAddress(name: string, type: number): Lookup {
    return found(this.#addresses(name, this.#ownAddresses(), type));
  }

  #inPods(name: string, labels: readonly string[], type: number): Lookup {
    if (labels.length === 0) return NODATA;
    if (!this.#directory.hasNamespace(labels.at(-1)!)) return NXDOMAIN;
    if (labels.length === 1) return NODATA;
    const address = labels.length === 2 ? addressOfLabel(labels[0]!) : undefined;
    return address === undefined ? NXDOMAIN : found(this.#addresses(name, [address], type));
  }

  /** @param labels - those before `svc`, such as `_http`, `_tcp`, `web`, `default` */
  #inServices(name: string, labels: readonly string[], type: number): Lookup {
    if (labels.length === 0) return NODATA;
    const [service, namespace] = [labels.at(-2), labels.at(-1)!];
    if (service === undefined) return this.#directory.hasNamespace(namespace) ? NODATA : NXDOMAIN;
    const entry = this.#directory.service(`${namespace}/${service}`);
    if (!entry) return NXDOMAIN;
    const before = labels.slice(0, -2);
    if (entry.externalName !== undefined)
      return before.length === 0 ? this.#external(name, entry.externalName) : NXDOMAIN;
    if (before.length > 2) return NXDOMAIN;
    if (before.length === 2) return this.#port(name, entry, before as [string, string], type);
    if (before.length === 0) return this.#answer(name, this.#targets(entry), entry, type);
    return this.#below(name, entry, before[0]!, type);
  }

  #external(name: string, target: string): Lookup {
    // An address is no name; upstream has no record for one either.
    if (isAddress(target) || !isHostName(target)) return NXDOMAIN;
    return { kind: 'alias', target, record: this.#record(name, 'CNAME', target) };
  }

  /** An endpoint, or the empty place between a Service and its ports. */
  #below(name: string, entry: ServiceEntry, label: string, type: number): Lookup {
    if (label.startsWith('_')) {
      const known = this.#targets(entry).some(({ port }) => port.name && `_${port.protocol}` === label);
      return known ? NODATA : NXDOMAIN;
    }
    const endpoints = this.#directory.endpoints(keyOf(entry)).filter((endpoint) => endpoint.label === label);
    if (endpoints.length === 0) return NXDOMAIN;
    return this.#answer(name, this.#endpointTargets(entry, endpoints), entry, type, endpoints);
  }

  #port(name: string, entry: ServiceEntry, [port, protocol]: [string, string], type: number): Lookup {
    const targets = this.#targets(entry).filter(
      (target) =>
        target.port.name !== '' && `_${target.port.name}` === port && `_${target.port.protocol}` === protocol,
    );
    if (targets.length === 0) return NXDOMAIN;
    if (type === TYPE.SRV) return this.#services(name, targets);
    return found(
      this.#addresses(
        name,
        targets.map(({ address }) => address),
        type,
      ),
    );
  }

  /** Every way to a Service: its own name for one with ClusterIPs, the names of its endpoints for a headless one. */
  #targets(entry: ServiceEntry): Target[] {
    if (entry.headless) return this.#endpointTargets(entry, this.#directory.endpoints(keyOf(entry)));
    const host = `${entry.name}.${entry.namespace}.svc.${this.#options.domain}`;
    return entry.ports.flatMap((port) => entry.clusterIPs.map((address) => ({ host, address, port })));
  }

  #endpointTargets(entry: ServiceEntry, endpoints: readonly EndpointEntry[]): Target[] {
    const below = `${entry.name}.${entry.namespace}.svc.${this.#options.domain}`;
    return endpoints.flatMap(({ address, label, ports }) =>
      ports.map((port) => ({ host: `${label}.${below}`, address, port })),
    );
  }

  #answer(
    name: string,
    targets: readonly Target[],
    entry: ServiceEntry,
    type: number,
    endpoints = entry.headless ? this.#directory.endpoints(keyOf(entry)) : [],
  ): Lookup {
    // So the specification has it: nothing is behind the name, and that may change soon.
    if (entry.headless && endpoints.length === 0) return NXDOMAIN;
    if (type === TYPE.SRV) return this.#services(name, targets);
    const addresses = endpoints.length > 0 ? endpoints.map(({ address }) => address) : entry.clusterIPs;
    return found(this.#addresses(name, addresses, type));
  }

  #services(name: string, targets: readonly Target[]): Lookup {
    const unique = new Map(targets.map((target) => [`${target.host} ${target.port.port}`, target]));
    const weight = Math.max(1, Math.floor(100 / unique.size));
    const records = [...unique.values()].map(({ host, port }) =>
      this.#record(name, 'SRV', { priority: 0, weight, port: port.port, target: host }),
    );
    const hosts = new Map<string, Set<string>>();
    for (const { host, address } of targets) hosts.set(host, (hosts.get(host) ?? new Set()).add(address));
    return found(
      records,
      [...hosts].flatMap(([host, addresses]) => this.#addresses(host, [...addresses])),
    );
  }

  /** A and AAAA records, each address once. @param type - only those of this type */
  #addresses(name: string, addresses: readonly string[], type?: number): ResourceRecord[] {
    return [...new Set(addresses)]
      .map((address) => this.#record(name, address.includes(':') ? 'AAAA' : 'A', address))
      .filter((record) => type === undefined || TYPE[record.type as 'A' | 'AAAA'] === type);
  }

  #reverse(name: string, type: number): Lookup {
    const address = addressOfReverse(name);
    if (address === undefined) return ELSEWHERE;
    const { domain } = this.#options;
    const hosts = this.#directory
      .servicesAt(address)
      .map((entry) => `${entry.name}.${entry.namespace}.svc.${domain}`);
    if (hosts.length === 0) {
      for (const { service, endpoint } of this.#directory.namedEndpointsAt(address)) {
        const [namespace, name] = service.split('/');
        if (this.#directory.service(service))
          hosts.push(`${endpoint.label}.${name}.${namespace}.svc.${domain}`);
      }
    }
    if (hosts.length === 0) return ELSEWHERE;
    return type === TYPE.PTR
      ? found([...new Set(hosts)].map((host) => this.#record(name, 'PTR', host)))
      : NODATA;
  }

  #record(name: string, type: 'A' | 'AAAA' | 'CNAME' | 'NS' | 'PTR', data: string): ResourceRecord;
  #record(name: string, type: 'TXT', data: string): ResourceRecord;
  #record(
    name: string,
    type: 'SRV',
    data: { priority: number; weight: number; port: number; target: string },
  ): ResourceRecord;
  #record(name: string, type: string, data: unknown): ResourceRecord {
    return { name, type, ttl: this.#options.ttl, data } as ResourceRecord;
  }
}

function keyOf({ namespace, name }: ServiceEntry): string {
  return `${namespace}/${name}`;
}

/** `10-244-0-5` or `fd00--5`: the address of a pod, its dots or colons written as dashes. */
function addressOfLabel(label: string): string | undefined {
  return canonicalAddress(label.replaceAll('-', '.')) ?? canonicalAddress(label.replaceAll('-', ':'));
}
