import fc from 'fast-check';
import { expect, it } from 'vitest';
import { MinHeap } from './heap.ts';

it('gives its members back smallest first, each once', () => {
  const steps = fc.array(fc.option(fc.bigInt({ min: 0n, max: 30n })), { maxLength: 200, size: 'max' });
  fc.assert(
    fc.property(steps, (values) => {
      const heap = new MinHeap();
      const model = new Set<bigint>();
      for (const value of values) {
        if (value === null) {
          const smallest = [...model].sort((a, b) => Number(a - b))[0];
          expect(heap.take()).toBe(smallest);
          if (smallest !== undefined) model.delete(smallest);
        } else {
          heap.add(value);
          model.add(value);
        }
        expect(heap.size).toBe(model.size);
      }
    }),
  );
});
