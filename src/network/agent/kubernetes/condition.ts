import type { KubeClient } from '../../../kube/client.ts';
import { NODES } from '../../../kube/resources.ts';
import type { Node, NodeCondition } from '../../../kube/types.ts';
import { WorkQueue } from '../../../kube/work-queue.ts';

const TYPE = 'NetworkUnavailable';
const LONGEST_MESSAGE = 1024;
/** A restart or a reload is over sooner; who is told of that too would see the node flap. */
const PATIENCE_MS = 3000;

interface Wanted {
  readonly status: 'True' | 'False';
  readonly reason: string;
  readonly message: string;
}

/**
 * The Node's condition `NetworkUnavailable`: False when this agent serves, True with the reason when it does not. The
 * scheduler keeps pods away from a node where it is True. Written when it differs from what the Node has, by a patch of
 * this one condition; it stays when the agent goes, for the pods keep their network.
 */
export class NetworkCondition {
  readonly #client: KubeClient;
  readonly #nodeName: string;
  readonly #queue: WorkQueue;
  readonly #patienceMs: number;
  #node: Node | undefined;
  #wanted: Wanted | undefined;
  #notReadySince: number | undefined;

  constructor(
    client: KubeClient,
    nodeName: string,
    options: { readonly onError: (error: unknown) => void; readonly patienceMs?: number },
  ) {
    this.#client = client;
    this.#nodeName = nodeName;
    this.#patienceMs = options.patienceMs ?? PATIENCE_MS;
    this.#queue = new WorkQueue({
      handler: () => this.#write(),
      onError: (_, error) => options.onError(error),
      retry: { first: 500, longest: 30_000 },
    });
  }

  /** The Node as the API server has it now. */
  sees(node: Node | undefined): void {
    this.#node = node;
    if (node && this.#wanted) this.#queue.add(TYPE);
  }

  /** @param blocks of the node, for the message */
  report(blocks: readonly string[] | undefined, notReady: string | undefined): void {
    if (notReady === undefined) {
      this.#notReadySince = undefined;
      this.#wanted = {
        status: 'False',
        reason: 'FlyoverIsUp',
        message: `Flyover gives pods addresses of ${blocks?.join(', ') ?? 'its block'}`,
      };
    } else {
      this.#notReadySince ??= performance.now();
      this.#wanted = {
        status: 'True',
        reason: 'FlyoverIsNotReady',
        message: notReady.slice(0, LONGEST_MESSAGE),
      };
    }
    this.#queue.add(TYPE);
  }

  stop(): Promise<void> {
    return this.#queue.stop();
  }

  async #write(): Promise<number | undefined> {
    const wanted = this.#wanted;
    if (!wanted || !this.#node) return undefined;
    if (this.#notReadySince !== undefined) {
      const left = this.#notReadySince + this.#patienceMs - performance.now();
      if (left > 0) return left;
    }
    const live = this.#node.status?.conditions?.find(({ type }) => type === TYPE);
    if (live?.status === wanted.status && live.reason === wanted.reason && live.message === wanted.message)
      return undefined;
    const now = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
    const condition: NodeCondition = {
      type: TYPE,
      ...wanted,
      lastHeartbeatTime: now,
      lastTransitionTime: live?.status === wanted.status ? (live.lastTransitionTime ?? now) : now,
    };
    const body = { status: { conditions: [condition] } };
    const options = { type: 'strategic', subresource: 'status', fieldManager: 'flyover-agent' } as const;
    const node = await this.#client.patch(NODES, { name: this.#nodeName }, body, options);
    // Our own watch may tell of older states yet.
    if (this.#node.metadata?.uid === node.metadata?.uid) this.#node = node;
    return undefined;
  }
}
