// What pods ask for and what nodes have, as whole numbers: thousandths of a core, bytes, pieces.

import type { PodSpec } from '../controllers/common/objects.ts';
import { units } from '../controllers/common/quantity.ts';

export type Resources = Record<string, number>;

type Amounts = Record<string, string> | undefined;

/** What counts for a container that asks for nothing, in scores only: 100m and 200 MB. */
export const DEFAULT_CPU = 100;
export const DEFAULT_MEMORY = 200 * 1024 * 1024;

export function add(to: Resources, more: Resources, sign = 1): void {
  for (const key in more) to[key] = (to[key] ?? 0) + sign * (more[key] ?? 0);
}

export function parse(amounts: Amounts): Resources {
  const result: Resources = {};
  for (const key in amounts) result[key] = units(key, amounts[key]);
  return result;
}

function atLeast(to: Resources, other: Resources): void {
  for (const key in other) to[key] = Math.max(to[key] ?? 0, other[key] ?? 0);
}

/**
 * The effective request of a pod: its containers together with its sidecars, or the largest moment of its start (an init container beside the
 * sidecars started before it), and its overhead. Requests at pod level take the place of their sums.
 * @param estimate count defaults where a container asks for no cpu or memory, as scores do
 */
export function podRequests(spec: PodSpec, estimate = false): Resources {
  const of = (amounts: Amounts): Resources => {
    const result = parse(amounts);
    if (estimate) {
      result.cpu ||= DEFAULT_CPU;
      result.memory ||= DEFAULT_MEMORY;
    }
    return result;
  };
  const running: Resources = {};
  for (const container of spec.containers) add(running, of(container.resources?.requests));
  const sidecars: Resources = {};
  const starting: Resources = {};
  for (const container of spec.initContainers ?? []) {
    const request = of(container.resources?.requests);
    if (container.restartPolicy === 'Always') {
      add(sidecars, request);
      atLeast(starting, sidecars);
    } else {
      add(request, sidecars);
      atLeast(starting, request);
    }
  }
  add(running, sidecars);
  atLeast(running, starting);
  Object.assign(running, parse(spec.resources?.requests));
  add(running, parse(spec.overhead));
  return running;
}
