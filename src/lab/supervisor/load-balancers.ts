import type { KubeClient } from '../../kube/client.ts';
import { resourceId, TYPES } from '../azure/ids.ts';
import type { Cluster } from '../azure/types.ts';
import { LoadBalancerController } from '../load-balancer/controller.ts';
import type { AskNode } from '../load-balancer/probe.ts';
import { ClusterCloud } from './cluster-cloud.ts';
import { fabricName, type LabContext } from './context.ts';
import type { LoadBalancerView } from './views.ts';

/** What the load balancers' controllers need of the machine. */
export interface CloudParts {
  /** A client of a cluster's API with its administrator's rights. @throws Error before the control plane was started once */
  client(cluster: string): KubeClient;
  /** Asks nodes of clusters in a virtual network, from Azure's address of probes. */
  askFrom(virtualNetwork: string): AskNode;
  /** Healthy nodes by rule, kept for the next supervisor: until nodes have answered that one, these go on. */
  health: {
    load(): Record<string, string[]>;
    save(healthy: Record<string, readonly string[]>): void;
  };
}

interface Open {
  readonly client: KubeClient;
  readonly controller: LoadBalancerController;
}

/** The clusters' load balancers: a controller for each cluster whose API has served once. */
export class LoadBalancers {
  readonly #lab: LabContext;
  /** Absent in tests that have no API. */
  readonly #parts: CloudParts | undefined;
  readonly #open = new Map<string, Open>();

  constructor(lab: LabContext, parts: CloudParts | undefined) {
    this.#lab = lab;
    this.#parts = parts;
    const known = parts?.health.load() ?? {};
    // A rule without an entry would have all nodes; after a reboot nothing is known of any.
    for (const balancer of lab.inventory().loadBalancers) {
      for (const { name } of balancer.rules) {
        const key = `${fabricName(balancer)}/${name}`;
        lab.healthyNodes.set(key, known[key] ?? []);
      }
    }
  }

  /** A controller for a cluster whose API serves; does nothing when it has one. */
  open(cluster: string): void {
    if (!this.#parts || this.#open.has(cluster)) return;
    const resource = this.#lab.store.get<Cluster>(resourceId(TYPES.cluster, [cluster]));
    // Its deletion may have been asked for while its API came up.
    if (!resource || resource.provisioningState === 'Deleting') return;
    const client = this.#parts.client(cluster);
    const controller = new LoadBalancerController({
      client,
      cloud: new ClusterCloud(this.#lab, cluster, () => this.#saveHealth()),
      ask: this.#parts.askFrom(resource.properties.virtualNetwork),
      log: this.#lab.log.child({ cluster }),
    });
    this.#open.set(cluster, { client, controller });
    controller.start();
  }

  /** Before the cluster's API goes; what was made for it is removed with the cluster. */
  async close(cluster: string): Promise<void> {
    const open = this.#open.get(cluster);
    if (!open) return;
    this.#open.delete(cluster);
    open.client.close();
    await open.controller.close();
    for (const rule of this.#lab.healthyNodes.keys()) {
      if (rule.startsWith(`${cluster}/`)) this.#lab.healthyNodes.delete(rule);
    }
    this.#saveHealth();
  }

  /** The supervisor ends: everything stays as it is, for the next one. */
  closeAll(): void {
    for (const { client, controller } of this.#open.values()) {
      void controller.close();
      client.close();
    }
    this.#open.clear();
  }

  /** A client of a cluster's API, while its controller runs. */
  clientOf(cluster: string): KubeClient | undefined {
    return this.#open.get(cluster)?.client;
  }

  list(): LoadBalancerView[] {
    return this.#lab.inventory().loadBalancers.map((balancer) => ({
      ...balancer,
      healthy: Object.fromEntries(
        balancer.rules.map((rule) => [
          rule.name,
          [...(this.#lab.healthyNodes.get(`${fabricName(balancer)}/${rule.name}`) ?? [])],
        ]),
      ),
    }));
  }

  #saveHealth(): void {
    this.#parts?.health.save(Object.fromEntries(this.#lab.healthyNodes));
  }
}
