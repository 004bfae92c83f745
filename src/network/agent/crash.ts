/**
 * A test hook: with `FLYOVER_CRASH_AT=<step>` in its environment the agent kills itself with SIGKILL the
 * first time it reaches that step, as a power cut would. The churn test walks the whole list. Unset (always,
 * outside of tests) it costs one comparison a step.
 */
export const CRASH_STEPS = [
  'add:begin',
  'add:address-written',
  'add:sources-admitted',
  'add:link-created',
  'add:pod-configured',
  'add:host-configured',
  'add:before-answer',
  'del:begin',
  'del:sources-withdrawn',
  'del:link-deleted',
  'del:address-released',
  'del:before-answer',
] as const;

export type CrashStep = (typeof CRASH_STEPS)[number];

const wanted = process.env.FLYOVER_CRASH_AT;

/** Whether `FLYOVER_CRASH_AT` names a step that exists; main refuses to start otherwise. */
export function crashStepProblem(value = wanted): string | undefined {
  if (value === undefined || value === '' || (CRASH_STEPS as readonly string[]).includes(value))
    return undefined;
  return `FLYOVER_CRASH_AT=${value} is not a step; the steps are ${CRASH_STEPS.join(', ')}`;
}

/** Marks that `step` has been reached. */
export function reached(step: CrashStep): void {
  if (step === wanted) process.kill(process.pid, 'SIGKILL');
}
