import type { Labels } from './objects.ts';
import type { PodPeer } from './policy.ts';
import { anchorsOf, pairOf, selectorMatches } from './selector.ts';

/** Whether the peer is a pod with these labels. */
export function peerIsPod(
  peer: PodPeer,
  namespace: string,
  labels: Labels,
  namespaceLabels: Labels,
): boolean {
  const inNamespace =
    typeof peer.namespaces === 'string'
      ? peer.namespaces === namespace
      : selectorMatches(peer.namespaces, namespaceLabels);
  return inNamespace && selectorMatches(peer.pods, labels);
}

/**
 * Things that select pods, found by the pod: kept by the label that whoever they select must have, so that those that
 * can never match are not asked.
 */
export class AnchorIndex<T> {
  readonly #items = new Map<string, Map<T, PodPeer>>();

  add(peer: PodPeer, item: T): void {
    for (const anchor of this.#anchors(peer)) {
      const held = this.#items.get(anchor);
      if (held) held.set(item, peer);
      else this.#items.set(anchor, new Map([[item, peer]]));
    }
  }

  delete(peer: PodPeer, item: T): void {
    for (const anchor of this.#anchors(peer)) {
      const held = this.#items.get(anchor);
      held?.delete(item);
      if (held?.size === 0) this.#items.delete(anchor);
    }
  }

  /** Everything that selects a pod with these labels, each once. */
  matching(namespace: string, labels: Labels, namespaceLabels: Labels): Set<T> {
    const found = new Set<T>();
    const ask = (anchor: string): void => {
      for (const [item, peer] of this.#items.get(anchor) ?? [])
        if (!found.has(item) && peerIsPod(peer, namespace, labels, namespaceLabels)) found.add(item);
    };
    ask('');
    ask(`in ${namespace}`);
    for (const key of Object.keys(labels)) {
      const pair = pairOf(key, labels[key]!);
      ask(`in ${namespace} pod ${pair}`);
      ask(`pod ${pair}`);
    }
    for (const key of Object.keys(namespaceLabels)) ask(`namespace ${pairOf(key, namespaceLabels[key]!)}`);
    return found;
  }

  #anchors({ namespaces, pods }: PodPeer): readonly string[] {
    const byPod = anchorsOf(pods);
    if (typeof namespaces === 'string')
      return byPod ? byPod.map((pair) => `in ${namespaces} pod ${pair}`) : [`in ${namespaces}`];
    if (byPod) return byPod.map((pair) => `pod ${pair}`);
    return anchorsOf(namespaces)?.map((pair) => `namespace ${pair}`) ?? [''];
  }
}
