/**
 * What the C host (host.c) gives to the script. Numbers below zero are `-errno`. Everything else is in TypeScript.
 */
export interface Host {
  /** An environment variable, or undefined. */
  env(name: string): string | undefined;
  /** All of stdin as UTF-8; `-EMSGSIZE` above `max` bytes, `-EILSEQ` when it is not UTF-8. */
  stdin(max: number): string | number;
  /**
   * Connects to a unix socket, sends `request`, reads to the first newline (left out), all within `timeoutMs`.
   * A failure is `-(stage * 1000 + errno)` with a stage of 1 connect, 2 send, 3 receive.
   */
  ask(socket: string, request: string, timeoutMs: number, maxAnswer: number): string | number;
  /**
   * Writes `directory/name` so that it is whole and on disk or not there: a temporary file, fsync, rename, fsync of the
   * directory (made with mode 0700 when missing). Mode 0600. `-EDQUOT` when `maxFiles` are there and it is none of them.
   */
  save(directory: string, name: string, content: string, maxFiles: number): number;
  /** The system's words for an errno. */
  strerror(errno: number): string;
  /** Writes to stderr, where runtimes look for notes. */
  note(text: string): void;
}

/** What the script hands back to the host. */
export interface Outcome {
  exit: number;
  stdout: string;
}
