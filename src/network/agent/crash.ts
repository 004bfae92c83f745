/**
 * A test hook: with `FLYOVER_CRASH_AT=<step>` in its environment the agent kills itself with SIGKILL the
 * first time (`<step>:<n>`: the n-th time) it reaches that step, as a power cut would. The churn test walks the whole list. Unset (always,
 * outside of tests) it costs one comparison a step.
 */
export const CRASH_STEPS = [
  'add:begin',
  'add:link-created',
  'add:address-written',
  'add:sources-admitted',
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

/** `<step>` or `<step>:<n>`: the n-th time that it is reached. */
const SETTING = /^(\w+:[a-z-]+?)(?::([1-9]\d{0,5}))?$/;

const parts = SETTING.exec(process.env.FLYOVER_CRASH_AT ?? '');
const wanted = parts?.[1];
let left = Number(parts?.[2] ?? 1);

/** What is wrong with `FLYOVER_CRASH_AT`, if anything; main refuses to start then. */
export function crashStepProblem(value = process.env.FLYOVER_CRASH_AT): string | undefined {
  if (value === undefined || value === '') return undefined;
  const step = SETTING.exec(value)?.[1];
  if ((CRASH_STEPS as readonly (string | undefined)[]).includes(step)) return undefined;
  return `FLYOVER_CRASH_AT=${value} is not a step; the steps are ${CRASH_STEPS.join(', ')}`;
}

/** Marks that `step` has been reached. */
export function reached(step: CrashStep): void {
  if (step === wanted && --left === 0) process.kill(process.pid, 'SIGKILL');
}
