/** What one check found. `fail` means that the lab cannot run here; `warn` that something may be missed. */
export interface Check {
  name: string;
  status: 'ok' | 'warn' | 'fail';
  /** What is there, in words. */
  found: string;
  /** What should be there and, where it is not plain, why. */
  rule: string;
  /** What to do about it. Present when the status is not `ok`. */
  fix?: string;
}

/** Whether something worked when it was tried, and how; undefined when it could not be tried, which needs root. */
export type Probe = { works: true; how?: string } | { works: false; error: string } | undefined;

/** Found by whoever may not try. */
export const NOT_TRIED = 'not tried';

/** The check of something that was tried. `severity` is what its absence means. */
export function probeCheck(
  name: string,
  probe: Probe,
  severity: 'warn' | 'fail',
  text: { rule: string; fix: string },
): Check {
  if (probe === undefined) {
    return {
      name,
      status: 'warn',
      found: NOT_TRIED,
      rule: text.rule,
      fix: 'run as root: sudo ./flyover doctor',
    };
  }
  if (probe.works) return { name, status: 'ok', found: probe.how ?? 'works', rule: text.rule };
  const fix = /\b(EPERM|EACCES|not permitted|denied)\b/.test(probe.error)
    ? 'root may not do this here; in a container: start it with --privileged'
    : text.fix;
  return { name, status: severity, found: probe.error, rule: text.rule, fix };
}

/** Runs `attempt` and keeps what it said when it failed, or how it worked. */
export function probe(attempt: () => unknown): Probe {
  try {
    const how = attempt();
    return typeof how === 'string' ? { works: true, how } : { works: true };
  } catch (error) {
    return { works: false, error: error instanceof Error ? error.message : String(error) };
  }
}
