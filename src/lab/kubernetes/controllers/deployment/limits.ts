// How far a rollout may go beyond and below the wanted size.

import type { Deployment } from '../common/objects.ts';
import { scaled } from '../common/quantity.ts';

export const isRolling = (d: Deployment): boolean => d.spec.strategy?.type !== 'Recreate';

/** maxSurge and maxUnavailable as numbers of pods: surge rounded up, unavailable down, never both 0. */
export function limitsOf(d: Deployment): { surge: number; unavailable: number } {
  const replicas = d.spec.replicas ?? 1;
  if (!isRolling(d)) return { surge: 0, unavailable: 0 };
  const { maxSurge = '25%', maxUnavailable = '25%' } = d.spec.strategy?.rollingUpdate ?? {};
  const surge = scaled(maxSurge, replicas, 'up');
  const unavailable = scaled(maxUnavailable, replicas, 'down');
  if (surge === 0 && unavailable === 0) return { surge, unavailable: 1 };
  return { surge, unavailable: Math.min(unavailable, replicas) };
}

export const surgeOf = (d: Deployment): number => limitsOf(d).surge;
