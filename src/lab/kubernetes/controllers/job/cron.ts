// Cron schedules: five fields, names, steps, `@daily`; in any time zone. Pure.

interface Field {
  min: number;
  max: number;
  names?: string[];
}

const FIELDS: Field[] = [
  { min: 0, max: 59 },
  { min: 0, max: 23 },
  { min: 1, max: 31 },
  {
    min: 1,
    max: 12,
    names: ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'],
  },
  { min: 0, max: 7, names: ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] },
];
const MACROS: Record<string, string> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
};
const MINUTE = 60_000;
const DAY = 86_400_000;
/** No date that a schedule can name is further away: 29 February over a century. */
const HORIZON = 9 * 366 * DAY;

export class CronError extends Error {
  override name = 'CronError';
}

/** `@every 90s` in ms, or the sets of the five fields. */
export type Schedule =
  | { every: number }
  | {
      minutes: Set<number>;
      hours: Set<number>;
      days: Set<number>;
      months: Set<number>;
      weekdays: Set<number>;
      /** Neither day field is `*`: one of them is enough. */
      either: boolean;
    };

/** @throws CronError naming the field */
export function parseCron(text: string): Schedule {
  const trimmed = text.trim().toLowerCase();
  const every = /^@every\s+(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/.exec(trimmed);
  if (every) {
    const [h = 0, m = 0, s = 0] = every.slice(1).map((n) => Number(n ?? 0));
    const ms = ((h * 60 + m) * 60 + s) * 1000;
    if (ms < 1000) throw new CronError(`schedule '${text}': the interval must be at least 1s`);
    return { every: ms };
  }
  const parts = (MACROS[trimmed] ?? trimmed).split(/\s+/);
  if (parts.length !== 5)
    throw new CronError(`schedule '${text}' has ${parts.length} fields; expected exactly 5 fields`);
  const [minutes, hours, days, months, weekdays] = parts.map((part, i) =>
    parseField(part, FIELDS[i] as Field, text),
  ) as [Set<number>, Set<number>, Set<number>, Set<number>, Set<number>];
  if (weekdays.delete(7)) weekdays.add(0);
  const any = (part: string | undefined): boolean => /^[*?]/.test(part ?? '');
  return { minutes, hours, days, months, weekdays, either: !any(parts[2]) && !any(parts[4]) };
}

function parseField(part: string, field: Field, schedule: string): Set<number> {
  const result = new Set<number>();
  for (const item of part.split(',')) {
    const match = /^(\*|\?|[0-9a-z]+)(?:-([0-9a-z]+))?(?:\/([0-9]+))?$/.exec(item);
    const bad = (why: string): CronError => new CronError(`schedule '${schedule}', field '${part}': ${why}`);
    if (!match) throw bad(`'${item}' is no value, range or step`);
    const star = match[1] === '*' || match[1] === '?';
    const first = star ? field.min : numberOf(match[1] ?? '', field);
    const step = match[3] === undefined ? 1 : Number(match[3]);
    const top = field.max === 7 ? 6 : field.max;
    const last = star
      ? top
      : match[2] !== undefined
        ? numberOf(match[2], field)
        : match[3] !== undefined
          ? top
          : first;
    if (Number.isNaN(first) || Number.isNaN(last) || first < field.min || last > field.max || first > last)
      throw bad(`'${item}' is not within ${field.min} to ${field.max}`);
    if (step < 1) throw bad(`the step of '${item}' must be at least 1`);
    for (let value = first; value <= last; value += step) result.add(value);
  }
  return result;
}

function numberOf(text: string, { min, names }: Field): number {
  const index = names?.indexOf(text) ?? -1;
  if (index >= 0) return index + min;
  return /^[0-9]+$/.test(text) ? Number(text) : Number.NaN;
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** ms by which the zone is ahead of UTC at that time. */
function zoneOffset(zone: string, at: number): number {
  let format = formats.get(zone);
  if (!format) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
    });
    formats.set(zone, format);
  }
  const of = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, Number(value)]));
  const local = Date.UTC(
    of.year ?? 0,
    (of.month ?? 1) - 1,
    of.day ?? 1,
    of.hour ?? 0,
    of.minute ?? 0,
    of.second ?? 0,
  );
  return local - Math.floor(at / 1000) * 1000;
}

/**
 * The first time after `after` (both ms) at which the schedule is due; undefined when it never is (30 February). Times that a change to summer
 * time skips are not due; times that it repeats are due once.
 */
export function nextTime(schedule: Schedule, after: number, zone = 'UTC'): number | undefined {
  if ('every' in schedule) return Math.floor(after / 1000) * 1000 + schedule.every;
  const offsetAt = (at: number): number => (zone === 'UTC' ? 0 : zoneOffset(zone, at));
  // Walked in local time, by month, day, hour, minute: a few hundred steps at most for each year.
  let local = Math.floor((after + offsetAt(after)) / MINUTE) * MINUTE + MINUTE;
  const end = local + HORIZON;
  while (local < end) {
    const date = new Date(local);
    if (!schedule.months.has(date.getUTCMonth() + 1)) {
      local = Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1);
      continue;
    }
    if (!dayMatches(schedule, date)) {
      local = Math.floor(local / DAY) * DAY + DAY;
      continue;
    }
    if (!schedule.hours.has(date.getUTCHours())) {
      local = Math.floor(local / 3_600_000) * 3_600_000 + 3_600_000;
      continue;
    }
    if (schedule.minutes.has(date.getUTCMinutes())) {
      const at = toUtc(local, offsetAt);
      if (at !== undefined && at > after) return at;
    }
    local += MINUTE;
  }
  return undefined;
}

/** The time at which clocks show `local`; the first of two; undefined when they skip it. */
function toUtc(local: number, offsetAt: (at: number) => number): number | undefined {
  const candidates = [offsetAt(local - DAY), offsetAt(local + DAY)]
    .map((offset) => local - offset)
    .filter((at) => at + offsetAt(at) === local);
  return candidates.length ? Math.min(...candidates) : undefined;
}

function dayMatches(schedule: Exclude<Schedule, { every: number }>, date: Date): boolean {
  const day = schedule.days.has(date.getUTCDate());
  const weekday = schedule.weekdays.has(date.getUTCDay());
  return schedule.either ? day || weekday : day && weekday;
}

/** The last due time in (after, until], and how many there were; beyond 100 they are not counted one by one. */
export function missedTimes(
  schedule: Schedule,
  after: number,
  until: number,
  zone?: string,
): { last: number | undefined; count: number } {
  let last: number | undefined;
  let count = 0;
  for (let at = nextTime(schedule, after, zone); at !== undefined && at <= until; ) {
    last = at;
    count++;
    if (count > 100) {
      // Close to now, step by step from there.
      const gap = (nextTime(schedule, at, zone) ?? at + DAY) - at;
      const jump = until - 2 * gap;
      if (jump > at) at = jump;
    }
    at = nextTime(schedule, at, zone);
  }
  return { last, count };
}
