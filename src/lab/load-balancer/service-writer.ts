import type { KubeClient } from '../../kube/client.ts';
import { SERVICES } from '../../kube/resources.ts';
import type { Service } from '../../kube/types.ts';
import { addressInStatus, CLEANUP_FINALIZER, hasFinalizer } from './service.ts';

/** Writes what a cloud provider writes to a Service. Every call is refused with 409 when the Service has changed in between. */
export class ServiceWriter {
  readonly #client: KubeClient;

  constructor(client: KubeClient) {
    this.#client = client;
  }

  async addFinalizer(service: Service): Promise<void> {
    await this.#finalizers(service, [...(service.metadata?.finalizers ?? []), CLEANUP_FINALIZER]);
  }

  /** `VIP`: nodes see packets with this address as their destination. */
  async setAddress(service: Service, ip: string): Promise<void> {
    await this.#status(service, { ingress: [{ ip, ipMode: 'VIP' }] });
  }

  /** The Service has no load balancer any more. */
  async forget(service: Service): Promise<void> {
    let latest = service;
    if (addressInStatus(service) !== undefined && !service.metadata?.deletionTimestamp) {
      latest = await this.#status(service, null);
    }
    if (!hasFinalizer(latest)) return;
    const rest = latest.metadata?.finalizers?.filter((name) => name !== CLEANUP_FINALIZER) ?? [];
    await this.#finalizers(latest, rest);
  }

  /** With the version that the list was read in: nobody else's entry may be lost. */
  async #finalizers({ metadata }: Service, finalizers: string[]): Promise<void> {
    const { namespace, name = '', uid, resourceVersion } = metadata ?? {};
    const body = { metadata: { uid, resourceVersion, finalizers } };
    await this.#client.patch(SERVICES, { namespace, name }, body, { type: 'merge' });
  }

  #status({ metadata }: Service, loadBalancer: object | null): Promise<Service> {
    const { namespace, name = '', uid } = metadata ?? {};
    const body = { metadata: { uid }, status: { loadBalancer } };
    return this.#client.patch(SERVICES, { namespace, name }, body, { type: 'merge', subresource: 'status' });
  }
}
