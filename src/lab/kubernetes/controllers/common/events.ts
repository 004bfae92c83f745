import type { KubeClient } from '../../../../kube/client.ts';
import { EventRecorder } from '../../../../kube/event-recorder.ts';
import { apiVersionOf, type ResourceType } from '../../../../kube/resources.ts';
import type { EventSink } from './context.ts';
import type { Owned } from './objects.ts';

/** Events under the names that kubectl's users know (`replicaset-controller`): one recorder for each. */
export class Events implements EventSink {
  readonly #client: KubeClient;
  readonly #recorders = new Map<string, EventRecorder>();

  constructor(client: KubeClient) {
    this.#client = client;
  }

  event(
    type: ResourceType<unknown>,
    object: Owned,
    severity: 'Normal' | 'Warning',
    reason: string,
    message: string,
    component = `${type.kind.toLowerCase()}-controller`,
  ): void {
    let recorder = this.#recorders.get(component);
    if (!recorder) {
      recorder = new EventRecorder(this.#client, { component });
      this.#recorders.set(component, recorder);
    }
    const { name, namespace, uid, resourceVersion } = object.metadata;
    const reference = {
      apiVersion: apiVersionOf(type),
      kind: type.kind,
      name,
      uid,
      resourceVersion,
      ...(namespace && { namespace }),
    };
    recorder.event(reference, severity, reason, message);
  }

  async flush(): Promise<void> {
    await Promise.all([...this.#recorders.values()].map((recorder) => recorder.flush()));
  }
}
