// Taints and tolerations.
import type { PodSpec, Taint, Toleration } from '../controllers/common/objects.ts';

export const UNSCHEDULABLE_TAINT: Taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };

export function tolerates(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false;
  if (toleration.key && toleration.key !== taint.key) return false;
  if (toleration.operator === 'Exists') return true;
  return !!toleration.key && (toleration.value ?? '') === (taint.value ?? '');
}

export function isTolerated(taint: Taint, tolerations: readonly Toleration[] | undefined): boolean {
  return tolerations?.some((toleration) => tolerates(toleration, taint)) === true;
}

/** The first taint that keeps the pod away (NoSchedule or NoExecute, or only the latter). */
export function untolerated(
  spec: PodSpec,
  taints: readonly Taint[] | undefined,
  effects: readonly string[] = ['NoSchedule', 'NoExecute'],
): Taint | undefined {
  return taints?.find((taint) => effects.includes(taint.effect) && !isTolerated(taint, spec.tolerations));
}

/** How many PreferNoSchedule taints the pod does not tolerate. */
export function disliked(spec: PodSpec, taints: readonly Taint[] | undefined): number {
  return (
    taints?.filter((taint) => taint.effect === 'PreferNoSchedule' && !isTolerated(taint, spec.tolerations))
      .length ?? 0
  );
}
