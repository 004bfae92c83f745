import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { extract } from 'tar-stream';
import { afterAll, expect, test } from 'vitest';
import { blobOf, writeLayer } from './layer.ts';
import { blobPath, writeImage } from './oci.ts';
import { addDirectory, addFile, addLink, type Entry, type Tree } from './tree.ts';

const folder = mkdtempSync(join(tmpdir(), 'fly-test-oci-'));
afterAll(() => rmSync(folder, { recursive: true }));

const name = fc.stringMatching(/^[a-z0-9äß ._+-]{1,120}$/).filter((part) => part !== '.' && part !== '..');
// tar-stream takes mode 0 for none given; no package ships a file that nobody may touch.
const mode = fc.integer({ min: 1, max: 0o7777 });
const entry: fc.Arbitrary<Entry> = fc.oneof(
  fc.record({
    path: name,
    type: fc.constant('file' as const),
    mode,
    data: fc.uint8Array({ maxLength: 2000 }).map((bytes) => Buffer.from(bytes)),
  }),
  fc.record({
    path: name,
    type: fc.constant('directory' as const),
    mode,
  }),
  fc.record({ path: name, type: fc.constant('symlink' as const), mode: fc.constant(0o777), target: name }),
);

const treeOf = (entries: readonly Entry[]): Tree => new Map(entries.map((each) => [each.path, each]));

async function readBack(layer: Buffer): Promise<Tree> {
  const tree: Tree = new Map();
  for await (const each of Readable.from([layer]).pipe(extract())) {
    const chunks: Buffer[] = [];
    for await (const chunk of each) chunks.push(chunk as Buffer);
    const { type, mode = 0, linkname, mtime, uid, gid } = each.header;
    expect([mtime?.getTime(), uid, gid]).toEqual([0, 0, 0]);
    const path = each.header.name.replace(/\/$/, '');
    if (type === 'file') tree.set(path, { path, type, mode, data: Buffer.concat(chunks) });
    else if (type === 'directory') tree.set(path, { path, type, mode });
    else if (type === 'symlink') tree.set(path, { path, type, mode, target: linkname ?? '' });
  }
  return tree;
}

test('a layer holds what its tree holds, and the same tree gives the same bytes in any order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(entry, { selector: (each) => each.path, maxLength: 12 }),
      async (entries) => {
        const layer = await writeLayer(treeOf(entries));
        expect(await readBack(layer.data)).toEqual(treeOf(entries));
        expect((await writeLayer(treeOf(entries.toReversed()))).digest).toBe(layer.digest);
      },
    ),
    { numRuns: 40 },
  );
});

test('folders stand before what lies in them', async () => {
  const tree: Tree = new Map();
  addFile(tree, 'etc/a', 'x');
  addLink(tree, 'bin', 'usr/bin');
  addDirectory(tree, 'etc');
  expect([...(await readBack((await writeLayer(tree)).data)).keys()]).toEqual(['bin', 'etc', 'etc/a']);
});

test('an image is a manifest that leads to its parts', () => {
  const layer = blobOf(Buffer.from('not really a tar'));
  const image = writeImage(folder, 'example.test/a:1', [layer, layer], { entrypoint: ['/pause', '-P'] });
  expect(writeImage(folder, 'example.test/a:1', [layer, layer], { entrypoint: ['/pause', '-P'] })).toEqual(
    image,
  );
  const read = (digest: string) => JSON.parse(readFileSync(blobPath(folder, digest), 'utf8'));
  const manifest = read(image.manifest.digest);
  expect(manifest.layers).toEqual(image.layers);
  expect(read(manifest.config.digest)).toMatchObject({
    os: 'linux',
    config: { Entrypoint: ['/pause', '-P'] },
    rootfs: { type: 'layers', diff_ids: [layer.digest, layer.digest] },
  });
  for (const { digest, size } of [image.manifest, image.config, ...image.layers]) {
    expect(statSync(blobPath(folder, digest)).size).toBe(size);
    expect(blobOf(readFileSync(blobPath(folder, digest))).digest).toBe(digest);
  }
});
