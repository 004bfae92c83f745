import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Change, RevisionConflict, Store } from './store.ts';

const text = (value: string) => (revision: number) => `${value}@${revision}`;
const open = () => new Store(':memory:');

describe('Store', () => {
  it('answers an empty list with a revision that clients may use', () => {
    expect(open().revision).toBe(1);
  });

  it('keeps what was written and counts every write', async () => {
    const store = open();
    const first = store.put('pods/a/x', 0, text('one'));
    const second = store.put('pods/a/x', first.revision, text('two'));
    await second.done;
    expect(store.get('pods/a/x')).toEqual({ revision: 3, value: 'two@3' });
    expect(store.revision).toBe(3);
  });

  it('refuses what expects another revision, and leaves nothing of it', async () => {
    const store = open();
    await store.put('pods/a/x', 0, text('one')).done;
    expect(() => store.put('pods/a/x', 0, text('again'))).toThrow(RevisionConflict);
    expect(() => store.remove('pods/a/x', 99, text('gone'))).toThrow(RevisionConflict);
    expect(() => store.put('pods/a/y', 7, text('update'))).toThrow(RevisionConflict);
    expect(store.get('pods/a/x')?.revision).toBe(2);
    expect(store.revision).toBe(2);
  });

  it('commits the writers of one turn together and tells of them in order, after they are durable', async () => {
    const store = open();
    const commits: number[][] = [];
    store.onCommit((changes) => commits.push(changes.map((one) => one.revision)));
    const done = Promise.all([1, 2, 3].map((n) => store.put(`pods/a/${n}`, 0, text('v')).done));
    expect(store.revision).toBe(1);
    expect(commits).toEqual([]);
    await done;
    expect(store.revision).toBe(4);
    expect(commits).toEqual([[2, 3, 4]]);
    expect(store.durable()).toBeUndefined();
  });

  it('lists by prefix, without the neighbours whose names begin alike', async () => {
    const store = open();
    for (const key of ['pods/a/x', 'pods/a-b/x', 'pods/ab/x', 'podtemplates/a/x', 'pods/a/y', 'pod/a/z'])
      await store.put(key, 0, text(key)).done;
    const keys = (prefix: string) => store.current(prefix).map((one) => one.key);
    expect(keys('pods/a/')).toEqual(['pods/a/x', 'pods/a/y']);
    expect(keys('pods/')).toEqual(['pods/a-b/x', 'pods/a/x', 'pods/a/y', 'pods/ab/x']);
    expect(store.count('pods/')).toBe(4);
    expect(store.current('pods/', 'pods/a/x', 1).map((one) => one.key)).toEqual(['pods/a/y']);
    expect(store.count('pods/', 'pods/a/x')).toBe(2);
  });

  it('lists as of an older revision', async () => {
    const store = open();
    const a = store.put('pods/n/a', 0, text('a'));
    const b = store.put('pods/n/b', 0, text('b'));
    store.put('pods/n/a', a.revision, text('a2'));
    store.remove('pods/n/b', b.revision, text('b'));
    await store.durable();
    expect(store.at(b.revision, 'pods/').map((one) => store.value(one.id))).toEqual(['a@2', 'b@3']);
    expect(store.at(store.revision, 'pods/').map((one) => store.value(one.id))).toEqual(['a2@4']);
  });

  it('tells history with the value before', async () => {
    const store = open();
    const a = store.put('pods/n/a', 0, text('a'));
    const b = store.put('pods/n/a', a.revision, text('b'));
    store.remove('pods/n/a', b.revision, text('b'));
    store.put('nodes/a', 0, text('node'));
    await store.durable();
    expect(store.history(1, 'pods/', 100)).toEqual<Change[]>([
      { revision: 2, key: 'pods/n/a', created: true, deleted: false, value: 'a@2', previous: undefined },
      { revision: 3, key: 'pods/n/a', created: false, deleted: false, value: 'b@3', previous: 'a@2' },
      { revision: 4, key: 'pods/n/a', created: false, deleted: true, value: 'b@4', previous: 'b@3' },
    ]);
    expect(store.history(3, 'pods/', 100)).toHaveLength(1);
  });

  it('does not tell history of what is not on disk yet', () => {
    const store = open();
    store.put('pods/n/a', 0, text('a'));
    expect(store.history(0, 'pods/', 100)).toEqual([]);
    store.flush();
    expect(store.history(0, 'pods/', 100)).toHaveLength(1);
  });

  it('rejects all writers of a turn when one write breaks, and goes on after', async () => {
    const store = open();
    const good = store.put('pods/n/a', 0, text('a'));
    // @ts-expect-error a value that the strict table refuses
    expect(() => store.put('pods/n/b', 0, () => ({}))).toThrow();
    await expect(good.done).rejects.toThrow();
    expect(store.get('pods/n/a')).toBeUndefined();
    await store.put('pods/n/a', 0, text('again')).done;
    expect(store.get('pods/n/a')).toEqual({ revision: 2, value: 'again@2' });
  });

  it('compacts without changing what is current, nor history after', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 5 }), fc.boolean()), { maxLength: 60 }),
        fc.integer({ min: 0, max: 70 }),
        fc.integer({ min: 1, max: 9 }),
        (writes, upTo, span) => {
          const store = open();
          for (const [n, remove] of writes) {
            const key = `pods/n/${n}`;
            const at = store.get(key)?.revision ?? 0;
            if (remove && at) store.remove(key, at, text('gone'));
            else store.put(key, at, text('v'));
          }
          store.flush();
          const list = () => store.current('pods/').map((one) => [one.key, store.value(one.id)]);
          const before = { list: list(), revision: store.revision };
          const history = store.history(0, 'pods/', 1_000);
          const ats = Array.from({ length: store.revision }, (_, at) => store.at(at, 'pods/'));
          while (store.compact(upTo, span));
          expect({ list: list(), revision: store.revision }).toEqual(before);
          expect(store.history(store.compacted, 'pods/', 1_000)).toEqual(
            history.filter((one) => one.revision > store.compacted),
          );
          for (let at = store.compacted; at < store.revision; at++)
            expect(store.at(at, 'pods/')).toEqual(ats[at]);
          expect(store.compacted).toBe(Math.max(0, Math.min(upTo, before.revision - 1)));
          store.close();
        },
      ),
      { numRuns: 200 },
    );
  });
});
