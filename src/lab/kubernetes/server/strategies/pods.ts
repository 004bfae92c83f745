import type { KubeObject } from '../../schema/types.ts';
import { POD_UPDATES } from '../../validation/pods.ts';
import { same } from '../../validation/report.ts';
import { invalid } from '../status.ts';
import type { Strategy } from './types.ts';

interface Resources {
  requests?: Record<string, string>;
  limits?: Record<string, string>;
}

interface PodObject extends KubeObject {
  spec?: {
    nodeName?: string;
    ephemeralContainers?: unknown[];
    terminationGracePeriodSeconds?: number;
    containers?: { resources?: Resources }[];
    initContainers?: { resources?: Resources }[];
  };
  status?: { phase?: string; qosClass?: string };
}

/** Requests are those of limits where missing, which defaulting has seen to. */
export function qosClass(pod: PodObject): string {
  const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
  const relevant = ['cpu', 'memory'] as const;
  const named = (list?: Record<string, string>) =>
    relevant.filter((name) => list?.[name] !== undefined && Number.parseFloat(list[name]) !== 0);
  const some = containers.some(
    ({ resources }) => named(resources?.requests).length + named(resources?.limits).length > 0,
  );
  if (!some) return 'BestEffort';
  const guaranteed = containers.every(
    ({ resources }) =>
      named(resources?.limits).length === relevant.length &&
      relevant.every(
        (name) => (resources?.requests?.[name] ?? resources?.limits?.[name]) === resources?.limits?.[name],
      ),
  );
  return guaranteed ? 'Guaranteed' : 'Burstable';
}

const GRACE = 30;

export const podStrategy: Strategy = {
  prepareCreate(object) {
    object.status = { phase: 'Pending', qosClass: qosClass(object as PodObject) };
  },
  // Validation lets them through, for it does not know what binds and what debugs.
  prepareUpdate(object, live) {
    const [now, before] = [(object as PodObject).spec, (live as PodObject).spec];
    const changed = (['nodeName', 'ephemeralContainers'] as const).filter(
      (field) => !same(now?.[field], before?.[field]),
    );
    if (changed.length === 0) return;
    const paths = changed.map((field) => `spec.${field}`).join(', ');
    throw invalid({ group: '', kind: 'Pod' }, live.metadata?.name ?? '', [
      {
        field: 'spec',
        type: 'FieldValueForbidden',
        message: `Forbidden: ${POD_UPDATES}\nchanged: ${paths}`,
      },
    ]);
  },
  prepareStatus(object, live) {
    const qos = (live as PodObject).status?.qosClass;
    if (qos) object.status = { ...(object as PodObject).status, qosClass: qos };
  },
  // A pod on a node ends when its kubelet says so (a delete with grace 0); one without a node, or that has ended, at once.
  gracePeriod(object, asked) {
    const { spec, status } = object as PodObject;
    const ended = status?.phase === 'Failed' || status?.phase === 'Succeeded';
    if (!spec?.nodeName || ended) return 0;
    const grace = asked ?? spec.terminationGracePeriodSeconds ?? GRACE;
    return grace < 0 ? 1 : grace;
  },
};

/** A kubelet registers a node with its status. */
export const nodeStrategy: Strategy = { statusOnCreate: true };
