import type { KubeClient } from '../../../../kube/client.ts';
import { Informer, type InformerOptions } from '../../../../kube/informer.ts';
import type { ResourceType } from '../../../../kube/resources.ts';
import type { KubeObject } from '../../../../kube/types.ts';
import {
  type AnyObject,
  CONFIG_MAPS,
  CONTROLLER_REVISIONS,
  DEPLOYMENTS,
  ENDPOINT_SLICES,
  ENDPOINTS,
  JOBS,
  LEASES,
  live,
  NAMESPACES,
  PODS,
  type Pod,
  REPLICA_SETS,
  SECRETS,
} from './objects.ts';
import { ownerIndex } from './owners.ts';

type Options = InformerOptions<AnyObject>;
const byNamespace = (o: AnyObject) => [o.metadata.namespace];

/** What some informers have beyond the plain list. Selectors keep out of memory what no controller looks at. */
const OPTIONS = new Map<ResourceType<unknown>, Options>([
  [
    PODS,
    {
      indexers: {
        owner: ownerIndex,
        namespace: byNamespace,
        node: (o) => [(o as unknown as Pod).spec.nodeName ?? ''],
      },
    },
  ],
  [REPLICA_SETS, { indexers: { owner: ownerIndex } }],
  [DEPLOYMENTS, { indexers: { namespace: byNamespace } }],
  [JOBS, { indexers: { owner: ownerIndex } }],
  [CONTROLLER_REVISIONS, { indexers: { owner: ownerIndex } }],
  [
    ENDPOINT_SLICES,
    {
      indexers: {
        service: (o) => [
          `${o.metadata.namespace}/${o.metadata.labels?.['kubernetes.io/service-name'] ?? ''}`,
        ],
      },
    },
  ],
  [ENDPOINTS, {}],
  [NAMESPACES, {}],
  [LEASES, { namespace: 'kube-node-lease' }],
  [SECRETS, { fieldSelector: 'type=kubernetes.io/service-account-token' }],
  [CONFIG_MAPS, { fieldSelector: 'metadata.name=kube-root-ca.crt' }],
]);

/** One informer for each type, shared by all controllers, started when first asked for. */
export class Informers {
  readonly #client: KubeClient;
  readonly #started = new Map<string, Informer<KubeObject>>();
  readonly #onError: (type: ResourceType<unknown>, error: Error) => void;

  constructor(client: KubeClient, onError: (type: ResourceType<unknown>, error: Error) => void = () => {}) {
    this.#client = client;
    this.#onError = onError;
  }

  of<T extends KubeObject>(type: ResourceType<T>): Informer<T> {
    const key = `${type.group}/${type.plural}`;
    let informer = this.#started.get(key) as Informer<T> | undefined;
    if (!informer) {
      const options = { transform: live<T>, ...(OPTIONS.get(type) as InformerOptions<T> | undefined) };
      informer = new Informer<T>(this.#client, type, options);
      informer.setMaxListeners(50);
      informer.on('error', (error) => this.#onError(type, error));
      this.#started.set(key, informer as unknown as Informer<KubeObject>);
      informer.start();
    }
    return informer;
  }

  /** The informer of a type that holds all its objects, if some controller has one already. */
  whole(type: ResourceType<unknown>): Informer<KubeObject> | undefined {
    const informer = this.#started.get(`${type.group}/${type.plural}`);
    const selective = [LEASES, SECRETS, CONFIG_MAPS].some(
      (t) => t.group === type.group && t.plural === type.plural,
    );
    return selective ? undefined : informer;
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#started.values()].map((informer) => informer.stop()));
  }
}
