import fc from 'fast-check';
import { expect, test } from 'vitest';
import { missedTimes, nextTime, parseCron } from './cron.ts';

const at = (text: string): number => Date.parse(text);
const next = (schedule: string, after: string, zone?: string): string | undefined => {
  const time = nextTime(parseCron(schedule), at(after), zone);
  return time === undefined ? undefined : new Date(time).toISOString().slice(0, 16);
};

test('fields, ranges, steps, names and macros', () => {
  expect(next('*/15 * * * *', '2026-01-01T00:00:00Z')).toBe('2026-01-01T00:15');
  expect(next('0 9-17/4 * * mon-fri', '2026-01-02T13:30:00Z')).toBe('2026-01-02T17:00');
  expect(next('0 0 29 feb *', '2026-01-01T00:00:00Z')).toBe('2028-02-29T00:00');
  expect(next('@monthly', '2026-01-31T10:00:00Z')).toBe('2026-02-01T00:00');
  expect(next('0 0 30 2 *', '2026-01-01T00:00:00Z')).toBeUndefined();
  // Both day fields given: one of them is enough.
  expect(next('0 0 13 * 5', '2026-01-01T00:00:00Z')).toBe('2026-01-02T00:00');
  expect(next('0 0 * * 7', '2026-01-01T00:00:00Z')).toBe('2026-01-04T00:00');
});

test('time zones: an hour that is skipped is not due, one that comes twice is due once', () => {
  expect(next('30 8 * * *', '2026-07-01T00:00:00Z', 'Europe/Berlin')).toBe('2026-07-01T06:30');
  expect(next('30 2 * * *', '2026-03-28T12:00:00Z', 'Europe/Berlin')).toBe('2026-03-30T00:30');
  expect(next('30 2 * * *', '2026-10-24T12:00:00Z', 'Europe/Berlin')).toBe('2026-10-25T00:30');
  expect(next('30 2 * * *', '2026-10-25T00:30:00Z', 'Europe/Berlin')).toBe('2026-10-26T01:30');
});

test.each(['* * * *', '60 * * * *', '* * 0 * *', '*/0 * * * *', '5-1 * * * *', 'a * * * *', ''])(
  '%j is refused',
  (text) => {
    expect(() => parseCron(text)).toThrow(/schedule/);
  },
);

test('the next time is later, matches, and none lies between', () => {
  const field = (min: number, max: number) =>
    fc.oneof(
      fc.constant('*'),
      fc.integer({ min, max }).map(String),
      fc.integer({ min: 2, max: 9 }).map((n) => `*/${n}`),
    );
  fc.assert(
    fc.property(
      field(0, 59),
      field(0, 23),
      fc.integer({ min: 0, max: 10_000_000 }),
      (minute, hour, offset) => {
        const schedule = parseCron(`${minute} ${hour} * * *`);
        const after = at('2026-01-01T00:00:00Z') + offset * 1000;
        const time = nextTime(schedule, after) ?? 0;
        expect(time).toBeGreaterThan(after);
        const matches = (t: number): boolean =>
          'hours' in schedule &&
          schedule.hours.has(new Date(t).getUTCHours()) &&
          schedule.minutes.has(new Date(t).getUTCMinutes());
        let expected = Math.floor(after / 60_000) * 60_000 + 60_000;
        while (!matches(expected)) expected += 60_000;
        expect(time).toBe(expected);
      },
    ),
  );
});

test('years of missed times are not walked through one by one', () => {
  const { last, count } = missedTimes(
    parseCron('* * * * *'),
    at('2020-01-01T00:00:00Z'),
    at('2026-01-01T00:00:30Z'),
  );
  expect(last).toBe(at('2026-01-01T00:00:00Z'));
  expect(count).toBeGreaterThan(100);
});
