import { EventEmitter } from 'node:events';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Store } from '../store/store.ts';
import type { Represents, Selects } from './event.ts';
import { WatchHub } from './hub.ts';
import { type Sink, SLOW } from './watcher.ts';

/** A client that reads when it is told to. */
class TestSink extends EventEmitter implements Sink {
  readonly lines: string[] = [];
  writableLength = 0;
  ended = false;
  /** Takes nothing while set. */
  stuck = false;

  write(data: Buffer): boolean {
    this.lines.push(data.toString());
    if (!this.stuck) return true;
    this.writableLength += data.length;
    return false;
  }

  drain(): void {
    this.stuck = false;
    this.writableLength = 0;
    this.emit('drain');
  }

  end(): void {
    this.ended = true;
    this.emit('close');
  }

  told(): string[] {
    return this.lines.map((line) => {
      const { type, object } = JSON.parse(line);
      return `${type} ${object.metadata?.name ?? object.reason} ${object.metadata?.resourceVersion ?? ''}`.trim();
    });
  }
}

const plain: Represents = { id: 'plain', single: (text) => text };
const everything: Selects = { all: true, matches: () => true };
const text =
  (name: string, more: object = {}) =>
  (revision: number) =>
    JSON.stringify({ metadata: { name, resourceVersion: String(revision) }, ...more });
const bookmark = (revision: number) =>
  JSON.stringify({ metadata: { name: 'bookmark', resourceVersion: String(revision) } });
const turns = async (count = 20) => {
  for (let n = 0; n < count; n++) await new Promise((resolve) => setImmediate(resolve));
};

function watch(hub: WatchHub, after: number, more: object = {}) {
  const sink = new TestSink();
  const watcher = hub.watch(
    { prefix: 'pods/', selection: everything, representation: plain, after, bookmark, sink, ...more },
    { bookmarks: false },
  );
  return { sink, watcher };
}

describe('Watcher', () => {
  it('is told each change once and in order, wherever it begins and however slow it reads', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.tuple(
            fc.integer({ min: 0, max: 3 }),
            fc.constantFrom('write', 'remove', 'commit', 'stick', 'drain'),
          ),
          { maxLength: 60 },
        ),
        fc.integer({ min: 1, max: 20 }),
        async (steps, start) => {
          const store = new Store(':memory:');
          const hub = new WatchHub(store);
          // More than SLOW with every write, so that one stuck write makes a watcher slow.
          const padding = 'x'.repeat(SLOW);
          let watching: ReturnType<typeof watch> | undefined;
          for (const [n, step] of steps) {
            const key = `pods/n/${n}`;
            const at = store.get(key)?.revision ?? 0;
            if (step === 'write') store.put(key, at, text(String(n), { padding }));
            else if (step === 'remove' && at) store.remove(key, at, text(String(n)));
            else if (step === 'commit') await turns(3);
            else if (step === 'stick' && watching) watching.sink.stuck = true;
            else if (step === 'drain') watching?.sink.drain();
            if (!watching && store.revision >= start) watching = watch(hub, start);
          }
          store.flush();
          watching?.sink.drain();
          await turns();
          if (watching) {
            const expected = store
              .history(start, 'pods/', 1_000)
              .map(
                ({ created, deleted, key, revision }) =>
                  `${deleted ? 'DELETED' : created ? 'ADDED' : 'MODIFIED'} ${key.at(-1)} ${revision}`,
              );
            expect(watching.sink.told()).toEqual(expected);
          }
          hub.close();
          store.close();
        },
      ),
      { numRuns: 60 },
    );
  });

  it('that wants one value of a field is told what one that looks at everything is told', async () => {
    const field = (object: object) => (object as { spec: { node: string } }).spec.node;
    const of = (value: string, indexed: boolean): Selects => ({
      all: false,
      matches: (object) => field(object) === value,
      ...(indexed && { only: { field: 'spec.node', value, fieldOf: field } }),
    });
    const nodes = ['', 'a', 'b'];
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.tuple(fc.integer({ min: 0, max: 3 }), fc.constantFrom(...nodes, 'removed'), fc.boolean()),
          { maxLength: 40 },
        ),
        async (steps) => {
          const store = new Store(':memory:');
          const hub = new WatchHub(store);
          const pairs = nodes.map((node) =>
            [true, false].map((indexed) => watch(hub, store.revision, { selection: of(node, indexed) })),
          );
          await turns(2);
          for (const [n, node, commit] of steps) {
            const key = `pods/n/${n}`;
            const at = store.get(key)?.revision ?? 0;
            if (node !== 'removed') store.put(key, at, text(String(n), { spec: { node } }));
            else if (at) store.remove(key, at, text(String(n), JSON.parse(store.get(key)!.value)));
            if (commit) await turns(2);
          }
          store.flush();
          await turns();
          for (const [one, other] of pairs) expect(one!.sink.lines).toEqual(other!.sink.lines);
          for (const { watcher } of pairs.flat()) watcher.close();
          expect(hub.size).toBe(0);
          hub.close();
          store.close();
        },
      ),
      { numRuns: 60 },
    );
  });

  it('keeps at most a little for one who does not read, and is told 410 when history is gone', async () => {
    const store = new Store(':memory:');
    const hub = new WatchHub(store);
    const { sink, watcher } = watch(hub, store.revision);
    await turns(2);
    sink.stuck = true;
    for (let n = 0; n < 10; n++) {
      store.put(`pods/n/${n}`, 0, text(String(n), { padding: 'x'.repeat(SLOW) }));
      store.flush();
    }
    expect(sink.lines).toHaveLength(1);
    expect(watcher.live).toBe(false);
    while (store.compact(store.revision));
    sink.drain();
    await turns();
    expect(sink.told().at(-1)).toBe('ERROR Expired');
    expect(sink.ended).toBe(true);
    expect(hub.size).toBe(0);
  });

  it('encodes an event once for all who want the same', async () => {
    const store = new Store(':memory:');
    const hub = new WatchHub(store);
    let encoded = 0;
    const counting: Represents = {
      id: 'counting',
      single(value) {
        encoded++;
        return value;
      },
    };
    const watchers = Array.from({ length: 50 }, () =>
      watch(hub, store.revision, { representation: counting }),
    );
    await turns(2);
    await store.put('pods/n/a', 0, text('a')).done;
    expect(watchers.map(({ sink }) => sink.lines.length)).toEqual(watchers.map(() => 1));
    expect(encoded).toBe(1);
  });

  it('bookmarks only what has been told', async () => {
    const store = new Store(':memory:');
    const hub = new WatchHub(store);
    const { sink, watcher } = watch(hub, store.revision);
    await store.put('nodes/a', 0, text('a')).done;
    watcher.bookmark();
    expect(sink.told()).toEqual([`BOOKMARK bookmark ${store.revision}`]);
    sink.stuck = true;
    store.put('pods/n/a', 0, text('a', { padding: 'x'.repeat(SLOW) }));
    store.flush();
    store.put('pods/n/b', 0, text('b'));
    store.flush();
    watcher.bookmark();
    expect(sink.told().filter((line) => line.startsWith('BOOKMARK'))).toHaveLength(1);
  });
});
