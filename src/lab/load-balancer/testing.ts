import type { Service } from '../../kube/types.ts';
import type { Inventory, Named } from '../azure/door/inventory.ts';
import { admit, empty } from '../azure/door/testing.ts';
import { nodeGroup, resourceId, TYPES } from '../azure/ids.ts';
import type { Cluster } from '../azure/types.ts';
import { type Reconciled, reconcile } from './reconcile.ts';
import type { Wish } from './wish.ts';

/** A Service of type LoadBalancer; `annotations` without `service.beta.kubernetes.io/`. */
export function serviceWith(
  spec: object = {},
  annotations: Record<string, string> = {},
  uid = 'u-1',
): Service {
  const prefixed = Object.entries(annotations).map(([key, value]) => [
    `service.beta.kubernetes.io/${key}`,
    value,
  ]);
  return {
    metadata: { name: 'web', namespace: 'default', uid, annotations: Object.fromEntries(prefixed) },
    spec: { type: 'LoadBalancer', ports: [{ port: 80, nodePort: 30_080 }], ...spec },
  };
}

/** A lab with one cluster, whose load balancers follow what is wanted. */
export class TestCloud {
  inventory: Inventory = empty();

  constructor(nodes = 2) {
    admit(this.inventory, { name: 'shop', nodes });
  }

  get cluster(): Named<Cluster> {
    return this.inventory.clusters[0]!;
  }

  /** Writes what is to be written, as the supervisor does. */
  apply(wishes: readonly Wish[], gone: readonly string[], alive: Iterable<string>): Reconciled {
    const wanted = reconcile(this.inventory, this.cluster, wishes, gone, new Set(alive));
    const { inventory } = this;
    for (const { name, group, properties } of wanted.addressesMade) {
      const id = resourceId(TYPES.publicIpAddress, [name], group);
      inventory.publicIpAddresses.push({ ...properties, name, id });
    }
    for (const [name, properties] of wanted.balancers) {
      inventory.loadBalancers = inventory.loadBalancers.filter((each) => each.name !== name);
      const id = resourceId(TYPES.loadBalancer, [name], nodeGroup('shop'));
      if (properties) inventory.loadBalancers.push({ ...properties, name, id });
    }
    inventory.publicIpAddresses = inventory.publicIpAddresses.filter(
      ({ name }) => !wanted.addressesGone.includes(name),
    );
    return wanted;
  }
}
