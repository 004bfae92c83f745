import { podField } from '../fields.ts';
import type { KeyToPath, KubeletPod } from '../model.ts';
import { containerResource, type NodeResources } from '../resources.ts';

/** A file of a volume made of API objects. */
export interface PayloadFile {
  readonly data: Buffer;
  /** Permission bits. */
  readonly mode: number;
}
/** Files by relative path. */
export type Payload = Map<string, PayloadFile>;

/** A volume that cannot be made now: event `FailedMount`; it is tried again. */
export class VolumeError extends Error {
  override readonly name = 'VolumeError';
}

/** The mode of files in such volumes when nothing else is said. */
export const DEFAULT_MODE = 0o644;

/** Keys become file names; Kubernetes itself refuses `..` and `/` at their start. */
function checkedPath(path: string): string {
  const parts = path.split('/');
  if (path === '' || path.startsWith('/') || parts.includes('..') || parts[0]!.startsWith('..')) {
    throw new VolumeError(
      `invalid path: must be relative, below the volume and not begin with '..': ${path}`,
    );
  }
  return path;
}

/**
 * The files of a ConfigMap or Secret: all keys, or the `items`.
 *
 * @param kind - for messages: `ConfigMap`
 * @throws VolumeError for an item whose key is not there, unless `optional`
 */
export function objectPayload(
  kind: string,
  name: string,
  data: ReadonlyMap<string, Buffer>,
  items: readonly KeyToPath[] | undefined,
  options: { readonly mode: number; readonly optional: boolean },
): Payload {
  const payload: Payload = new Map();
  if (!items || items.length === 0) {
    for (const [key, value] of data) payload.set(checkedPath(key), { data: value, mode: options.mode });
    return payload;
  }
  for (const { key, path, mode } of items) {
    const value = data.get(key);
    if (value) payload.set(checkedPath(path), { data: value, mode: mode ?? options.mode });
    else if (!options.optional) {
      const what = kind === 'Secret' ? 'secret key' : 'config key';
      throw new VolumeError(`references non-existent ${what}: ${key} (${kind} "${name}")`);
    }
  }
  return payload;
}

interface DownwardItem {
  readonly path: string;
  readonly mode?: number;
  readonly fieldRef?: { readonly fieldPath: string };
  readonly resourceFieldRef?: {
    readonly containerName?: string;
    readonly resource: string;
    readonly divisor?: string;
  };
}

/** The files that tell a pod of itself. @throws VolumeError for a field that there is not */
export function downwardPayload(
  pod: KubeletPod,
  items: readonly DownwardItem[],
  view: {
    readonly podIps: readonly string[];
    readonly nodeIps: readonly string[];
    readonly node: NodeResources;
    readonly mode: number;
  },
): Payload {
  const payload: Payload = new Map();
  for (const { path, mode, fieldRef, resourceFieldRef } of items) {
    let text: string | undefined;
    if (fieldRef) {
      text = podField(pod, fieldRef.fieldPath, view);
      if (text === undefined) throw new VolumeError(`unsupported fieldPath: ${fieldRef.fieldPath}`);
    } else if (resourceFieldRef) {
      const all = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])];
      const container = all.find((each) => each.name === resourceFieldRef.containerName);
      if (!container) throw new VolumeError(`container ${resourceFieldRef.containerName ?? ''} not found`);
      text = containerResource(container, resourceFieldRef.resource, resourceFieldRef.divisor, view.node);
    }
    payload.set(checkedPath(path), { data: Buffer.from(text ?? ''), mode: mode ?? view.mode });
  }
  return payload;
}

/** Gives the files to the pod's group: readable by it, as upstream does with read-only volumes. */
export function forGroup(payload: Payload, fsGroup: number | undefined): Payload {
  if (fsGroup === undefined) return payload;
  return new Map([...payload].map(([path, file]) => [path, { ...file, mode: file.mode | 0o440 }]));
}
