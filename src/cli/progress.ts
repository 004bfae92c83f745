import { wantsColour } from './output.ts';

/** Shows on stderr what long work is doing, so that stdout holds nothing but the result. */
export interface Progress {
  step(text: string): void;
  /** Calls `print`, which may write to stdout, with the transient line out of the way. */
  aside(print: () => void): void;
  /** Takes the transient line away before a result is printed; steps may still follow. */
  end(): void;
}

/** Where progress is shown: a part of stderr. */
export interface Screen {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const CLEAR = '\r\u001b[K';

/** On a terminal: finished steps above a line that moves. Elsewhere: one line a step, with the seconds since start. */
export function startProgress(title: string, screen: Screen = process.stderr, env = process.env): Progress {
  const started = performance.now();
  const seconds = (): string => ((performance.now() - started) / 1000).toFixed(1);
  if (!wantsColour(screen.isTTY === true, env)) {
    return {
      step: (text) => screen.write(`${seconds().padStart(6)} s  ${text}\n`),
      aside: (print) => print(),
      end: () => undefined,
    };
  }
  let frame = 0;
  const draw = (): void => {
    frame = (frame + 1) % FRAMES.length;
    screen.write(`${CLEAR}${FRAMES[frame]} ${title} ${seconds()} s`);
  };
  let timer: NodeJS.Timeout | undefined = setInterval(draw, 100);
  const aside = (print: () => void): void => {
    if (timer) screen.write(CLEAR);
    print();
    if (timer) draw();
  };
  draw();
  return {
    step: (text) => aside(() => screen.write(`  ${text}\n`)),
    aside,
    end: () => {
      if (timer) screen.write(CLEAR);
      clearInterval(timer);
      timer = undefined;
    },
  };
}
