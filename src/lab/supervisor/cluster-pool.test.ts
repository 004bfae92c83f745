import { expect, test } from 'vitest';
import { LabError } from '../errors.ts';
import { settle, TestLab } from './testing.ts';

const quiet = (): void => undefined;
const code = (work: () => unknown): string => {
  try {
    work();
    return 'accepted';
  } catch (error) {
    return error instanceof LabError ? error.refusal.code : String(error);
  }
};

async function scaled(nodes = 2, minCount = 1, maxCount = 4): Promise<TestLab> {
  const test = new TestLab();
  test.lab.clusters.accept({ name: 'shop', nodes, minCount, maxCount });
  await test.lab.clusters.build('shop', quiet);
  return test;
}

test('an autoscaler sees its pool, adds nodes up to its most and removes them down to its least', async () => {
  const test = await scaled();
  const pool = test.pools.get('shop')!;
  expect(await pool.list()).toEqual([
    { name: 'nodepool1', min: 1, max: 4, size: 2, template: { kind: 'Node' } },
  ]);
  expect(code(() => pool.add(3))).toBe('OperationNotAllowed');
  pool.add(2);
  // Accepted is counted, whatever has been built of it.
  expect((await pool.list())[0]!.size).toBe(4);
  await expect.poll(() => test.nodes.running.size).toBe(4);
  const names = test.lab.clusters.show('shop').nodes.map(({ name }) => name);
  for (const name of names.slice(1)) pool.remove(name);
  await settle();
  expect(test.lab.clusters.show('shop').nodes.map(({ name }) => name)).toEqual(names.slice(0, 1));
  expect(code(() => pool.remove(names[0]!))).toBe('OperationNotAllowed');
});

test('what it asks for and does not work is logged, and a node of nobody is refused', async () => {
  const test = await scaled();
  test.nodes.onStart = () => {
    throw new Error('no space left');
  };
  test.pools.get('shop')!.add(1);
  await expect.poll(() => test.logged).toContain('what the autoscaler asked for failed');
  expect(code(() => test.pools.get('shop')!.remove('aks-nodepool1-0-vmss000000'))).toBe('NotFound');
});

test('only clusters that ask for it have one, as long as they are there', async () => {
  const test = await scaled();
  test.lab.clusters.accept({ name: 'fixed', nodes: 1 });
  await test.lab.clusters.build('fixed', quiet);
  expect([...test.pools.keys()]).toEqual(['shop']);
  test.lab.clusters.acceptDeletion('shop');
  await test.lab.clusters.remove('shop', quiet);
  expect([...test.pools.keys()]).toEqual([]);
});

test.each([
  [{ minCount: 3, maxCount: 2 }, 'InvalidParameter'],
  [{ minCount: 0, maxCount: 2 }, 'InvalidParameter'],
  [{ maxCount: 1 }, 'InvalidParameter'],
  [{ maxCount: 300 }, 'InsufficientSubnetSize'],
  [{ minCount: 2 }, 'InsufficientSubnetSize'],
  [{ maxCount: 250 }, 'accepted'],
])('two nodes with %o: %s', (bounds, expected) => {
  const test = new TestLab();
  expect(code(() => test.lab.clusters.accept({ name: 'shop', nodes: 2, ...bounds }))).toBe(expected);
});
