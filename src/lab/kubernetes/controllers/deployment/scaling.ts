// The sizes of a Deployment's ReplicaSets: one step of a rollout, or of a change of size. Pure.
import type { Deployment, ReplicaSet } from '../common/objects.ts';
import { DESIRED_REPLICAS, MAX_REPLICAS } from './annotations.ts';
import { isRolling, limitsOf } from './limits.ts';

export interface Scale {
  set: ReplicaSet;
  to: number;
}

export const sizeOf = (rs: ReplicaSet): number => rs.spec.replicas ?? 1;
export const sumSizes = (sets: readonly ReplicaSet[]): number =>
  sets.reduce((sum, rs) => sum + sizeOf(rs), 0);
const available = (rs: ReplicaSet): number => rs.status.availableReplicas ?? 0;
const oldestFirst = (a: ReplicaSet, b: ReplicaSet): number =>
  a.metadata.creationTimestamp < b.metadata.creationTimestamp
    ? -1
    : a.metadata.creationTimestamp > b.metadata.creationTimestamp
      ? 1
      : a.metadata.name < b.metadata.name
        ? -1
        : 1;

/** The size the current ReplicaSet may have now: all at once with Recreate, else as far as the surge allows. */
export function newSetSize(d: Deployment, sets: readonly ReplicaSet[], current: number): number {
  const replicas = d.spec.replicas ?? 1;
  if (!isRolling(d)) return replicas;
  const room = replicas + limitsOf(d).surge - sumSizes(sets);
  if (room <= 0) return current;
  return current + Math.max(0, Math.min(room, replicas - current));
}

/** One step of a rolling update: grow the current one; when it cannot, shrink the old ones. */
export function rollingStep(d: Deployment, current: ReplicaSet, old: readonly ReplicaSet[]): Scale[] {
  const replicas = d.spec.replicas ?? 1;
  const size = sizeOf(current);
  const target = size > replicas ? replicas : newSetSize(d, [current, ...old], size);
  if (target !== size) return [{ set: current, to: target }];
  return shrinkOld(d, current, old);
}

function shrinkOld(d: Deployment, current: ReplicaSet, old: readonly ReplicaSet[]): Scale[] {
  if (!sumSizes(old)) return [];
  const replicas = d.spec.replicas ?? 1;
  const minimum = replicas - limitsOf(d).unavailable;
  const all = [current, ...old];
  const unready = sizeOf(current) - available(current);
  const room = sumSizes(all) - minimum - unready;
  if (room <= 0) return [];
  const sizes = new Map(old.map((rs) => [rs, sizeOf(rs)]));
  const ordered = [...old].sort(oldestFirst);
  // Pods that do not work give way first: they cost no availability.
  let cleaned = 0;
  for (const rs of ordered) {
    const size = sizes.get(rs) ?? 0;
    const broken = Math.min(room - cleaned, size - available(rs));
    if (broken <= 0) continue;
    cleaned += broken;
    sizes.set(rs, size - broken);
  }
  let budget = all.reduce((sum, rs) => sum + available(rs), 0) - minimum;
  for (const rs of ordered) {
    if (budget <= 0) break;
    const size = sizes.get(rs) ?? 0;
    const step = Math.min(size, budget);
    sizes.set(rs, size - step);
    budget -= step;
  }
  return changes(sizes);
}

/** Whether the Deployment's size was changed since its ReplicaSets were last sized. */
export function wasResized(d: Deployment, sets: readonly ReplicaSet[]): boolean {
  const wanted = String(d.spec.replicas ?? 1);
  return sets.some((rs) => {
    const noted = rs.metadata.annotations?.[DESIRED_REPLICAS];
    return sizeOf(rs) > 0 && noted !== undefined && noted !== wanted;
  });
}

/**
 * The sizes after a change of the Deployment's: all to the one that is active (or the current one); in the middle of a rollout each in
 * proportion, so that the rollout goes on from where it is.
 */
export function resize(d: Deployment, current: ReplicaSet | undefined, old: readonly ReplicaSet[]): Scale[] {
  const replicas = d.spec.replicas ?? 1;
  const all = current ? [...old, current] : [...old];
  const active = all.filter((rs) => sizeOf(rs) > 0);
  if (active.length <= 1) {
    const only = active[0] ?? current ?? [...old].sort(oldestFirst).at(-1);
    return only ? [{ set: only, to: replicas }] : [];
  }
  if (current && isSaturated(d, current))
    return old.filter((rs) => sizeOf(rs) > 0).map((set) => ({ set, to: 0 }));
  return isRolling(d) ? proportional(d, active) : [];
}

function isSaturated(d: Deployment, rs: ReplicaSet): boolean {
  const replicas = d.spec.replicas ?? 1;
  return (
    sizeOf(rs) === replicas &&
    rs.metadata.annotations?.[DESIRED_REPLICAS] === String(replicas) &&
    available(rs) === replicas
  );
}

function proportional(d: Deployment, active: readonly ReplicaSet[]): Scale[] {
  const replicas = d.spec.replicas ?? 1;
  const allowed = replicas > 0 ? replicas + limitsOf(d).surge : 0;
  const toAdd = allowed - sumSizes(active);
  const sign = toAdd > 0 ? -1 : 1;
  // The largest first; among equals the newest when it grows, the oldest when it shrinks.
  const ordered = [...active].sort((a, b) => sizeOf(b) - sizeOf(a) || sign * oldestFirst(a, b));
  const sizes = new Map<ReplicaSet, number>();
  let added = 0;
  for (const rs of ordered) {
    const share = toAdd ? portion(d, rs, toAdd, added, allowed) : 0;
    sizes.set(rs, sizeOf(rs) + share);
    added += share;
  }
  const first = ordered[0];
  if (first && toAdd) sizes.set(first, Math.max(0, (sizes.get(first) ?? 0) + toAdd - added));
  // All of them, also unchanged ones: each is to note the new wanted size.
  return [...sizes].map(([set, to]) => ({ set, to }));
}

function portion(d: Deployment, rs: ReplicaSet, toAdd: number, added: number, allowed: number): number {
  if (toAdd === added) return 0;
  const size = sizeOf(rs);
  const before = Number(rs.metadata.annotations?.[MAX_REPLICAS]) || d.status.replicas || size;
  const share = (d.spec.replicas ?? 1) === 0 ? -size : Math.round((size * allowed) / before) - size;
  const left = toAdd - added;
  return toAdd > 0 ? Math.min(share, left) : Math.max(share, left);
}

function changes(sizes: Map<ReplicaSet, number>): Scale[] {
  return [...sizes].filter(([rs, to]) => to !== sizeOf(rs)).map(([set, to]) => ({ set, to }));
}
