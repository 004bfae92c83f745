import { type FSWatcher, watch } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { ContainerLog } from '../lookup.ts';
import { type LogOptions, LogWriter } from './format.ts';
import { tailOffset } from './tail.ts';

const BLOCK = 64 * 1024;
const NEWLINE = 0x0a;
/** Lines of a runtime are cut at 16 KiB; what is longer is none of its. */
const MAX_LINE = 1024 * 1024;
/** How often it is asked whether a container still runs; what it writes is seen at once. Milliseconds. */
const ASK_EVERY = 1000;

/** Wakes up when something happens in a folder, or after a while. */
class Waiter {
  readonly #watcher: FSWatcher | undefined;
  #wake: (() => void) | undefined;
  #happened = false;

  constructor(folder: string) {
    try {
      this.#watcher = watch(folder, () => this.#tell());
      this.#watcher.on('error', () => this.#watcher?.close());
    } catch {
      // No watch to be had: asking now and then is enough.
    }
  }

  #tell(): void {
    this.#happened = true;
    this.#wake?.();
  }

  /** @returns whether something happened, or only time has passed */
  async wait(signal: AbortSignal): Promise<boolean> {
    if (!this.#happened && !signal.aborted)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ASK_EVERY);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
        signal.addEventListener('abort', this.#wake, { once: true });
      });
    const happened = this.#happened;
    this.#happened = false;
    this.#wake = undefined;
    return happened;
  }

  close(): void {
    this.#watcher?.close();
  }
}

/** Reads a file's lines from an offset to its present end, again and again. */
class LineReader {
  readonly file: FileHandle;
  #at: number;
  #rest: Buffer = Buffer.alloc(0);
  readonly #block = Buffer.allocUnsafe(BLOCK);

  constructor(file: FileHandle, at: number) {
    this.file = file;
    this.#at = at;
  }

  /** Whole lines up to the end, without their newlines, as one block holds them. */
  async *lines(): AsyncGenerator<Buffer[]> {
    for (;;) {
      const { size } = await this.file.stat();
      // Truncated by somebody: what is there now is new.
      if (size < this.#at) {
        this.#at = 0;
        this.#rest = Buffer.alloc(0);
      }
      const { bytesRead } = await this.file.read(this.#block, 0, BLOCK, this.#at);
      if (bytesRead === 0) return;
      this.#at += bytesRead;
      const bytes = Buffer.concat([this.#rest, this.#block.subarray(0, bytesRead)]);
      const lines: Buffer[] = [];
      let from = 0;
      for (let to = bytes.indexOf(NEWLINE); to >= 0; to = bytes.indexOf(NEWLINE, from)) {
        lines.push(bytes.subarray(from, to));
        from = to + 1;
      }
      this.#rest = bytes.length - from > MAX_LINE ? Buffer.alloc(0) : bytes.subarray(from);
      yield lines;
    }
  }
}

/** Whether the path leads to another file than the one that is open: the log was rotated. */
async function rotated(path: string, file: FileHandle): Promise<boolean> {
  try {
    const [now, then] = await Promise.all([stat(path), file.stat()]);
    return now.ino !== then.ino || now.dev !== then.dev;
  } catch {
    // Between the old file's new name and the new file.
    return false;
  }
}

/**
 * A container's log as `kubectl logs` shows it. With `follow` it goes on until the container has ended and everything is read,
 * also over rotations.
 *
 * @throws Error ENOENT when there is no log
 */
export async function* readLog(
  log: ContainerLog,
  options: LogOptions,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const writer = new LogWriter(options);
  let file = await open(log.path, 'r');
  const waiter = options.follow ? new Waiter(dirname(log.path)) : undefined;
  try {
    const { size } = await file.stat();
    const start = options.tailLines === undefined ? 0 : await tailOffset(file, size, options.tailLines);
    let reader = new LineReader(file, start);
    for (let over = false; ; ) {
      for await (const lines of reader.lines()) {
        const out = Buffer.concat(lines.map((line) => writer.write(line)));
        if (out.length > 0) yield out;
        if (writer.full || signal.aborted) return;
      }
      if (!waiter || over) return;
      if (await rotated(log.path, file)) {
        // The runtime may have written to the old file until it opened the new one.
        for await (const lines of reader.lines())
          yield Buffer.concat(lines.map((line) => writer.write(line)));
        await file.close();
        file = await open(log.path, 'r');
        reader = new LineReader(file, 0);
        continue;
      }
      const news = await waiter.wait(signal);
      if (signal.aborted) return;
      // Only when it is quiet: a container that ends has written before.
      if (!news) over = !(await log.running());
    }
  } finally {
    waiter?.close();
    await file.close();
  }
}
