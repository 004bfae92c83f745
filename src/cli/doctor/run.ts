import { cgroupChecks, collectCgroups } from './cgroups.ts';
import type { Check } from './check.ts';
import { collectFeatures, featureChecks } from './features.ts';
import { collectLimits, limitChecks } from './limits.ts';
import { collectMachine, machineChecks } from './machine.ts';
import { collectNeighbours, neighbourChecks } from './neighbours.ts';
import { collectPrograms, programChecks } from './programs.ts';
import { collectRoutes, rangeChecks } from './ranges.ts';

/**
 * Looks at this machine and says whether the lab can run on it. Nothing is changed. As another user than root,
 * what only root can try is reported as not tried.
 */
export async function runDoctor(): Promise<Check[]> {
  const programs = collectPrograms(); // they start while the rest is looked at
  const machine = collectMachine();
  return [
    ...machineChecks(machine),
    ...section('kernel features', () => featureChecks(collectFeatures(machine.uid === 0))),
    ...section('control groups', () => cgroupChecks(collectCgroups())),
    ...section('address ranges', () => rangeChecks(collectRoutes())),
    ...section('limits', () => limitChecks(collectLimits())),
    ...section('other software', () => neighbourChecks(collectNeighbours())),
    ...programChecks(await programs),
  ];
}

/** A machine on which something cannot even be looked at gets a failed check for it, and all the others. */
export function section(name: string, look: () => Check[]): Check[] {
  try {
    return look();
  } catch (error) {
    const found = error instanceof Error ? error.message : String(error);
    return [
      { name, status: 'fail', found, rule: 'can be looked at', fix: 'mount /proc and /sys, and run as root' },
    ];
  }
}

/** The checks that stand in the way of the lab. */
export function failures(checks: readonly Check[]): Check[] {
  return checks.filter((check) => check.status === 'fail');
}

/** One line for each thing that stands in the way of the lab, with the way out. Empty when it can run. */
export async function failedLabChecks(): Promise<string[]> {
  return failures(await runDoctor()).map(advice);
}

/** A check as a sentence: what was found and what to do about it. */
export function advice({ name, found, fix }: Check): string {
  return `${name}: ${found}${fix ? `. To mend it: ${fix}.` : ''}`;
}
