import type { KindInfo, KubeObject } from '../schema/types.ts';
import { qualified } from './status.ts';
import { namespaceStrategy } from './strategies/namespaces.ts';
import { nodeStrategy, podStrategy } from './strategies/pods.ts';
import { serviceStrategy } from './strategies/services.ts';
import type { Strategy, StrategyContext } from './strategies/types.ts';

const STRATEGIES: Record<string, Strategy> = {
  pods: podStrategy,
  nodes: nodeStrategy,
  namespaces: namespaceStrategy,
  services: serviceStrategy,
  'jobs.batch': { defaultPropagation: 'Orphan' },
  replicationcontrollers: { defaultPropagation: 'Orphan' },
};

/** What is particular to a kind's writes. */
export function strategyOf(kind: KindInfo): Strategy {
  return STRATEGIES[qualified(kind)] ?? {};
}

const hasStatus = (kind: KindInfo): boolean => kind.subresources.some((one) => one.name === 'status');

/** Only the status subresource writes the status: creates begin without one. */
export function prepareCreate(kind: KindInfo, object: KubeObject, context: StrategyContext): void {
  const strategy = strategyOf(kind);
  if (hasStatus(kind) && !strategy.statusOnCreate) delete object.status;
  strategy.prepareCreate?.(object, context);
}

/** Parts that a write to `subresource` may not touch are those of the live object. */
export function prepareUpdate(
  kind: KindInfo,
  object: KubeObject,
  live: KubeObject,
  subresource: string | undefined,
  context: StrategyContext,
): KubeObject {
  const strategy = strategyOf(kind);
  if (subresource === 'status') {
    const next: KubeObject = { ...live, metadata: { ...live.metadata } };
    if (object.status === undefined) delete next.status;
    else next.status = object.status;
    const meta = object.metadata ?? {};
    const kept = next.metadata ?? {};
    // Upstream's status strategies of the core's kinds let labels and annotations through, those of apps, batch and CRDs do not.
    if (kind.builtin && kind.group === '')
      for (const field of ['labels', 'annotations', 'finalizers'] as const) {
        if (meta[field] === undefined) delete kept[field];
        else Object.assign(kept, { [field]: meta[field] });
      }
    if (meta.managedFields) kept.managedFields = meta.managedFields;
    strategy.prepareStatus?.(next, live, context);
    return next;
  }
  if (hasStatus(kind) && !subresource) {
    if (live.status === undefined) delete object.status;
    else object.status = live.status;
  }
  // Other subresources write what is theirs of the whole object.
  if (!subresource) strategy.prepareUpdate?.(object, live, context);
  return object;
}
