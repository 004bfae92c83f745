import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { KubeObject } from './types.ts';
import { decodeWatch } from './watch.ts';

async function* pieces(chunks: readonly Buffer[]): AsyncGenerator<Buffer> {
  yield* chunks;
}

async function decoded(chunks: readonly Buffer[], largest?: number): Promise<unknown[]> {
  const events: unknown[] = [];
  for await (const event of decodeWatch<KubeObject>(pieces(chunks), largest)) events.push(event);
  return events;
}

test('events come out the same, wherever the network cuts them', async () => {
  const event = fc.record({
    type: fc.constantFrom('ADDED', 'MODIFIED', 'DELETED'),
    object: fc.record({ metadata: fc.record({ name: fc.string({ unit: 'grapheme' }) }) }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(event), fc.array(fc.nat(64), { maxLength: 64 }), async (events, cuts) => {
      const all = Buffer.from(events.map((one) => `${JSON.stringify(one)}\n`).join(''));
      const chunks: Buffer[] = [];
      let at = 0;
      for (const cut of cuts) {
        chunks.push(all.subarray(at, at + cut));
        at += cut;
      }
      chunks.push(all.subarray(at));
      expect(await decoded(chunks)).toEqual(JSON.parse(JSON.stringify(events)));
    }),
  );
});

test('a large object in small pieces costs what it is long', async () => {
  const line = Buffer.from(`${JSON.stringify({ type: 'ADDED', object: { x: 'y'.repeat(4 << 20) } })}\n`);
  const chunks: Buffer[] = [];
  for (let at = 0; at < line.length; at += 256) chunks.push(line.subarray(at, at + 256));
  const started = performance.now();
  expect(await decoded(chunks)).toHaveLength(1);
  // Put together at each of its 16,000 pieces it would be 32 GB of copying.
  expect(performance.now() - started).toBeLessThan(2000);
});

test.each([
  ['not JSON', '{\n', 'a line that is not JSON'],
  ['no event', '{"kind":"Status"}\n', 'a line that is no event'],
  ['cut off', '{"type":"ADDED"', 'broke off in the middle'],
  ['too long', 'x'.repeat(100), 'more than 64 bytes'],
])('%s is refused', async (_, text, message) => {
  await expect(decoded([Buffer.from(text)], 64)).rejects.toThrow(message);
});
