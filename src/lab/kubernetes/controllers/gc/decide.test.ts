import fc from 'fast-check';
import { expect, test } from 'vitest';
import { resourceType } from '../../../../kube/resources.ts';
import { decide, type OwnerState } from './decide.ts';
import { FOREGROUND, type Item, ORPHAN, OwnerGraph } from './graph.ts';

const type = resourceType<unknown>('', 'v1', 'things', 'Thing');
const ref = (uid: string, block = false) => ({
  apiVersion: 'v1',
  kind: 'Thing',
  name: uid,
  uid,
  ...(block && { blockOwnerDeletion: true }),
});
const item = (uid: string, owners: string[] = [], more: Partial<Item> = {}): Item => ({
  type,
  uid,
  name: uid,
  namespace: 'ns',
  owners: owners.map((owner) => ref(owner)),
  finalizers: [],
  deleting: false,
  ...more,
});

function graphOf(...items: Item[]): OwnerGraph {
  const graph = new OwnerGraph();
  for (const one of items) graph.set(one);
  return graph;
}

const states = (of: Record<string, OwnerState>) => (owner: { uid: string }) => of[owner.uid] ?? 'absent';

test('an object stays while one owner does, and loses the references to the others', () => {
  const child = item('c', ['a', 'b']);
  expect(decide(child, graphOf(child), states({ a: 'solid', b: 'solid' }))).toEqual({ do: 'nothing' });
  expect(decide(child, graphOf(child), states({ a: 'solid' }))).toEqual({ do: 'release', uids: ['b'] });
  expect(decide(child, graphOf(child), states({}))).toMatchObject({
    do: 'delete',
    propagationPolicy: 'Background',
  });
});

test('a reference that cannot be resolved deletes nothing', () => {
  const child = item('c', ['a', 'b']);
  expect(decide(child, graphOf(child), states({ a: 'unresolvable' }))).toEqual({ do: 'nothing' });
});

test('Foreground waits for those that block, and for no others', () => {
  const owner = item('o', [], { deleting: true, finalizers: [FOREGROUND] });
  const blocking = item('b', [], { owners: [ref('o', true)] });
  const other = item('x', ['o']);
  const graph = graphOf(owner, blocking, other);
  expect(decide(owner, graph, states({}))).toMatchObject({ do: 'foreground', finish: false });
  expect(graph.delete('b')).toContain('o');
  expect(decide(owner, graph, states({}))).toMatchObject({ do: 'foreground', finish: true });
});

test('what is deleted because its owner waits is deleted in the foreground itself when it has dependents', () => {
  const graph = graphOf(item('c', ['o']), item('d', ['c']));
  expect(decide(graph.get('c') as Item, graph, states({ o: 'waiting' }))).toMatchObject({
    do: 'delete',
    propagationPolicy: 'Foreground',
  });
  expect(decide(graph.get('d') as Item, graph, states({ c: 'waiting' }))).toMatchObject({
    do: 'delete',
    propagationPolicy: 'Background',
  });
});

test('Orphan lets go of all dependents', () => {
  const owner = item('o', [], { deleting: true, finalizers: [ORPHAN] });
  const graph = graphOf(owner, item('a', ['o']), item('b', ['o']));
  const action = decide(owner, graph, states({}));
  expect(action.do === 'orphan' && action.dependents.map((d) => d.uid)).toEqual(['a', 'b']);
});

test('the graph knows the dependents, whatever came, went and came again', () => {
  const step = fc.record({
    uid: fc.integer({ min: 0, max: 6 }),
    owners: fc.uniqueArray(fc.integer({ min: 0, max: 6 }), { maxLength: 3 }),
    gone: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const graph = new OwnerGraph();
      const model = new Map<string, string[]>();
      for (const { uid, owners, gone } of steps) {
        if (gone) {
          graph.delete(`${uid}`);
          model.delete(`${uid}`);
        } else {
          graph.set(item(`${uid}`, owners.map(String)));
          model.set(`${uid}`, owners.map(String));
        }
        for (let owner = 0; owner <= 6; owner++) {
          const expected = [...model].filter(([, list]) => list.includes(`${owner}`)).map(([key]) => key);
          expect(
            graph
              .dependentsOf(`${owner}`)
              .map((d) => d.uid)
              .sort(),
          ).toEqual(expected.sort());
        }
      }
      expect(graph.size).toBe(model.size);
    }),
  );
});

test('when an owner goes its dependents are looked at', () => {
  const graph = graphOf(item('o'), item('a', ['o']), item('b', ['o']));
  expect(graph.delete('o').sort()).toEqual(['a', 'b']);
});
