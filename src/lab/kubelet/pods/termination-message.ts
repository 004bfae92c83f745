import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import type { ContainerNotes } from '../labels.ts';
import { LOG_ROOT } from '../paths.ts';

/** Upstream's bounds, bytes. */
const LONGEST_MESSAGE = 4096;
const LONGEST_LOG = 2048;
const MOST_LINES = 80;

/** At most the first or last `bytes` of a file; empty when there is none. */
function readPart(path: string, bytes: number, end: 'first' | 'last'): string {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch {
    return '';
  }
  try {
    const { size } = fstatSync(file);
    const buffer = Buffer.alloc(Math.min(bytes, size));
    const got = readSync(file, buffer, 0, buffer.length, end === 'first' ? 0 : size - buffer.length);
    return buffer.toString('utf8', 0, got);
  } finally {
    closeSync(file);
  }
}

/** The text of lines as the runtime writes them to a log: `time stream F|P text`. */
export function logText(lines: readonly string[]): string {
  let text = '';
  for (const line of lines) {
    const match = /^\S+ (?:stdout|stderr) ([FP])\S* ?(.*)$/.exec(line);
    if (match) text += match[1] === 'P' ? match[2] : `${match[2]}\n`;
  }
  return text;
}

/**
 * A container's last words: what it wrote to its file, or the end of its log when it failed, wrote nothing and its
 * policy says so.
 *
 * @param file - where its termination message is on the node
 * @param log - its log below the folder of all logs, as the runtime gives it
 */
export function terminationMessage(
  file: string,
  log: string,
  notes: Pick<ContainerNotes, 'fallbackToLogs'>,
  exitCode: number,
): string {
  const message = readPart(file, LONGEST_MESSAGE, 'first');
  if (message !== '' || !notes.fallbackToLogs || exitCode === 0) return message;
  // Each line has some 45 bytes of time and stream in front of it.
  const tail = readPart(
    log.startsWith('/') ? log : join(LOG_ROOT, log),
    LONGEST_LOG + MOST_LINES * 64,
    'last',
  );
  const text = logText(tail.split('\n').slice(-MOST_LINES - 1));
  return Buffer.from(text).subarray(-LONGEST_LOG).toString('utf8');
}
