import type { Duplex } from 'node:stream';

/** Joins two connections until one ends; bytes of one that has ended still reach the other. Settles when both are closed. */
export function join(a: Duplex, b: Duplex): Promise<void> {
  const closed = (of: Duplex, other: Duplex): Promise<void> =>
    new Promise((resolve) => {
      of.on('error', () => other.destroy());
      of.once('close', () => {
        // What was read is still to be written, but nobody waits for an answer any more.
        if (!other.writableEnded) other.end();
        other.resume();
        resolve();
      });
    });
  const both = Promise.all([closed(a, b), closed(b, a)]);
  a.pipe(b);
  b.pipe(a);
  return both.then(() => undefined);
}
