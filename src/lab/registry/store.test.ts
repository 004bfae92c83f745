import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { ImageStore } from './store.ts';
import { testImage } from './testing.ts';

const folder = mkdtempSync(join(tmpdir(), 'fly-test-store-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('several writers: whoever has set a tag, and nobody removed it since, finds its image', async () => {
  const [one, two] = [new ImageStore(folder), new ImageStore(folder)];
  const image = testImage([Buffer.from('layer')]);
  for (const data of image.blobs.values()) await one.writeBlob(data);
  let running = true;
  const removed: boolean[] = [];
  const remover = (async () => {
    while (running) removed.push(await two.removeTag('a.test/x', 'gone'));
  })();
  const reader = (async () => {
    while (running) {
      const record = await two.tag('a.test/x', 'gone');
      if (record) expect(record.digest).toBe(image.digest);
      await two.repositories();
    }
  })();
  for (let round = 0; round < 60; round++) {
    await one.putManifest('a.test/x', image.manifest);
    await one.setTag('a.test/x', 'gone', image.digest, 'pushed');
    if (round % 3 !== 0) continue;
    await one.setTag('a.test/x', 'kept', image.digest, 'pushed');
    const record = await two.tag('a.test/x', 'kept');
    expect(record && (await two.tagged('a.test/x', record))?.data).toEqual(image.manifest);
    await one.removeTag('a.test/x', 'kept');
  }
  running = false;
  await Promise.all([remover, reader]);
  expect(removed.filter(Boolean).length).toBeGreaterThan(5);
  await one.setTag('a.test/x', 'last', image.digest, 'pushed');
  expect(await two.manifest('a.test/x', image.digest)).toBeDefined();
  expect(readdirSync(join(folder, 'uploads'))).toEqual([]);
  await one.removeTag('a.test/x', 'last');
  await one.removeTag('a.test/x', 'gone');
  expect(await two.repositories()).toEqual([]);
}, 30_000);
