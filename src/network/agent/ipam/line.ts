import { crc32 } from 'node:zlib';

/** One line of a journal: `<CRC-32 of the rest, 8 hex digits> <JSON>\n`. JSON has no line break inside. */
export function encodeLine(value: unknown): Uint8Array {
  const json = Buffer.from(JSON.stringify(value));
  return Buffer.concat([Buffer.from(`${checksum(json)} `), json, Buffer.from('\n')]);
}

/** One line as found, with where it starts in the file, in bytes. */
export interface FoundLine {
  readonly offset: number;
  /** Undefined when its checksum is wrong, or its end is missing. */
  readonly value: unknown;
}

const LINE_FEED = 0x0a;
const CHECKSUM_LENGTH = 8;

/** Splits a file into lines; what stands after the last line break is a line without value. */
export function decodeLines(bytes: Uint8Array): FoundLine[] {
  const lines: FoundLine[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    const end = bytes.indexOf(LINE_FEED, offset);
    lines.push({ offset, value: end < 0 ? undefined : decodeLine(bytes.subarray(offset, end)) });
    offset = end < 0 ? bytes.length : end + 1;
  }
  return lines;
}

/**
 * Whether a good line begins anywhere after the start: true where the line break before it was damaged. (`mark` is
 * what the JSON of a line starts with. It cannot stand inside one, where every quotation mark is escaped.)
 */
export function holdsLine(bytes: Uint8Array, mark: string): boolean {
  const buffer = Buffer.from(bytes);
  for (let at = buffer.indexOf(mark); at >= 0; at = buffer.indexOf(mark, at + 1)) {
    const start = at - CHECKSUM_LENGTH - 1;
    const end = buffer.indexOf(LINE_FEED, at);
    if (start > 0 && end >= 0 && decodeLine(buffer.subarray(start, end)) !== undefined) return true;
  }
  return false;
}

function decodeLine(line: Uint8Array): unknown {
  const json = Buffer.from(line.subarray(CHECKSUM_LENGTH + 1));
  const head = Buffer.from(line.subarray(0, CHECKSUM_LENGTH + 1)).toString('latin1');
  if (head !== `${checksum(json)} `) return undefined;
  try {
    return JSON.parse(json.toString());
  } catch {
    return undefined;
  }
}

function checksum(bytes: Uint8Array): string {
  return crc32(bytes).toString(16).padStart(CHECKSUM_LENGTH, '0');
}
