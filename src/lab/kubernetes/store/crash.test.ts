import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Store } from './store.ts';

interface Write {
  revision: number;
  value: string;
}

/** Lets the writer run until it has acknowledged so many writes, kills it without warning, and returns what it had acknowledged. */
async function run(path: string, acknowledgements: number): Promise<Map<string, Write[]>> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'testing-crash.ts'), path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const closed = once(child, 'close');
  let text = '';
  let lines = 0;
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
    lines += chunk.split('\n').length - 1;
    if (lines >= acknowledgements) child.kill('SIGKILL');
  });
  await closed;
  const told = new Map<string, Write[]>();
  // What stands behind the last newline was cut by the kill.
  for (const line of text.split('\n').slice(0, -1)) {
    const [key = '', revision, value = ''] = line.split(' ');
    const writes = told.get(key) ?? [];
    writes.push({ revision: Number(revision), value });
    told.set(key, writes);
  }
  return told;
}

it('has every acknowledged write after kill -9, and never counts a revision twice', {
  timeout: 60_000,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'kube-store-'));
  try {
    const path = join(folder, 'kube.sqlite');
    let newest = 1;
    for (let round = 0; round < 4; round++) {
      const told = await run(path, 100 + Math.floor(Math.random() * 400));
      const store = new Store(path);
      let seen = 0;
      for (const [key, writes] of told) {
        const last = writes.reduce((a, b) => (a.revision > b.revision ? a : b));
        for (const { revision } of writes) expect(revision).toBeGreaterThan(newest);
        seen = Math.max(seen, last.revision);
        const now = store.get(key);
        // A later write may be on disk that nobody was told of.
        if (now && now.revision > last.revision) continue;
        if (last.value === '-') expect(now).toBeUndefined();
        else if (now) expect(now).toEqual(last);
        else
          expect(
            store
              .history(last.revision, key.slice(0, key.lastIndexOf('/') + 1), 10_000)
              .some((one) => one.key === key && one.deleted),
          ).toBe(true);
      }
      const revisions = store.history(store.compacted, 'pods/', 1_000_000).map((one) => one.revision);
      // Without a gap. Revision 1 is the empty store's own.
      const first = Math.max(store.compacted, 1) + 1;
      expect(revisions).toEqual(revisions.map((_, n) => first + n));
      expect(store.revision).toBeGreaterThanOrEqual(seen);
      newest = store.revision;
      store.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
