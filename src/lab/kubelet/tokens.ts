import type { KubeClient } from '../../kube/client.ts';
import { SERVICE_ACCOUNTS } from '../../kube/resources.ts';
import type { KubeletPod } from './model.ts';

interface Token {
  readonly text: string;
  /** Milliseconds since 1970: after this it is to be replaced. */
  readonly refreshAt: number;
  /** Milliseconds since 1970: after this it is worth nothing. */
  readonly expiresAt: number;
}

/** The part of its life after which a token is replaced, and the longest time in any case. */
const WORN = 0.8;
const LONGEST_MS = 24 * 3600_000;

/** When a token that is given now for so long is to be replaced. Milliseconds since 1970. */
export function refreshTime(now: number, expiresAt: number): number {
  return Math.min(now + (expiresAt - now) * WORN, now + LONGEST_MS);
}

/** Tokens of service accounts, each bound to the pod that it is for, replaced before they expire. */
export class TokenCache {
  readonly #client: KubeClient | undefined;
  readonly #now: () => number;
  readonly #tokens = new Map<string, Token>();

  constructor(client: KubeClient | undefined, now: () => number = Date.now) {
    this.#client = client;
    this.#now = now;
  }

  /** @param audience - empty: the API server itself @param seconds - of life */
  async token(pod: KubeletPod, audience: string, seconds: number): Promise<string> {
    if (!this.#client) throw new Error('this node has no API server that could issue tokens');
    const key = `${pod.uid}/${audience}/${seconds}`;
    const known = this.#tokens.get(key);
    const now = this.#now();
    if (known && now < known.refreshAt) return known.text;
    const name = pod.spec.serviceAccountName || 'default';
    const request = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: {
        audiences: audience === '' ? [] : [audience],
        expirationSeconds: seconds,
        boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: pod.name, uid: pod.uid },
      },
    };
    try {
      const answer = (await this.#client.post(
        SERVICE_ACCOUNTS,
        { namespace: pod.namespace, name },
        'token',
        request,
      )) as { status?: { token?: string; expirationTimestamp?: string } };
      const { token: text, expirationTimestamp } = answer.status ?? {};
      if (!text)
        throw new Error(`the API server issued no token for service account ${pod.namespace}/${name}`);
      const expiresAt = expirationTimestamp ? Date.parse(expirationTimestamp) : now + seconds * 1000;
      this.#tokens.set(key, { text, expiresAt, refreshAt: refreshTime(now, expiresAt) });
      return text;
    } catch (error) {
      // An API server that is away for a while must not take what still works.
      if (known && now < known.expiresAt) return known.text;
      throw error;
    }
  }

  /** Forgets the tokens of a pod. */
  forget(uid: string): void {
    for (const key of this.#tokens.keys()) if (key.startsWith(`${uid}/`)) this.#tokens.delete(key);
  }
}
