import type { Probe } from '../model.ts';

export type ProbeKind = 'startup' | 'liveness' | 'readiness';

/** A probe's numbers with Kubernetes' defaults; seconds. */
export interface ProbeNumbers {
  readonly initialDelay: number;
  readonly period: number;
  readonly timeout: number;
  readonly successThreshold: number;
  readonly failureThreshold: number;
}

export function probeNumbers(probe: Probe): ProbeNumbers {
  return {
    initialDelay: probe.initialDelaySeconds ?? 0,
    period: Math.max(1, probe.periodSeconds ?? 10),
    timeout: Math.max(1, probe.timeoutSeconds ?? 1),
    successThreshold: Math.max(1, probe.successThreshold ?? 1),
    failureThreshold: Math.max(1, probe.failureThreshold ?? 3),
  };
}

/**
 * What a container's probe says after so many results in a row: until the first verdict a container is alive, not
 * ready and not started.
 */
export class ProbeState {
  readonly kind: ProbeKind;
  readonly #numbers: ProbeNumbers;
  #passing: boolean | undefined;
  #last: boolean | undefined;
  #run = 0;

  /** @param initial - the verdict to begin with, of a container that was known before */
  constructor(kind: ProbeKind, numbers: ProbeNumbers, initial?: boolean) {
    this.kind = kind;
    this.#numbers = numbers;
    this.#passing = initial ?? (kind === 'liveness' ? true : undefined);
  }

  /** Whether it is known to pass. */
  get passing(): boolean {
    return this.#passing === true;
  }

  /** Whether it is known to fail. A container that has not been asked yet does not. */
  get failing(): boolean {
    return this.#passing === false;
  }

  /** Whether there is nothing more to ask of this container. */
  get done(): boolean {
    return this.kind === 'startup' ? this.#passing !== undefined : this.kind === 'liveness' && this.failing;
  }

  /** Takes a result. @returns whether the verdict has changed */
  record(success: boolean): boolean {
    this.#run = this.#last === success ? this.#run + 1 : 1;
    this.#last = success;
    const { successThreshold, failureThreshold } = this.#numbers;
    if (this.#run < (success ? successThreshold : failureThreshold)) return false;
    const changed = this.#passing !== success;
    this.#passing = success;
    return changed;
  }
}
