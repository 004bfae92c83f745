import { join } from 'node:path';
import type { KubeletPod } from './model.ts';

/** Where logs lie on a node, as log collectors expect it. */
export const LOG_ROOT = '/var/log/pods';

type Named = Pick<KubeletPod, 'namespace' | 'name' | 'uid'>;

/** The folder with a pod's logs. */
export function podLogFolder(pod: Named): string {
  return join(LOG_ROOT, `${pod.namespace}_${pod.name}_${pod.uid}`);
}

/** A container's log below its pod's folder. @param restartCount - how often it was started before */
export function containerLogPath(container: string, restartCount: number): string {
  return `${container}/${restartCount}.log`;
}

/** The folders of the kubelet's pods, with names as every kubelet has them. */
export class PodPaths {
  readonly #root: string;
  readonly #memory: string;

  /**
   * @param root - on the node's disk: `/var/lib/kubelet`
   * @param memory - on a file system in memory: `/run/kubelet`; what is secret never reaches a disk
   */
  constructor(root: string, memory: string) {
    this.#root = root;
    this.#memory = memory;
  }

  /** Folders that hold a folder for each pod, by uid. */
  roots(): string[] {
    return [join(this.#root, 'pods'), join(this.#memory, 'pods')];
  }

  pod(uid: string): string {
    return join(this.#root, 'pods', uid);
  }

  hostsFile(uid: string): string {
    return join(this.pod(uid), 'etc-hosts');
  }

  /** Where a container leaves its last words. @param restartCount - how often it was started before */
  terminationMessage(uid: string, container: string, restartCount: number): string {
    return join(this.pod(uid), 'containers', container, `${restartCount}.message`);
  }

  /** @param kind - `empty-dir`, `configmap`, `secret`, `projected`, `downward-api` */
  volume(uid: string, kind: string, name: string): string {
    const root = kind === 'secret' || kind === 'projected' ? this.#memory : this.#root;
    return join(root, 'pods', uid, 'volumes', `kubernetes.io~${kind}`, name);
  }

  subPath(uid: string, volume: string, container: string, index: number): string {
    return join(this.pod(uid), 'volume-subpaths', volume, container, String(index));
  }
}
