import { compareAddresses, type Family } from '../address/ip.ts';
import type { Problems } from '../manifest/problem.ts';
import type { NodeView, SliceEndpoint, SliceObject } from './objects.ts';
import { addressIn, isPort, listOf, type NamedAddress, protocolIn } from './read.ts';
import type { Backend } from './types.ts';

/** One address of an EndpointSlice, at one port. */
export interface Endpoint extends Backend {
  readonly ready: boolean;
  /** Answers, though it may be on its way out. */
  readonly serving: boolean;
  readonly terminating: boolean;
  readonly zones: ReadonlySet<string>;
  readonly nodes: ReadonlySet<string>;
  readonly named: NamedAddress;
}

const NONE: ReadonlySet<string> = new Set();
const FAMILIES: ReadonlyMap<unknown, Family> = new Map([
  ['IPv4', 4],
  ['IPv6', 6],
]);

/** The endpoints of one Service, by its ports' names and protocols and by family. */
export class Endpoints {
  readonly #sets = new Map<string, Map<string, Endpoint>>();

  /**
   * Slices are taken in the order of their names, so that equal slices make equal endpoints. An address that is in
   * several (as it is while the controller moves it from one to another) counts once: local before remote, ready before
   * not ready.
   */
  constructor(slices: Iterable<SliceObject>, node: NodeView, problems: Problems) {
    const sorted = [...slices].sort((a, b) => ((a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1));
    for (const slice of sorted) {
      const family = FAMILIES.get(slice.addressType);
      // FQDN slices are for others.
      if (family !== undefined) this.#take(slice, family, node, problems);
    }
  }

  /** Sorted by address, then port. */
  of(port: string, protocol: string, family: Family): Endpoint[] {
    const found = [...(this.#sets.get(keyOfSet(port, protocol, family))?.values() ?? [])];
    return found.sort((a, b) => compareAddresses(a.named.ip, b.named.ip) || a.port - b.port);
  }

  /** How many addresses on this node are ready, whichever their ports. */
  localReady(family: Family): number {
    const addresses = new Set<string>();
    for (const [key, endpoints] of this.#sets) {
      if (!key.endsWith(` ${family}`)) continue;
      for (const { local, ready, address } of endpoints.values()) if (local && ready) addresses.add(address);
    }
    return addresses.size;
  }

  #take(slice: SliceObject, family: Family, node: NodeView, problems: Problems): void {
    const at = `EndpointSlice ${slice.metadata?.name ?? ''}`;
    const endpoints = listOf(slice.endpoints).flatMap((endpoint, i) => {
      const read = readEndpoint(endpoint, family, node, `${at} endpoints[${i}]`, problems);
      return read ? [read] : [];
    });
    for (const [i, port] of listOf(slice.ports).entries()) {
      const field = `${at} ports[${i}]`;
      const protocol = protocolIn(port.protocol, `${field}.protocol`, problems);
      if (!isPort(port.port)) {
        problems.add(
          `${field}.port`,
          port.port,
          'is not a port',
          'give each port of the slice a number, 1 to 65535',
        );
      } else if (protocol !== undefined) {
        this.#add(keyOfSet(port.name ?? '', protocol, family), endpoints, port.port);
      }
    }
  }

  #add(key: string, endpoints: readonly Omit<Endpoint, 'port'>[], port: number): void {
    const set = this.#sets.get(key) ?? new Map<string, Endpoint>();
    this.#sets.set(key, set);
    for (const endpoint of endpoints) {
      const name = `${endpoint.address} ${port}`;
      const before = set.get(name);
      if (!before || worth(endpoint) > worth(before)) set.set(name, { ...endpoint, port });
    }
  }
}

function keyOfSet(port: string, protocol: string, family: Family): string {
  return `${port} ${protocol} ${family}`;
}

function worth({ local, ready, serving }: Pick<Endpoint, 'local' | 'ready' | 'serving'>): number {
  return (local ? 4 : 0) + (ready ? 2 : 0) + (serving ? 1 : 0);
}

function readEndpoint(
  endpoint: SliceEndpoint,
  family: Family,
  node: NodeView,
  field: string,
  problems: Problems,
): Omit<Endpoint, 'port'> | undefined {
  // Only the first: the API's rule for all consumers.
  const [first] = listOf(endpoint.addresses);
  const named = addressIn(first, `${field}.addresses[0]`, problems);
  if (!named) return undefined;
  if (named.ip.family !== family) {
    const fix = `put it into a slice of addressType IPv${named.ip.family}`;
    problems.add(`${field}.addresses[0]`, first, `is not of the slice's addressType, IPv${family}`, fix);
    return undefined;
  }
  const { ready, serving, terminating } = endpoint.conditions ?? {};
  return {
    named,
    address: named.text,
    local: endpoint.nodeName === node.name,
    // What is not said counts as true, and nothing is terminating that is not said to be.
    ready: ready ?? true,
    serving: serving ?? true,
    terminating: terminating ?? false,
    zones: namesOf(endpoint.hints?.forZones),
    nodes: namesOf(endpoint.hints?.forNodes),
  };
}

function namesOf(
  hints: readonly { readonly name?: string | null | undefined }[] | null | undefined,
): ReadonlySet<string> {
  const names = listOf(hints).flatMap(({ name }) => (name ? [name] : []));
  return names.length === 0 ? NONE : new Set(names);
}
