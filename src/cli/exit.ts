/** Exit codes of the `flyover` command. */
export const EXIT = {
  ok: 0,
  /** The work failed. */
  failed: 1,
  /** The input was refused: nothing was changed. */
  refused: 2,
  /** The lab is not running. */
  notRunning: 3,
  /** Ctrl-C; as a shell tells it, 128 and the signal. */
  interrupted: 130,
  /** Nobody reads what it prints any more, as behind `| head`. */
  closedPipe: 141,
} as const;
