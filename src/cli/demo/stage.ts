import { join } from 'node:path';
import { ensureImage, importImage, TOOLBOX } from '../../lab/images/index.ts';
import { contentStore, criSocket } from '../../lab/machine/index.ts';
import { LAB_CACHE } from '../../lab/paths.ts';
import { call } from '../../lab/supervisor/client.ts';
import type { ClusterView, HostView, NodeView } from '../../lab/supervisor/views.ts';
import { apiPath } from '../lab-call.ts';
import { Apis, machineOf, type Pod, startPod } from './pod.ts';

export const NETWORK = 'demo-vnet';
export const CLUSTER = 'demo';
export const TWIN = 'demo-twin';
export const POD_CIDR = '10.244.0.0/16';
/** A machine in another subnet of the nodes' network, one on-premises and one on the internet. */
export const HOSTS = { neighbour: 'demo-vm', onPremises: 'demo-office', internet: 'demo-web' } as const;
export const SITE = 'demo-office';

/** Everything the demo's lines are proved on. */
export class Stage {
  readonly #apis = new Apis();
  readonly #step: (text: string) => void;
  #image = '';
  cluster!: ClusterView;
  twin!: ClusterView;
  hosts!: Record<keyof typeof HOSTS, HostView>;
  pods: Record<'a' | 'b' | 'c', Pod> = {} as never;

  constructor(step: (text: string) => void) {
    this.#step = step;
  }

  /** Removes what an earlier demo left: every run starts from nothing. */
  async clear(): Promise<void> {
    for (const { name } of await call<ClusterView[]>('GET', '/v1/clusters')) {
      if (name === CLUSTER || name === TWIN) await this.#call('DELETE', apiPath('clusters', name));
    }
    for (const { name } of await call<HostView[]>('GET', '/v1/hosts')) {
      if (Object.values<string>(HOSTS).includes(name)) await this.#call('DELETE', apiPath('hosts', name));
    }
    for (const { name } of await call<{ name: string }[]>('GET', '/v1/sites')) {
      if (name === SITE) await this.#call('DELETE', apiPath('sites', name));
    }
    for (const { name } of await call<{ name: string }[]>('GET', '/v1/networks')) {
      if (name === NETWORK) await this.#call('DELETE', apiPath('networks', name));
    }
  }

  /** The network, the cluster of three nodes, the machines outside, and the first pods. */
  async build(): Promise<void> {
    await this.#call('POST', '/v1/networks', {
      name: NETWORK,
      addressPrefixes: ['10.0.0.0/16'],
      subnets: [
        { name: 'nodes', addressPrefix: '10.0.1.0/24' },
        { name: 'machines', addressPrefix: '10.0.3.0/24' },
      ],
    });
    this.#step('building the container image from Debian packages');
    const image = await ensureImage(TOOLBOX, join(LAB_CACHE, 'images'));
    this.#image = image.name;
    this.cluster = await this.#call<ClusterView>('POST', '/v1/clusters', {
      name: CLUSTER,
      nodes: 3,
      podCidr: POD_CIDR,
      vnet: NETWORK,
      subnet: 'nodes',
    });
    await this.#call('POST', '/v1/sites', { name: SITE, vnet: NETWORK, addressPrefix: '172.20.0.0/16' });
    this.hosts = {
      neighbour: await this.#host(HOSTS.neighbour, { vnet: NETWORK, subnet: 'machines' }),
      onPremises: await this.#host(HOSTS.onPremises, { onPremises: SITE }),
      internet: await this.#host(HOSTS.internet, { internet: true }),
    };
    const [first, second] = this.cluster.nodes as [NodeView, NodeView];
    await Promise.all([first, second].map((node) => this.prepare(node)));
    const [a, b, c] = await Promise.all([this.pod(first, 'a'), this.pod(first, 'b'), this.pod(second, 'c')]);
    this.pods = { a: a!, b: b!, c: c! };
  }

  /** A second cluster with the same pod CIDR, in another subnet of the same network. */
  async buildTwin(): Promise<[Pod, Pod]> {
    this.twin = await this.#call<ClusterView>('POST', '/v1/clusters', {
      name: TWIN,
      nodes: 2,
      podCidr: POD_CIDR,
      vnet: NETWORK,
      subnet: 'twin-nodes',
      subnetPrefix: '10.0.2.0/24',
    });
    const nodes = this.twin.nodes as [NodeView, NodeView];
    return await Promise.all([this.#twinPod(nodes[0], 'x'), this.#twinPod(nodes[1], 'y')]);
  }

  async #twinPod(node: NodeView, name: string): Promise<Pod> {
    await this.prepare(node);
    return await this.pod(node, name);
  }

  async addNode(): Promise<NodeView> {
    return await this.#call<NodeView>('POST', apiPath('clusters', CLUSTER, 'nodes'));
  }

  async removeNode(node: NodeView): Promise<void> {
    await this.#call('DELETE', apiPath('clusters', CLUSTER, 'nodes', node.name));
  }

  /** Puts the image on a node. */
  async prepare(node: NodeView): Promise<void> {
    const image = await ensureImage(TOOLBOX, join(LAB_CACHE, 'images'));
    const machine = machineOf(node);
    await importImage(criSocket(machine), image, { contentStore: contentStore(machine) });
  }

  async pod(node: NodeView, name: string): Promise<Pod> {
    const pod = await startPod(this.#apis, node, name, this.#image);
    this.#step(`pod ${node.cluster}/${name} runs on ${node.name} at ${pod.address}`);
    return pod;
  }

  async close(): Promise<void> {
    await this.#apis.close();
  }

  async #host(name: string, place: object): Promise<HostView> {
    return await this.#call<HostView>('POST', '/v1/hosts', { name, ...place });
  }

  async #call<T>(method: 'POST' | 'DELETE', path: string, body?: object): Promise<T> {
    return await call<T>(method, path, body, this.#step);
  }
}
