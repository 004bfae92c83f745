import type { Node, Pod } from '../controllers/common/objects.ts';
import { isTerminal } from '../controllers/common/pods.ts';
import { NodeInfo, type PodInfo, podInfo } from './node-info.ts';

/**
 * Nodes with the pods on them: those the API shows there, and those that were just given there and are not seen yet ("assumed"). So two
 * decisions never give away the same room.
 */
export class SchedulerCache {
  readonly #nodes = new Map<string, NodeInfo>();
  /** Where each pod counts, by uid. */
  readonly #places = new Map<string, { node: string; info: PodInfo; assumed: boolean }>();
  /** Pods on nodes that are not there (yet), by the node's name. */
  readonly #homeless = new Map<string, Set<string>>();
  #list: NodeInfo[] | undefined;

  /** In a steady order. */
  get nodes(): readonly NodeInfo[] {
    this.#list ??= [...this.#nodes.values()];
    return this.#list;
  }

  /** Whether a pod that was given a node is not seen there yet. */
  isAssumed(uid: string): boolean {
    return this.#places.get(uid)?.assumed === true;
  }

  setNode(node: Node): void {
    const { name } = node.metadata;
    const pods = this.#nodes.get(name)?.pods.values() ?? this.#waitingFor(name);
    this.#nodes.set(name, new NodeInfo(node, pods));
    this.#homeless.delete(name);
    this.#list = undefined;
  }

  removeNode(name: string): void {
    const node = this.#nodes.get(name);
    if (node?.pods.size) this.#homeless.set(name, new Set(node.pods.keys()));
    this.#nodes.delete(name);
    this.#list = undefined;
  }

  /** What the API shows of a pod that has a node. */
  setPod(pod: Pod): void {
    const { uid } = pod.metadata;
    if (isTerminal(pod) || !pod.spec.nodeName) {
      // An assumed pod stays while the API still shows it without a node.
      if (isTerminal(pod) || !this.isAssumed(uid)) this.removePod(uid);
      return;
    }
    this.#place(podInfo(pod), pod.spec.nodeName, false);
  }

  /** Counts the pod on the node before the API says so. */
  assume(pod: PodInfo, node: string): void {
    this.#place(pod, node, true);
  }

  /** The binding failed. */
  forget(uid: string): void {
    if (this.isAssumed(uid)) this.removePod(uid);
  }

  removePod(uid: string): void {
    const place = this.#places.get(uid);
    if (!place) return;
    this.#places.delete(uid);
    this.#nodes.get(place.node)?.remove(uid);
    const homeless = this.#homeless.get(place.node);
    homeless?.delete(uid);
    if (homeless?.size === 0) this.#homeless.delete(place.node);
  }

  #place(info: PodInfo, node: string, assumed: boolean): void {
    const { uid } = info.pod.metadata;
    this.removePod(uid);
    this.#places.set(uid, { node, info, assumed });
    const target = this.#nodes.get(node);
    if (target) target.add(info);
    else {
      const homeless = this.#homeless.get(node) ?? new Set();
      this.#homeless.set(node, homeless.add(uid));
    }
  }

  *#waitingFor(node: string): Iterable<PodInfo> {
    for (const uid of this.#homeless.get(node) ?? []) {
      const place = this.#places.get(uid);
      if (place) yield place.info;
    }
  }
}
