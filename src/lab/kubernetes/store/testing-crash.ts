// A process to be killed: writes as fast as it can and prints `KEY REVISION VALUE` of each write once it is acknowledged.
import { writeSync } from 'node:fs';
import { Store } from './store.ts';

const store = new Store(process.argv[2] ?? '');
const keys = Array.from({ length: 20 }, (_, n) => `pods/n/${n}`);

async function writer(id: number): Promise<void> {
  for (let count = 0; ; count++) {
    const key = keys[Math.floor(Math.random() * keys.length)] as string;
    const at = store.get(key)?.revision ?? 0;
    const value = `${id}-${count}-${'x'.repeat(Math.floor(Math.random() * 4_000))}`;
    const remove = at > 0 && Math.random() < 0.2;
    const { revision, done } = remove ? store.remove(key, at, () => value) : store.put(key, at, () => value);
    await done;
    writeSync(1, `${key} ${revision} ${remove ? '-' : value}\n`);
    if (Math.random() < 0.01) store.compact(store.revision - 50);
  }
}

for (let id = 0; id < 8; id++) void writer(id);
