import { wantsColour } from './output.ts';

/** Shows on stderr what long work is doing, so that stdout holds nothing but the result. */
export interface Progress {
  step(text: string): void;
  /** Takes the transient line away before a result is printed. */
  end(): void;
}

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

/** On a terminal: finished steps above a line that moves. Elsewhere: one line a step, with the seconds since start. */
export function startProgress(title: string): Progress {
  const started = performance.now();
  const seconds = (): string => ((performance.now() - started) / 1000).toFixed(1);
  if (!wantsColour(process.stderr.isTTY === true, process.env)) {
    return {
      step: (text) => process.stderr.write(`${seconds().padStart(6)} s  ${text}\n`),
      end: () => undefined,
    };
  }
  let frame = 0;
  let ended = false;
  const draw = (): void => {
    frame = (frame + 1) % FRAMES.length;
    // A line that runs over the edge could not be taken back.
    const line = `${FRAMES[frame]} ${title} ${seconds()} s`.slice(0, (process.stderr.columns ?? 80) - 1);
    process.stderr.write(`\r\u001b[K${line}`);
  };
  const timer = setInterval(draw, 100);
  draw();
  return {
    step: (text) => {
      process.stderr.write(`\r\u001b[K  ${text}\n`);
      draw();
    },
    end: () => {
      if (ended) return;
      ended = true;
      clearInterval(timer);
      process.stderr.write('\r\u001b[K');
    },
  };
}
