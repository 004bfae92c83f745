import type { FileHandle } from 'node:fs/promises';
import { endsLine } from './format.ts';

const BLOCK = 64 * 1024;
const NEWLINE = 0x0a;

/**
 * Where the last `lines` lines of a log begin. A line that was written in pieces counts once; a piece at the end that nothing
 * finishes counts as a line.
 *
 * @param size - bytes of the file to look at
 * @returns an offset, 0 when there are fewer lines
 */
export async function tailOffset(file: FileHandle, size: number, lines: number): Promise<number> {
  if (lines <= 0) return size;
  let end = size;
  let rest = Buffer.alloc(0);
  let found = 0;
  // Lines are seen from the last to the first: a line is begun after a line that ends one.
  while (end > 0) {
    const from = Math.max(0, end - BLOCK);
    const block = Buffer.alloc(end - from);
    const { bytesRead } = await file.read(block, 0, block.length, from);
    if (bytesRead < block.length) return 0;
    rest = Buffer.concat([block, rest]);
    end = from;
    // Everything but what may be the second half of a line.
    const keep = end === 0 ? -1 : rest.indexOf(NEWLINE);
    if (end > 0 && keep < 0) continue;
    for (let at = rest.length; at > keep + 1; ) {
      const start = rest.lastIndexOf(NEWLINE, at - 2) + 1;
      if (start <= keep && end > 0) break;
      const line = rest.subarray(start, rest[at - 1] === NEWLINE ? at - 1 : at);
      if (at === rest.length && end + at === size) found = endsLine(line) ? 0 : 1;
      if (endsLine(line)) {
        if (found === lines) return end + at;
        found++;
      }
      at = start;
      rest = rest.subarray(0, start);
    }
  }
  return 0;
}
