import type { KubeClient } from '../../../kube/client.ts';
import type { EventType } from '../../../kube/event-recorder.ts';
import type { KubeObject, Node } from '../../../kube/types.ts';

/** What the service proxy needs of the cluster that the agent is in. */
export interface ServiceCluster {
  readonly client: KubeClient;
  readonly nodeName: string;
  /** Milliseconds between tries to reach the API server; for tests. */
  readonly retry?: { readonly first: number; readonly longest: number };
  /** Resolves when it is known whether this Node exists. */
  readonly nodeKnown: Promise<void>;
  /** This node's Node, undefined when there is none (any more). */
  node(): Node | undefined;
  /** Told whenever the Node has changed. */
  onNode(listener: () => void): void;
  offNode(listener: () => void): void;
  /** An event on an object. */
  tell(about: KubeObject, type: EventType, reason: string, message: string): void;
}
