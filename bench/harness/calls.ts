import * as posix from './posix.ts';

/** One start of a plugin, as a container runtime does it. */
export interface Call {
  /** Absolute path of the executable. */
  readonly path: string;
  readonly env: Readonly<Record<string, string>>;
  /** At most 64 KB. */
  readonly stdin: string;
}

export interface Outcome {
  /** Wall time from before the start until the child was waited for, in milliseconds. */
  readonly ms: number;
  readonly exit: number;
  readonly stdout: string;
}

interface Running {
  readonly index: number;
  readonly pid: number;
  readonly fd: number;
  readonly started: number;
  text: Buffer[];
}

/**
 * Runs calls, `parallel` of them at a time, and measures each one. It blocks this thread until all have ended, so
 * that nothing but the children and one poll(2) runs meanwhile, and the children live in the thread's namespaces.
 */
export function runCalls(calls: readonly Call[], parallel: number): Outcome[] {
  const outcomes: Outcome[] = [];
  const running = new Map<number, Running>();
  const buffer = Buffer.alloc(64 * 1024);
  let next = 0;
  while (next < calls.length || running.size > 0) {
    while (next < calls.length && running.size < parallel) {
      const started = start(calls[next]!, next);
      running.set(started.fd, started);
      next++;
    }
    for (const fd of posix.waitReadable([...running.keys()])) {
      const got = posix.read(fd, buffer);
      const call = running.get(fd)!;
      if (got > 0) {
        call.text.push(Buffer.from(buffer.subarray(0, got)));
        continue;
      }
      const exit = posix.waitFor(call.pid);
      const ms = performance.now() - call.started;
      posix.close(fd);
      running.delete(fd);
      outcomes[call.index] = { ms, exit, stdout: Buffer.concat(call.text).toString('utf8') };
    }
  }
  return outcomes;
}

function start({ path, env, stdin }: Call, index: number): Running {
  const [input, feed] = posix.pipe();
  const [fd, output] = posix.pipe();
  posix.write(feed, Buffer.from(stdin));
  posix.close(feed);
  const started = performance.now();
  const pid = posix.spawn(path, [], env, input, output);
  posix.close(input);
  posix.close(output);
  return { index, pid, fd, started, text: [] };
}
