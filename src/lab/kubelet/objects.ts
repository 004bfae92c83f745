import type { KubeClient } from '../../kube/client.ts';
import { CONFIG_MAPS, type ResourceType, SECRETS } from '../../kube/resources.ts';
import type { ConfigMap, Secret } from './model.ts';

/** How long an answer is good, milliseconds: a change is seen by pods after this and the time between two looks. */
const FRESH_MS = 30_000;

interface Entry {
  readonly answer: Promise<Map<string, Buffer> | undefined>;
  readonly until: number;
}

/**
 * ConfigMaps and Secrets that this node's pods use, asked for when they are needed. Many pods that need the same one
 * at a time ask once; what does not exist is asked for each time.
 */
export class ObjectCache {
  readonly #client: KubeClient | undefined;
  readonly #entries = new Map<string, Entry>();

  /** @param client - undefined: a node without an API server, where there are none */
  constructor(client: KubeClient | undefined) {
    this.#client = client;
  }

  configMapData(namespace: string, name: string): Promise<Map<string, Buffer> | undefined> {
    return this.#data(CONFIG_MAPS, namespace, name, ({ data, binaryData }: ConfigMap) => [
      ...Object.entries(data ?? {}).map(([key, value]) => [key, Buffer.from(value)] as const),
      ...Object.entries(binaryData ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64')] as const),
    ]);
  }

  secretData(namespace: string, name: string): Promise<Map<string, Buffer> | undefined> {
    return this.#data(SECRETS, namespace, name, ({ data }: Secret) =>
      Object.entries(data ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64')] as const),
    );
  }

  #data<T>(
    type: ResourceType<T>,
    namespace: string,
    name: string,
    entriesOf: (object: T) => Iterable<readonly [string, Buffer]>,
  ): Promise<Map<string, Buffer> | undefined> {
    const client = this.#client;
    if (!client || name === '') return Promise.resolve(undefined);
    const key = `${type.kind}/${namespace}/${name}`;
    const known = this.#entries.get(key);
    const now = performance.now();
    if (known && known.until > now) return known.answer;
    if (this.#entries.size > 1000) this.#dropOld(now);
    const forget = (): void => {
      if (this.#entries.get(key)?.answer === answer) this.#entries.delete(key);
    };
    const answer = client.find(type, { namespace, name }).then(
      (object) => {
        if (object) return new Map(entriesOf(object));
        forget();
        return undefined;
      },
      (error: unknown) => {
        forget();
        throw error;
      },
    );
    this.#entries.set(key, { answer, until: now + FRESH_MS });
    return answer;
  }

  #dropOld(now: number): void {
    for (const [key, { until }] of this.#entries) if (until <= now) this.#entries.delete(key);
  }
}

/** The values as text, as variables have them. */
export function asText(data: ReadonlyMap<string, Buffer> | undefined): Map<string, string> | undefined {
  return data && new Map([...data].map(([key, value]) => [key, value.toString('utf8')]));
}
