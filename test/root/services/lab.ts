import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { namespaceOf } from '../../../src/lab/fabric/names.ts';
import { namespacePath } from '../../../src/lab/paths.ts';
import type { ClusterView, HostView, NodeView } from '../../../src/lab/supervisor/views.ts';
import { putLabAside } from '../lab/aside.ts';
import { flyover, flyoverJson } from '../lab/cli.ts';
import { Kubectl } from '../lab/kubectl.ts';
import { Client } from './client.ts';
import { NAMESPACE, pods, services } from './fixtures.ts';

/** Where a client is. `pod-1` and `node-1` are where `solo` and `echo-1` are too. */
export type Place =
  | 'pod-1'
  | 'pod-2'
  | 'solo'
  | 'node-1'
  | 'node-2'
  /** A machine on the internet that `lb-ranges` allows. */
  | 'outside'
  /** Another one. */
  | 'stranger'
  /** A machine of the virtual network that is no node. */
  | 'inside'
  | 'machine';

interface ServiceObject {
  metadata: { name: string };
  spec: { clusterIP?: string; healthCheckNodePort?: number };
  status: { loadBalancer: { ingress?: { ip: string }[] } };
}

/** How long the cluster may take to come to what was asked. Milliseconds. */
const SETTLES_MS = 90_000;

/** A cluster of two nodes with the fixtures in it, and clients everywhere. */
export class ServiceLab {
  readonly folder = mkdtempSync(join(tmpdir(), 'fly-test-services-'));
  readonly kubeconfig = join(this.folder, 'config');
  readonly kubectl: Kubectl;
  cluster!: ClusterView;
  readonly #clients = new Map<Place, Client>();
  readonly #addresses = new Map<Place, string>();
  #services = new Map<string, ServiceObject>();
  #bringBack: (() => Promise<void>) | undefined;

  constructor(program: string) {
    this.kubectl = new Kubectl(program, this.kubeconfig);
  }

  async start(): Promise<void> {
    this.#bringBack = await putLabAside();
    const { code, stderr } = await flyover('up');
    if (code !== 0) throw new Error(`flyover up ended with ${code}: ${stderr}`);
    this.cluster = await flyoverJson<ClusterView>('cluster', 'create', 'svc', '--nodes', '2');
    writeFileSync(this.kubeconfig, (await flyover('kubeconfig', 'svc')).stdout, { mode: 0o600 });
    for (const [place, ...where] of [
      ['outside', '--internet'],
      ['stranger', '--internet'],
      ['inside', '--vnet', this.cluster.virtualNetwork],
    ] as const) {
      const host = await flyoverJson<HostView>('host', 'create', place, ...where);
      this.#addresses.set(place, host.properties.address);
      this.#clients.set(place, new Client(host.namespace));
    }
    await this.kubectl.ok('create', 'namespace', NAMESPACE);
    const [one, two] = this.cluster.nodes as [NodeView, NodeView];
    await this.apply([...pods(one.name, two.name), ...services(`${this.addressOf('outside')}/32`)]);
    const ready = ['wait', '-n', NAMESPACE, '--for=condition=Ready', 'pod', '-l', 'app!=late'];
    await this.kubectl.run([...ready, '--timeout=90s'], { timeout: 100_000 });
    await this.#placeClients(one, two);
    await this.#settle();
  }

  async #placeClients(one: NodeView, two: NodeView): Promise<void> {
    for (const [place, pod] of [
      ['pod-1', 'client-1'],
      ['pod-2', 'client-2'],
      ['solo', 'solo'],
    ] as const) {
      const exec = ['exec', '-n', NAMESPACE, pod, '--', 'readlink', '/proc/self/ns/net'];
      this.#clients.set(place, Client.beside((await this.kubectl.ok(...exec)).trim()));
      this.#addresses.set(place, (await this.json<{ status: { podIP: string } }>('pod', pod)).status.podIP);
    }
    for (const [place, node] of [
      ['node-1', one],
      ['node-2', two],
    ] as const) {
      this.#clients.set(place, new Client(namespacePath(namespaceOf.node(node.name))));
      this.#addresses.set(place, node.address);
    }
    this.#clients.set('machine', new Client('/proc/self/ns/net'));
  }

  /** Waits until load balancers have addresses and both nodes translate what was made last. */
  async #settle(): Promise<void> {
    await this.until('every load balancer has an address', async () => {
      const { items } = await this.json<{ items: ServiceObject[] }>('services');
      this.#services = new Map(items.map((item) => [item.metadata.name, item]));
      return ['lb', 'lb-local', 'lb-ranges', 'lb-internal'].every((name) => this.frontend(name) !== '');
    });
    for (const [place, address] of [
      ['pod-1', this.clusterIp('affinity-7')],
      ['pod-2', this.clusterIp('affinity-7')],
      ['outside', this.frontend('lb')],
      ['outside', this.frontend('lb-local')],
      ['outside', this.frontend('lb-ranges')],
      ['inside', this.frontend('lb-internal')],
    ] as const)
      await this.until(`${place} reaches ${address}`, async () => {
        return (await this.client(place).tcp(address, 80, 2000)).kind === 'answer';
      });
  }

  /** Looks again and again; fails with what it waited for. */
  async until(what: string, look: () => Promise<boolean>, patienceMs = SETTLES_MS): Promise<void> {
    const end = Date.now() + patienceMs;
    while (!(await look())) {
      if (Date.now() > end) throw new Error(`not within ${patienceMs / 1000} s: ${what}`);
      await sleep(100);
    }
  }

  client(place: Place): Client {
    const client = this.#clients.get(place);
    if (!client) throw new Error(`nobody is at ${place}`);
    return client;
  }

  addressOf(place: Place): string {
    return this.#addresses.get(place) ?? '';
  }

  get nodeAddresses(): string[] {
    return this.cluster.nodes.map(({ address }) => address);
  }

  clusterIp(name: string): string {
    return this.#services.get(name)?.spec.clusterIP ?? '';
  }

  /** The address that the load balancer gave it; empty before. */
  frontend(name: string): string {
    return this.#services.get(name)?.status.loadBalancer.ingress?.[0]?.ip ?? '';
  }

  healthPort(name: string): number {
    return this.#services.get(name)?.spec.healthCheckNodePort ?? 0;
  }

  async apply(objects: object[]): Promise<void> {
    const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
    await this.kubectl.feed(list, 'apply', '-f', '-');
  }

  /** Of the namespace of the fixtures. */
  async json<T>(...what: string[]): Promise<T> {
    return JSON.parse(await this.kubectl.ok('get', '-n', NAMESPACE, ...what, '-o', 'json')) as T;
  }

  async stop(): Promise<void> {
    for (const client of this.#clients.values()) client.close();
    await this.#bringBack?.();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
