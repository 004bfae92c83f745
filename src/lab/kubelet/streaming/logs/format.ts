/** What a reader of logs asks for; field names as PodLogOptions. */
export interface LogOptions {
  readonly follow: boolean;
  readonly timestamps: boolean;
  /** Whole lines from the end; undefined is all. */
  readonly tailLines?: number;
  /** Lines before this are left out. Milliseconds since 1970. */
  readonly since?: number;
  /** Bytes of the answer. */
  readonly limitBytes?: number;
}

/** One entry of a container runtime's log: `2026-11-22T18:00:00.123456789Z stdout F text`. */
export interface LogEntry {
  /** As written, which is RFC 3339 with up to nine digits. */
  readonly time: string;
  readonly stream: 'stdout' | 'stderr';
  /** A piece of a line that goes on with the next entry of its stream. */
  readonly partial: boolean;
  /** Without the line's end. */
  readonly text: Buffer;
}

const SPACE = 0x20;

/** Reads an entry, undefined for a line that is none. @param line - without its newline */
export function parseEntry(line: Buffer): LogEntry | undefined {
  const first = line.indexOf(SPACE);
  const second = first < 0 ? -1 : line.indexOf(SPACE, first + 1);
  if (second < 0) return undefined;
  const third = line.indexOf(SPACE, second + 1);
  const tagsEnd = third < 0 ? line.length : third;
  const stream = line.toString('latin1', first + 1, second);
  if (stream !== 'stdout' && stream !== 'stderr') return undefined;
  // Tags are separated by colons; the first says whether the line is full.
  const tag = line.toString('latin1', second + 1, tagsEnd).split(':')[0];
  if (tag !== 'P' && tag !== 'F') return undefined;
  return {
    time: line.toString('latin1', 0, first),
    stream,
    partial: tag === 'P',
    text: third < 0 ? Buffer.alloc(0) : line.subarray(third + 1),
  };
}

/** Whether a line of the file ends a line of the container, for counting. */
export function endsLine(line: Buffer): boolean {
  return !parseEntry(line)?.partial;
}

/** A time as `kubectl logs --timestamps` shows it: always nine digits. */
function fixedTime(time: string): string {
  const parts = /^(.*?)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$/.exec(time);
  return parts ? `${parts[1]}.${(parts[2] ?? '').padEnd(9, '0')}${parts[3]}` : time;
}

const NEWLINE = Buffer.from('\n');

/** Turns lines of the file into what is sent; keeps how much may still be. */
export class LogWriter {
  readonly #options: LogOptions;
  #left: number;
  #inLine = false;

  constructor(options: LogOptions) {
    this.#options = options;
    this.#left = options.limitBytes ?? Number.POSITIVE_INFINITY;
  }

  /** Nothing more will be sent. */
  get full(): boolean {
    return this.#left <= 0;
  }

  /** What a line of the file (without its newline) becomes; empty when it is left out. */
  write(line: Buffer): Buffer {
    const entry = parseEntry(line);
    if (!entry || this.full) return Buffer.alloc(0);
    if (this.#options.since !== undefined && Date.parse(entry.time) < this.#options.since)
      return Buffer.alloc(0);
    const parts: Buffer[] = [];
    if (this.#options.timestamps && !this.#inLine) parts.push(Buffer.from(`${fixedTime(entry.time)} `));
    parts.push(entry.text);
    if (!entry.partial) parts.push(NEWLINE);
    this.#inLine = entry.partial;
    const whole = Buffer.concat(parts);
    const cut = whole.length > this.#left ? whole.subarray(0, this.#left) : whole;
    this.#left -= cut.length;
    return cut;
  }
}
