import * as z from 'zod';
import { IpamError } from './error.ts';
import type { StateFile, StateFolder } from './folder.ts';
import { decodeLines, encodeLine, type FoundLine, holdsLine } from './line.ts';

const NAME = 'ipam.journal';
const NEXT_NAME = 'ipam.journal.next';
const VERSION = 1;
/** What every line but the first starts with. */
const BODY_MARK = '{"line":';

const headSchema = z.object({ version: z.number(), line: z.int().min(0), state: z.unknown() });
const bodySchema = z.object({ line: z.int().min(0), changes: z.array(z.unknown()) });

/** What {@link readJournal} found. */
export interface JournalContents {
  /** The state that the file starts with; undefined when there is no file. */
  readonly state?: unknown;
  /** What changed since, oldest first. */
  readonly changes: readonly unknown[];
  /** Number of the last good line. */
  readonly line: number;
  /** Bytes of an unfinished write at the end, which was never acknowledged and does not count. */
  readonly tornBytes: number;
}

/**
 * Reads the journal. The first line holds a state, every other one the changes that were written at one stroke;
 * a line is only ever begun when the one before is on disk. So a power cut can harm the last line alone, and that
 * one was not acknowledged: it is left out. Harm before it is an error, for what stood there counts.
 * @throws IpamError `corrupt` that says where and what to do
 */
export async function readJournal(folder: StateFolder): Promise<JournalContents> {
  const bytes = await folder.read(NAME);
  if (bytes === undefined) return { changes: [], line: 0, tornBytes: 0 };
  const path = `${folder.path}/${NAME}`;
  const lines = decodeLines(bytes);
  const head = headSchema.safeParse(lines[0]?.value);
  if (!head.success) throw corrupt(path, 0, 0, 'does not start with a state');
  if (head.data.version !== VERSION) {
    throw new IpamError('corrupt', {
      field: 'state file',
      value: path,
      rule: `was written in version ${head.data.version} of its format, and this agent knows version ${VERSION}`,
      fix: 'start the agent that wrote it, or a newer one',
    });
  }
  const broken = lines.findIndex((line) => line.value === undefined);
  if (broken > 0) {
    const { offset } = lines[broken]!;
    if (holdsLine(bytes.subarray(offset), BODY_MARK)) {
      throw corrupt(path, broken, offset, 'is damaged, but lines after it are not');
    }
  }
  const good = broken < 0 ? lines : lines.slice(0, broken);
  const end = broken < 0 ? bytes.length : lines[broken]!.offset;
  return {
    state: head.data.state,
    changes: changesOf(good, path, head.data.line),
    line: head.data.line + good.length - 1,
    tornBytes: bytes.length - end,
  };
}

function changesOf(lines: readonly FoundLine[], path: string, headLine: number): unknown[] {
  return lines.slice(1).flatMap(({ value, offset }, i) => {
    const body = bodySchema.safeParse(value);
    if (!body.success) throw corrupt(path, i + 1, offset, 'is not a list of changes');
    if (body.data.line !== headLine + i + 1) {
      throw corrupt(path, i + 1, offset, `is number ${body.data.line} where ${headLine + i + 1} belongs`);
    }
    return body.data.changes;
  });
}

/** A state file that cannot be trusted: where it is wrong, and what a person can do. */
export function corrupt(
  path: string,
  index: number,
  offset: number,
  rule: string,
  cause?: unknown,
): IpamError {
  return new IpamError(
    'corrupt',
    {
      field: 'state file',
      value: path,
      rule: `is damaged: line ${index + 1} (byte ${offset}) ${rule}. Nothing was changed, and no address is given out`,
      fix:
        'restore the file from a backup, or drain the node (so that no pod runs on it), move the file away ' +
        'and start the agent again',
    },
    cause,
  );
}

/**
 * Writes the journal. Every method resolves when what it wrote is on disk. After a failed one the file may hold
 * anything at its end: call {@link rewrite} until it succeeds, before anything else is appended.
 */
export class JournalWriter {
  readonly #folder: StateFolder;
  #file: StateFile | undefined;
  #line: number;
  #bytes = 0;
  #headBytes = 0;

  /** @param line the number of the last line that was read */
  constructor(folder: StateFolder, line: number) {
    this.#folder = folder;
    this.#line = line;
  }

  /** Bytes in the file. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Bytes of changes since the state at its start. */
  get changeBytes(): number {
    return this.#bytes - this.#headBytes;
  }

  /** Whether {@link append} may be called; if not, {@link rewrite} has to come first. */
  get sound(): boolean {
    return this.#file !== undefined;
  }

  /** Adds changes, all of them or none. */
  async append(changes: readonly unknown[]): Promise<void> {
    const file = this.#file;
    if (!file) throw new Error('the journal has to be rewritten before it can be appended to');
    const bytes = encodeLine({ line: this.#line + 1, changes });
    try {
      await file.append(bytes);
      await file.sync();
    } catch (error) {
      await this.close();
      throw error;
    }
    this.#line++;
    this.#bytes += bytes.length;
  }

  /** Puts a new file with this state in place of the old one: the old or the new one is there at any moment. */
  async rewrite(state: unknown): Promise<void> {
    await this.close();
    const bytes = encodeLine({ version: VERSION, line: this.#line + 1, state });
    const file = await this.#folder.create(NEXT_NAME);
    try {
      await file.append(bytes);
      await file.sync();
      await this.#folder.rename(NEXT_NAME, NAME);
      // Only now is it certain that a power cut brings back this file, and not the old one.
      await this.#folder.sync();
    } catch (error) {
      await file.close().catch(() => {});
      throw error;
    }
    this.#file = file;
    this.#line++;
    this.#bytes = bytes.length;
    this.#headBytes = bytes.length;
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    // Everything acknowledged is on disk already, so a failure to close loses nothing.
    await file?.close().catch(() => {});
  }
}
