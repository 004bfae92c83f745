import { randomInt } from 'node:crypto';
import type { FakeApi } from '../../../kube/testing.ts';
import type { EndpointSlice, KubeObject, Node, Service } from '../../../kube/types.ts';
import { endpoint } from '../../../service/testing.ts';
import type { ServiceTranslation } from '../../../service/types.ts';
import type { ServiceFindings } from '../../dataplane/services/service-table.ts';
import type { ServiceCluster } from './cluster.ts';
import type { Table } from './service-proxy.ts';

export const SERVICES_PATH = '/api/v1/services';
export const SLICES_PATH = '/apis/discovery.k8s.io/v1/endpointslices';

const NOTHING: ServiceFindings = { created: false, changes: 0, forgotten: 0, problems: [] };

/** What a table was told, and what it should hold by that. */
export class FakeTable implements Table {
  readonly calls: string[] = [];
  readonly held = new Map<string, ServiceTranslation>();
  /** Thrown by so many of the next calls. */
  failures = 0;
  removed = false;
  closed = false;

  sync(services: Iterable<ServiceTranslation>): ServiceFindings {
    const all = [...services];
    this.#called(`sync ${all.length}`);
    this.held.clear();
    for (const one of all) this.held.set(one.key, one);
    return NOTHING;
  }

  update(changed: readonly ServiceTranslation[], gone: readonly string[]): ServiceFindings {
    this.#called(`update ${changed.map(({ key }) => key).join(' ')} - ${gone.join(' ')}`);
    for (const key of gone) if (!this.held.delete(key)) throw new Error(`${key} is not held`);
    for (const one of changed) this.held.set(one.key, one);
    return NOTHING;
  }

  counters(): ReturnType<Table['counters']> {
    return new Map([['translated', { packets: 7, bytes: 420 }]]);
  }

  remove(): void {
    this.#called('remove');
    this.held.clear();
    this.removed = true;
  }

  close(): void {
    this.closed = true;
  }

  /** The addresses behind a Service, `10.244.0.2:8080`. */
  backends(key: string): string[] | undefined {
    const backends = this.held.get(key)?.ports[0]?.frontends[0]?.backends;
    return backends?.map(({ address, port }) => `${address}:${port}`);
  }

  #called(what: string): void {
    if (this.closed) throw new Error(`${what} after close`);
    this.calls.push(what);
    if (this.failures > 0) {
      this.failures--;
      throw new Error('EBUSY');
    }
  }
}

/** A cluster whose Node is in the test's hands. */
export class TestCluster implements ServiceCluster {
  readonly nodeName = 'n1';
  readonly retry = { first: 5, longest: 20 };
  readonly nodeKnown = Promise.resolve();
  readonly client: ServiceCluster['client'];
  readonly events: string[] = [];
  readonly #listeners = new Set<() => void>();
  #node: Node | undefined = { metadata: { name: 'n1' } };

  constructor(api: FakeApi) {
    this.client = api.client();
  }

  node(): Node | undefined {
    return this.#node;
  }

  setNode(node: Node | undefined): void {
    this.#node = node;
    for (const listener of this.#listeners) listener();
  }

  onNode(listener: () => void): void {
    this.#listeners.add(listener);
  }

  offNode(listener: () => void): void {
    this.#listeners.delete(listener);
  }

  tell(about: KubeObject, type: string, reason: string, message: string): void {
    this.events.push(`${about.kind} ${about.metadata?.name}: ${type} ${reason} ${message}`);
  }
}

export function serviceObject(name: string, spec: Partial<NonNullable<Service['spec']>> = {}): Service {
  const ports = [{ name: 'http', protocol: 'TCP', port: 80 }];
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace: 'default', name, annotations: { note: 'not kept' } },
    spec: { type: 'ClusterIP', clusterIP: '10.0.0.20', clusterIPs: ['10.0.0.20'], ports, ...spec },
  };
}

/** @param endpoints in short, see `endpoint` */
export function sliceObject(
  service: string,
  endpoints: readonly string[],
  name = `${service}-a`,
): EndpointSlice {
  return {
    metadata: { namespace: 'default', name, labels: { 'kubernetes.io/service-name': service } },
    addressType: 'IPv4',
    ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
    endpoints: endpoints.map(endpoint),
  } as unknown as EndpointSlice;
}

/** A loopback address that no other test of this machine is likely to use at the same time. */
export function loopback(): string {
  return `127.${randomInt(1, 255)}.${randomInt(1, 255)}.${randomInt(2, 255)}`;
}

export async function until<T>(
  read: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  for (const end = performance.now() + 60_000; performance.now() < end; ) {
    const value = await read();
    if (value) return value;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error('it did not come');
}
