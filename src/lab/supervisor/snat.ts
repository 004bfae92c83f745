import type { Logger } from 'pino';
import type { KubeClient } from '../../kube/client.ts';
import { EventRecorder } from '../../kube/event-recorder.ts';
import type { AddressSnatUsage, NodeSnatUsage, SnatUsage } from '../fabric/snat-usage.ts';
import type { LabContext } from './context.ts';
import { type NatGatewayUse, NearlyUsedUp, natGatewayUse, nearlyUsedUp } from './nat-gateway-use.ts';

/** The same of a node that is known by its name. */
export interface NodeSnat extends Omit<NodeSnatUsage, 'nodeAddress'> {
  cluster: string;
  node: string;
}

/** Source ports as all routers have them. */
export interface SnatFigures {
  nodes: NodeSnat[];
  addresses: AddressSnatUsage[];
  natGateways: NatGatewayUse[];
}

/** How often somebody looks whether ports ran out, in milliseconds. */
const EVERY_MS = 5000;
/** A figure this old is as good as a new one, in milliseconds. */
const FRESH_MS = 500;

/**
 * What the field says when a node's SNAT ports run out. Without a number: the same event again is counted, not
 * written again.
 */
function exhausted({ cluster, allocated, address }: NodeSnat): string {
  return (
    `SNAT ports ran out: connections of this node to the internet were dropped, because all of its ${allocated} ports of ${address} ` +
    `to their destination were in use. Reuse connections, or give each node more: ` +
    `flyover cluster update ${cluster} --load-balancer-outbound-ports PORTS, with more addresses where needed ` +
    `(--load-balancer-managed-outbound-ip-count), or go out through a NAT gateway (--outbound-type managedNATGateway)`
  );
}

/** Counts the source ports of nodes, and tells the cluster when they ran out. */
export class SnatWatch {
  readonly #lab: LabContext;
  readonly #read: ((virtualNetwork: string) => SnatUsage) | undefined;
  readonly #clientOf: (cluster: string) => KubeClient | undefined;
  readonly #recorders = new WeakMap<KubeClient, EventRecorder>();
  /** Refused packets by node: what was counted in all, and what the router said last. */
  readonly #refused = new Map<string, { total: number; last: number }>();
  /** Refused packets by node that the cluster knows of. */
  readonly #told = new Map<string, number>();
  readonly #nearlyUsedUp = new NearlyUsedUp();
  #cached: ({ at: number } & SnatFigures) | undefined;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param read - looks into the router of a virtual network; absent where there is none
   * @param clientOf - a client of a cluster's API, while that can be had
   */
  constructor(
    lab: LabContext,
    read: ((virtualNetwork: string) => SnatUsage) | undefined,
    clientOf: (cluster: string) => KubeClient | undefined,
  ) {
    this.#lab = lab;
    this.#read = read;
    this.#clientOf = clientOf;
  }

  start(): void {
    if (this.#read) this.#timer = setInterval(() => this.look(), EVERY_MS).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Looks at once, and reports what ran out, or nearly did, since the last time. */
  look(): void {
    this.#cached = undefined;
    const { nodes, natGateways } = this.usage();
    for (const use of nodes) {
      // What was refused before this supervisor came was told by the one before it.
      const told = this.#told.get(use.node) ?? use.refused;
      this.#told.set(use.node, use.refused);
      if (use.refused > told) {
        this.#lab.log.warn({ node: use.node, refused: use.refused }, 'SNAT ports ran out');
        this.#tell(use, 'SnatPortExhaustion', exhausted(use));
      }
    }
    for (const use of this.#nearlyUsedUp.news(natGateways)) this.#warn(use);
  }

  /** As it is now, give or take half a second. */
  usage(): SnatFigures {
    const now = performance.now();
    if (!this.#cached || now - this.#cached.at > FRESH_MS) this.#cached = { at: now, ...this.#measure() };
    return this.#cached;
  }

  #measure(): SnatFigures {
    const nodes: NodeSnat[] = [];
    const addresses: AddressSnatUsage[] = [];
    const natGateways: NatGatewayUse[] = [];
    if (!this.#read) return { nodes, addresses, natGateways };
    const inventory = this.#lab.inventory();
    const { clusters, machines, virtualNetworks } = inventory;
    for (const { name } of virtualNetworks) {
      const usage = this.#readOne(name, this.#lab.log);
      if (!usage) continue;
      addresses.push(...usage.addresses);
      const here = new Set(clusters.filter((c) => c.virtualNetwork === name).map((c) => c.name));
      const owners = new Map(machines.filter((m) => here.has(m.cluster)).map((m) => [m.address, m]));
      natGateways.push(...natGatewayUse(inventory, usage.addresses, owners));
      for (const { nodeAddress, ...figures } of usage.nodes) {
        const machine = owners.get(nodeAddress);
        if (!machine) continue;
        const refused = this.#total(machine.name, figures.refused);
        nodes.push({ ...figures, refused, cluster: machine.cluster, node: machine.name });
      }
    }
    nodes.sort((a, b) => (a.node < b.node ? -1 : 1));
    return { nodes, addresses, natGateways };
  }

  /** Nothing while the router is being made. */
  #readOne(virtualNetwork: string, log: Logger): SnatUsage | undefined {
    try {
      return this.#read!(virtualNetwork);
    } catch (error) {
      log.debug({ virtualNetwork, err: error }, 'cannot read its source ports');
      return undefined;
    }
  }

  /** A router that is made anew counts from 0 again. */
  #total(node: string, said: number): number {
    const known = this.#refused.get(node) ?? { total: 0, last: 0 };
    const total = known.total + (said >= known.last ? said - known.last : said);
    this.#refused.set(node, { total, last: said });
    return total;
  }

  #warn(use: NatGatewayUse): void {
    const { natGateway, address, destination, flows } = use;
    this.#lab.log.warn({ natGateway, address, destination, flows }, 'SNAT ports run out soon');
    for (const node of use.nodes) this.#tell(node, 'SnatPortsRunLow', nearlyUsedUp(use));
  }

  #tell({ cluster, node }: { cluster: string; node: string }, reason: string, message: string): void {
    const client = this.#clientOf(cluster);
    if (!client) return;
    let recorder = this.#recorders.get(client);
    if (!recorder) {
      const onError = (error: unknown): void =>
        this.#lab.log.warn({ err: error }, 'an event about source ports was not written');
      recorder = new EventRecorder(client, { component: 'flyover-lab', onError });
      this.#recorders.set(client, recorder);
    }
    // A node's events are about its name, as the kubelet writes them.
    const about = { apiVersion: 'v1', kind: 'Node', name: node, uid: node };
    recorder.event(about, 'Warning', reason, message);
  }
}
