import { createHash } from 'node:crypto';
import { type Container, gracePeriod, type KubeletPod } from './model.ts';

/*
 * What the kubelet writes on sandboxes and containers, under the names that every kubelet and every tool for
 * containers uses. Killed and started again, it finds all it needs here.
 */

export const POD_NAME = 'io.kubernetes.pod.name';
export const POD_NAMESPACE = 'io.kubernetes.pod.namespace';
export const POD_UID = 'io.kubernetes.pod.uid';
export const CONTAINER_NAME = 'io.kubernetes.container.name';

const HASH = 'io.kubernetes.container.hash';
const RESTART_COUNT = 'io.kubernetes.container.restartCount';
const MESSAGE_PATH = 'io.kubernetes.container.terminationMessagePath';
const MESSAGE_POLICY = 'io.kubernetes.container.terminationMessagePolicy';
const GRACE = 'io.kubernetes.pod.terminationGracePeriod';

export function podLabels(pod: KubeletPod): Record<string, string> {
  return {
    ...pod.object.metadata?.labels,
    [POD_NAME]: pod.name,
    [POD_NAMESPACE]: pod.namespace,
    [POD_UID]: pod.uid,
  };
}

export function containerLabels(pod: KubeletPod, container: Container): Record<string, string> {
  return {
    [POD_NAME]: pod.name,
    [POD_NAMESPACE]: pod.namespace,
    [POD_UID]: pod.uid,
    [CONTAINER_NAME]: container.name,
  };
}

/** Of what of a container may change while its pod lives: another hash means that it has to be made again. */
export function containerHash(container: Container): string {
  return createHash('sha256')
    .update(`${container.name}\0${container.image ?? ''}`)
    .digest('hex')
    .slice(0, 16);
}

export function containerAnnotations(
  pod: KubeletPod,
  container: Container,
  restartCount: number,
): Record<string, string> {
  return {
    [HASH]: containerHash(container),
    [RESTART_COUNT]: String(restartCount),
    [MESSAGE_PATH]: container.terminationMessagePath ?? '/dev/termination-log',
    [MESSAGE_POLICY]: container.terminationMessagePolicy ?? 'File',
    [GRACE]: String(gracePeriod(pod)),
  };
}

/** What {@link containerAnnotations} said, with defaults for containers that somebody else made. */
export interface ContainerNotes {
  readonly hash: string;
  readonly restartCount: number;
  readonly messagePath: string;
  readonly fallbackToLogs: boolean;
  readonly graceSeconds: number;
}

export function readAnnotations(annotations: Readonly<Record<string, string>>): ContainerNotes {
  return {
    hash: annotations[HASH] ?? '',
    restartCount: Number(annotations[RESTART_COUNT] ?? 0) || 0,
    messagePath: annotations[MESSAGE_PATH] ?? '',
    fallbackToLogs: annotations[MESSAGE_POLICY] === 'FallbackToLogsOnError',
    graceSeconds: Number(annotations[GRACE] ?? 30) || 0,
  };
}
