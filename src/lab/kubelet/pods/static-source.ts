import { createHash } from 'node:crypto';
import { type FSWatcher, mkdirSync, readdirSync, readFileSync, watch } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import type { Pod } from '../../../kube/types.ts';
import { type KubeletPod, timestamp, toKubeletPod } from '../model.ts';
import type { PodManager } from './pod-manager.ts';

const FILE = /\.(ya?ml|json)$/;
/** Looked at again even if nobody says that something changed. Milliseconds. */
const POLL_MS = 20_000;
const SETTLE_MS = 50;

/**
 * A pod from a file of the node. Its uid is of its content: another content is another pod.
 *
 * @throws Error when it is no pod
 */
export function staticPod(object: Pod, nodeName: string): KubeletPod {
  if (object?.kind !== 'Pod' || !object.metadata?.name || !object.spec?.containers?.length) {
    throw new Error('is no pod with a name and containers');
  }
  const hash = createHash('md5').update(JSON.stringify(object)).update(nodeName).digest('hex');
  const uid = hash.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  const { metadata, spec } = object;
  const pod: Pod = {
    ...object,
    metadata: {
      ...metadata,
      name: `${metadata.name}-${nodeName}`,
      namespace: metadata.namespace ?? 'default',
      uid: metadata.uid ?? uid,
      creationTimestamp: metadata.creationTimestamp ?? timestamp(Date.now()),
      annotations: {
        ...metadata.annotations,
        'kubernetes.io/config.source': 'file',
        'kubernetes.io/config.hash': hash,
      },
    },
    spec: { ...spec, nodeName, enableServiceLinks: spec.enableServiceLinks ?? true },
  };
  return toKubeletPod(pod, true);
}

/** Pods from the files of a folder, which is watched. */
export class StaticPods {
  readonly #folder: string;
  readonly #nodeName: string;
  readonly #manager: PodManager;
  readonly #log: (message: string) => void;
  readonly #known = new Map<string, KubeletPod>();
  #watcher: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(folder: string, nodeName: string, manager: PodManager, log: (message: string) => void) {
    this.#folder = folder;
    this.#nodeName = nodeName;
    this.#manager = manager;
    this.#log = log;
  }

  start(): void {
    mkdirSync(this.#folder, { recursive: true });
    this.#watcher = watch(this.#folder, () => this.#soon(SETTLE_MS));
    this.#read();
  }

  stop(): void {
    this.#watcher?.close();
    clearTimeout(this.#timer);
  }

  #soon(delayMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#read(), delayMs);
  }

  #read(): void {
    const found = new Map<string, KubeletPod>();
    for (const name of readdirSync(this.#folder).filter((each) => FILE.test(each) && !each.startsWith('.'))) {
      try {
        for (const document of parseAllDocuments(readFileSync(join(this.#folder, name), 'utf8'))) {
          const pod = staticPod(document.toJS() as Pod, this.#nodeName);
          found.set(pod.uid, pod);
        }
      } catch (error) {
        this.#log(`static pod ${name}: ${(error as Error).message}`);
      }
    }
    for (const [uid, pod] of this.#known) {
      if (found.has(uid)) continue;
      this.#known.delete(uid);
      this.#manager.delete(pod);
    }
    for (const [uid, pod] of found) {
      if (this.#known.has(uid)) continue;
      this.#known.set(uid, pod);
      this.#manager.set(pod);
    }
    this.#soon(POLL_MS);
  }
}
