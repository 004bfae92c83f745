import { expect, test } from 'vitest';
import { Gate } from './gate.ts';
import { settle, signal } from './supervisor/testing.ts';

test('a gate lets so many through, and the next for each that leaves, failed or not', async () => {
  const gate = new Gate(2);
  const signals = [signal(), signal(), signal()];
  const entered: number[] = [];
  const works = signals.map(({ wait }, i) =>
    gate.run(async () => {
      entered.push(i);
      await wait;
      if (i === 0) throw new Error('no');
    }),
  );
  await settle();
  expect(entered).toEqual([0, 1]);
  signals[0]!.send();
  await expect(works[0]).rejects.toThrow('no');
  await settle();
  expect(entered).toEqual([0, 1, 2]);
  for (const { send } of signals) send();
  await Promise.all(works.slice(1));
});
