import { StreamingError } from './error.ts';
import type { LogOptions } from './logs/format.ts';
import type { CommandStreams } from './remote-command.ts';

/** As Go's strconv.ParseBool, with what is absent or nonsense false. */
export function flag(query: URLSearchParams, name: string): boolean {
  return ['1', 't', 'T', 'true', 'TRUE', 'True'].includes(query.get(name) ?? '');
}

/** Which streams a client of exec or attach wants. @throws StreamingError 400 */
export function commandStreams(query: URLSearchParams): CommandStreams {
  const tty = flag(query, 'tty');
  const [stdin, stdout] = [flag(query, 'input'), flag(query, 'output')];
  // A terminal has one output.
  const stderr = flag(query, 'error') && !tty;
  if (!stdin && !stdout && !stderr)
    throw new StreamingError(400, 'you must specify at least 1 of stdin, stdout, stderr');
  return { stdin, stdout, stderr, tty };
}

function whole(query: URLSearchParams, name: string, least: number): number | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < least)
    throw new StreamingError(422, `${name}: Invalid value: "${text}": must be an integer, at least ${least}`);
  return value;
}

/** What a client of `/containerLogs` asks for; `sinceSeconds` counts from `now` (milliseconds). @throws StreamingError 422 */
export function logOptions(query: URLSearchParams, now: number): LogOptions {
  const tailLines = whole(query, 'tailLines', 0);
  const limitBytes = whole(query, 'limitBytes', 1);
  const sinceSeconds = whole(query, 'sinceSeconds', 1);
  const sinceTime = query.get('sinceTime') ?? '';
  const time = sinceTime === '' ? undefined : Date.parse(sinceTime);
  if (Number.isNaN(time))
    throw new StreamingError(
      422,
      `sinceTime: Invalid value: "${sinceTime}": must be a time like 2026-11-22T18:00:00Z`,
    );
  if (time !== undefined && sinceSeconds !== undefined)
    throw new StreamingError(422, 'at most one of `sinceTime` or `sinceSeconds` may be specified');
  const since = sinceSeconds === undefined ? time : now - sinceSeconds * 1000;
  return {
    follow: flag(query, 'follow'),
    timestamps: flag(query, 'timestamps'),
    ...(tailLines !== undefined && { tailLines }),
    ...(limitBytes !== undefined && { limitBytes }),
    ...(since !== undefined && { since }),
  };
}
