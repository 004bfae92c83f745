import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadArchive } from './archive.ts';
import { listImages, removeImage } from './catalog.ts';
import { OCI_INDEX, OCI_MANIFEST } from './manifest.ts';
import { ImageStore } from './store.ts';
import { sha256, type TestImage, testImage } from './testing.ts';

const folder = mkdtempSync(join(tmpdir(), 'fly-test-archive-'));
let store: ImageStore;
beforeAll(() => {
  store = new ImageStore(join(folder, 'images'));
});
afterAll(() => rmSync(folder, { recursive: true }));

type Files = Record<string, Buffer | string | { link: string }>;

async function archive(
  name: string,
  files: Files,
  compress = (data: Buffer): Buffer => data,
): Promise<string> {
  const tar = pack();
  for (const [path, content] of Object.entries(files)) {
    if (typeof content === 'object' && 'link' in content)
      tar.entry({ name: path, type: 'symlink', linkname: content.link });
    else tar.entry({ name: path }, content);
  }
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  const path = join(folder, name);
  writeFileSync(path, compress(Buffer.concat(chunks)));
  return path;
}

const blobs = (image: TestImage): Files =>
  Object.fromEntries(
    [...image.blobs, [image.digest, image.manifest] as const].map(([digest, data]) => [
      `blobs/sha256/${digest.slice(7)}`,
      data,
    ]),
  );

const layout = (entries: object[], ...images: TestImage[]): Files => ({
  'oci-layout': '{"imageLayoutVersion":"1.0.0"}',
  'index.json': JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: entries }),
  ...Object.assign({}, ...images.map(blobs)),
});

const entryOf = (image: TestImage, annotations?: Record<string, string>): object => ({
  mediaType: OCI_MANIFEST,
  digest: image.digest,
  size: image.manifest.length,
  annotations,
});

const one = testImage([Buffer.from('layer one'), Buffer.from('layer two')]);

describe('an OCI archive', () => {
  test.each([
    ['plain', undefined],
    ['gzip', gzipSync],
    ['zstd', zstdCompressSync],
  ])('is loaded, %s', async (name, compress) => {
    const names = {
      'io.containerd.image.name': `ghcr.io/shop/${name}:7`,
      'org.opencontainers.image.ref.name': '7',
    };
    const file = await archive(`${name}.tar`, layout([entryOf(one, names)], one), compress);
    expect(await loadArchive(file, store)).toEqual([`ghcr.io/shop/${name}:7`]);
    expect((await store.manifest(`ghcr.io/shop/${name}`, one.digest))?.data).toEqual(one.manifest);
    for (const [digest, data] of one.blobs) expect(readFileSync(store.blobPath(digest))).toEqual(data);
    expect(readdirSync(join(store.folder, 'uploads'))).toEqual([]);
  });

  test('of several platforms is loaded as far as it is there', async () => {
    const other = testImage([Buffer.from('other')], { architecture: 'arm64' });
    const index = Buffer.from(
      JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [entryOf(one), entryOf(other)] }),
    );
    const outer = { mediaType: OCI_INDEX, digest: sha256(index), size: index.length };
    const names = { annotations: { 'org.opencontainers.image.ref.name': 'many:1' } };
    const files = {
      ...layout([{ ...outer, ...names }], one),
      [`blobs/sha256/${sha256(index).slice(7)}`]: index,
      // Its manifest alone, as Docker saves what it has not pulled.
      [`blobs/sha256/${other.digest.slice(7)}`]: other.manifest,
    };
    expect(await loadArchive(await archive('many.tar', files), store)).toEqual(['docker.io/library/many:1']);
    expect((await store.tag('docker.io/library/many', '1'))?.digest).toBe(sha256(index));
    expect(await store.manifest('docker.io/library/many', one.digest)).toBeDefined();
    expect(await store.manifest('docker.io/library/many', other.digest)).toBeUndefined();
  });

  test.each([
    [
      'gives its image no name',
      layout([entryOf(one, { 'org.opencontainers.image.ref.name': 'latest' })], one),
    ],
    ['holds no image', { 'oci-layout': '{}' }],
    ['is damaged: it has no sha256', layout([entryOf(one, { 'org.opencontainers.image.ref.name': 'a:1' })])],
    ['is damaged: index.json is not JSON', { 'index.json': '{' }],
    ['is damaged: blobs/sha256/0000', { [`blobs/sha256/${'0'.repeat(64)}`]: 'x' }],
    ['is damaged: it has no c.json', { 'manifest.json': '[{"Config":"c.json","Layers":[]}]' }],
  ])('that %s is refused', async (rule, files) => {
    const file = await archive('bad.tar', files as Files);
    await expect(loadArchive(file, store)).rejects.toThrow(`FILE '${file}' ${rule}`);
    expect(readdirSync(join(store.folder, 'uploads'))).toEqual([]);
  });

  test('without a part is refused, and its name is not there', async () => {
    const files = layout([entryOf(one, { 'org.opencontainers.image.ref.name': 'part:1' })], one);
    const [first] = one.blobs.keys();
    delete files[`blobs/sha256/${first!.slice(7)}`];
    const fresh = new ImageStore(join(folder, 'fresh'));
    await expect(loadArchive(await archive('part.tar', files), fresh)).rejects.toThrow(/which is not here/);
    expect(await fresh.tags('docker.io/library/part')).toEqual([]);
  });

  test('that is none is refused', async () => {
    const file = join(folder, 'text');
    writeFileSync(file, 'just words '.repeat(100));
    await expect(loadArchive(file, store)).rejects.toThrow(/'.*text' is not an archive: /);
    await expect(loadArchive(join(folder, 'none'), store)).rejects.toThrow(/'.*none' cannot be read: ENOENT/);
    await expect(loadArchive(folder, store)).rejects.toThrow(/cannot be read: EISDIR/);
  });

  test('takes the name it is given', async () => {
    const file = await archive('unnamed.tar', layout([entryOf(one)], one));
    expect(await loadArchive(file, store, { name: 'mine' })).toEqual(['docker.io/library/mine:latest']);
  });
});

test("Docker's archive of old gets a manifest, and shares layers by links", async () => {
  const config = Buffer.from(JSON.stringify({ os: 'linux', architecture: 'amd64', rootfs: {} }));
  const packed = gzipSync('layer');
  const files: Files = {
    'aa/layer.tar': 'first',
    'bb/layer.tar': { link: '../aa/layer.tar' },
    'cc/layer.tar': packed,
    'config.json': config,
    'manifest.json': JSON.stringify([
      {
        Config: 'config.json',
        RepoTags: ['old:1', 'old:2'],
        Layers: ['aa/layer.tar', 'bb/layer.tar', 'cc/layer.tar'],
      },
    ]),
    repositories: '{}',
  };
  const names = ['docker.io/library/old:1', 'docker.io/library/old:2'];
  expect(await loadArchive(await archive('old.tar', files), store)).toEqual(names);
  const tag = await store.tag('docker.io/library/old', '2');
  const { manifest } = (await store.manifest('docker.io/library/old', tag!.digest))!;
  const tar = 'application/vnd.oci.image.layer.v1.tar';
  expect(manifest.blobs.map((part) => [part.mediaType, part.digest])).toEqual([
    ['application/vnd.oci.image.config.v1+json', sha256(config)],
    [tar, sha256('first')],
    [tar, sha256('first')],
    [`${tar}+gzip`, sha256(packed)],
  ]);
});

test('what there is is listed, and removed by its name', async () => {
  const listed = await listImages(store);
  expect(listed.find((image) => image.name === 'ghcr.io/shop/plain')).toMatchObject({
    tag: '7',
    source: 'loaded',
    digest: one.digest,
    size: [...one.blobs.values()].reduce((sum, blob) => sum + blob.length, 0),
  });
  expect(listed.find((image) => image.name === 'nginx')).toEqual({
    name: 'nginx',
    tag: 'latest',
    repository: 'docker.io/library/nginx',
    source: 'ready-made',
  });
  await removeImage(store, 'ghcr.io/shop/plain:7');
  expect(await store.repositories()).not.toContain('ghcr.io/shop/plain');
  expect(await store.repositories()).toContain('ghcr.io/shop/gzip');
  await expect(removeImage(store, 'ghcr.io/shop/plain:7')).rejects.toThrow(
    /^image 'ghcr\.io\/shop\/plain:7' does not exist; there are: .*ghcr\.io\/shop\/gzip:7/,
  );
});
