import { randomBytes } from 'node:crypto';
import {
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { collectGarbage } from './collect.ts';
import { rangeOf } from './http.ts';
import { DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST } from './manifest.ts';
import { type RunningRegistry, serveRegistry } from './server.ts';
import { ImageStore } from './store.ts';
import { type Fetch, pushImage, sha256, testImage } from './testing.ts';

const folder = mkdtempSync(join(tmpdir(), 'fly-test-registry-'));
const store = new ImageStore(folder);
let registry: RunningRegistry;
const ask: Fetch = (path, init) => fetch(registry.url + path, init);
const listen = { host: '127.0.0.1', port: 0 };

beforeAll(async () => {
  registry = await serveRegistry({ store, listen, push: 'anybody' });
});
afterAll(async () => {
  await registry.close();
  rmSync(folder, { recursive: true });
});

const layer = randomBytes(100_000);
const image = testImage([layer, Buffer.from('small')]);
const problem = async (answer: Response): Promise<string> => {
  const { errors } = (await answer.json()) as { errors: { code: string; message: string }[] };
  return `${answer.status} ${errors[0]?.code}: ${errors[0]?.message}`;
};

describe('what was pushed', () => {
  beforeAll(async () => {
    expect((await pushImage(ask, 'shop/web', '1.0', image)).status).toBe(201);
  });

  test.each([
    '/v2/shop/web/manifests/1.0',
    `/v2/shop/web/manifests/${image.digest}`,
    '/v2/shop/web/manifests/1.0?ns=docker.io',
    '/v2/docker.io/shop/web/manifests/1.0',
  ])('is found at %s', async (path) => {
    const got = await ask(path);
    expect([got.status, got.headers.get('content-type')]).toEqual([200, OCI_MANIFEST]);
    expect(got.headers.get('docker-content-digest')).toBe(image.digest);
    expect(Buffer.from(await got.arrayBuffer())).toEqual(image.manifest);
    const head = await ask(path, { method: 'HEAD' });
    expect(head.headers.get('content-length')).toBe(String(image.manifest.length));
    expect((await head.arrayBuffer()).byteLength).toBe(0);
    const again = await ask(path, { headers: { 'if-none-match': `"${image.digest}"` } });
    expect(again.status).toBe(304);
  });

  test.each([
    ['/v2/shop/web/manifests/2.0', '404 MANIFEST_UNKNOWN: docker.io/shop/web has no 2.0'],
    ['/v2/shop/web/manifests/1.0?ns=ghcr.io', '404 MANIFEST_UNKNOWN: ghcr.io/shop/web has no 1.0'],
    ['/v2/shop/none/tags/list', '404 NAME_UNKNOWN: docker.io/shop/none has no image here'],
    [`/v2/shop/web/blobs/${sha256('none')}`, `404 BLOB_UNKNOWN: ${sha256('none')} is not here`],
    ['/v2/shop/web/blobs/sha256:1', "400 DIGEST_INVALID: 'sha256:1' is not a sha256 digest"],
    ['/v2/Shop/manifests/1', "400 NAME_INVALID: 'Shop' is not a name of a repository"],
    ['/v2/a/manifests/1?ns=..%2Fetc', "400 NAME_INVALID: '../etc/a' is not a name of a repository"],
    ['/v2/a/..%2f..%2fx/manifests/1', "400 NAME_INVALID: 'a/../../x' is not a name of a repository"],
    ['/v2/a/manifests/a b', "400 TAG_INVALID: 'a b' is neither a tag nor a digest"],
    ['/v2/_catalog?n=x', "400 PAGINATION_NUMBER_INVALID: n 'x' is not a number of entries"],
    ['/v1/x', '405 UNSUPPORTED: there is no /v1/x'],
    ['/v2/%zz/manifests/x', '400 NAME_INVALID: the address cannot be read'],
  ])('is not found at %s', async (path, said) => {
    expect(await problem(await ask(path))).toBe(said);
  });

  test('is given in parts', async () => {
    const path = `/v2/anything/blobs/${sha256(layer)}`;
    const whole = await ask(path);
    expect(whole.headers.get('accept-ranges')).toBe('bytes');
    expect(Buffer.from(await whole.arrayBuffer())).toEqual(layer);
    const part = await ask(path, { headers: { range: 'bytes=99990-' } });
    expect([part.status, part.headers.get('content-range')]).toEqual([206, 'bytes 99990-99999/100000']);
    expect(Buffer.from(await part.arrayBuffer())).toEqual(layer.subarray(99_990));
    const beyond = await ask(path, { headers: { range: 'bytes=100000-' } });
    expect([beyond.status, beyond.headers.get('content-range')]).toEqual([416, 'bytes */100000']);
  });

  test('is listed in pages', async () => {
    for (const tag of ['a', 'b', 'c']) expect((await pushImage(ask, 'paged', tag, image)).status).toBe(201);
    const first = await ask('/v2/paged/tags/list?n=2');
    expect(await first.json()).toEqual({ name: 'paged', tags: ['a', 'b'] });
    const next = /^<(.*)>; rel="next"$/.exec(first.headers.get('link') ?? '')?.[1] ?? '';
    const second = await ask(next);
    expect(await second.json()).toEqual({ name: 'paged', tags: ['c'] });
    expect(second.headers.get('link')).toBeNull();
    const catalog = (await (await ask('/v2/_catalog')).json()) as { repositories: string[] };
    expect(catalog.repositories).toEqual(['docker.io/library/paged', 'docker.io/shop/web']);
  });

  test('is found by what refers to it', async () => {
    const subject = { mediaType: OCI_MANIFEST, digest: image.digest, size: image.manifest.length };
    const note = testImage([Buffer.from('note')], {}, { subject, artifactType: 'application/x-note' });
    const put = await pushImage(ask, 'shop/web', note.digest, note);
    expect([put.status, put.headers.get('oci-subject')]).toEqual([201, image.digest]);
    const path = `/v2/shop/web/referrers/${image.digest}`;
    const found = (await (await ask(path)).json()) as { manifests: { digest: string }[] };
    expect(found).toMatchObject({ mediaType: OCI_INDEX, manifests: [{ digest: note.digest }] });
    const filtered = await ask(`${path}?artifactType=other`);
    expect(filtered.headers.get('oci-filters-applied')).toBe('artifactType');
    expect(await filtered.json()).toMatchObject({ manifests: [] });
  });

  test('goes when it is deleted, and its blobs when they are old and nobody else has them', async () => {
    const own = testImage([randomBytes(5000), layer]);
    expect((await pushImage(ask, 'gone', '1', own)).status).toBe(201);
    expect((await ask('/v2/gone/manifests/1', { method: 'DELETE' })).status).toBe(202);
    expect((await ask('/v2/gone/manifests/1')).status).toBe(404);
    expect((await ask(`/v2/gone/manifests/${own.digest}`)).status).toBe(404);
    expect((await ask('/v2/gone/manifests/1', { method: 'DELETE' })).status).toBe(404);
    expect(await collectGarbage(store)).toBe(0);
    const expected =
      own.manifest.length + [...own.blobs.values()].reduce((sum, blob) => sum + blob.length, -layer.length);
    expect(await collectGarbage(store, 0)).toBe(expected);
    expect((await ask(`/v2/x/blobs/${sha256(layer)}`, { method: 'HEAD' })).status).toBe(200);
    expect((await ask('/v2/shop/web/manifests/1.0')).status).toBe(200);
  });
});

describe('an upload', () => {
  const begin = async (): Promise<string> =>
    (await ask('/v2/up/blobs/uploads/', { method: 'POST' })).headers.get('location')!;

  test('may be one request', async () => {
    const path = `/v2/up/blobs/uploads/?digest=${sha256('one')}`;
    const done = await ask(path, { method: 'POST', body: 'one' });
    expect([done.status, done.headers.get('location')]).toEqual([201, `/v2/up/blobs/${sha256('one')}`]);
    expect(await (await ask(`/v2/up/blobs/${sha256('one')}`)).text()).toBe('one');
    const mounted = await ask(`/v2/other/blobs/uploads/?mount=${sha256('one')}&from=up`, { method: 'POST' });
    expect(mounted.status).toBe(201);
    expect((await ask(`/v2/other/blobs/uploads/?mount=${sha256('none')}`, { method: 'POST' })).status).toBe(
      202,
    );
  });

  test('of something else than its digest says leaves nothing', async () => {
    const location = await begin();
    const put = await ask(`${location}?digest=${sha256('right')}`, { method: 'PUT', body: 'wrong' });
    expect(await problem(put)).toBe(`400 DIGEST_INVALID: what was sent is ${sha256('wrong')}`);
    for (const text of ['right', 'wrong']) {
      expect((await ask(`/v2/up/blobs/${sha256(text)}`)).status).toBe(404);
    }
    expect(await problem(await ask(location, { method: 'PATCH', body: 'x' }))).toMatch(
      /^404 BLOB_UPLOAD_UNKNOWN/,
    );
  });

  test('goes on where it stands and nowhere else, and can be given up', async () => {
    const location = await begin();
    await ask(location, { method: 'PATCH', body: 'abc' });
    const status = await ask(location);
    expect([status.status, status.headers.get('range')]).toEqual([204, '0-2']);
    const patch = (range: string): Promise<Response> =>
      ask(location, { method: 'PATCH', body: 'def', headers: { 'content-range': range } });
    expect(await problem(await patch('4-6'))).toBe('416 RANGE_INVALID: it goes on at byte 3 and not at 4');
    expect(await problem(await patch('3-9'))).toMatch(/^416 RANGE_INVALID: content-range/);
    expect((await patch('3-5')).status).toBe(202);
    expect((await ask(location, { method: 'DELETE' })).status).toBe(204);
    expect((await ask(location)).status).toBe(404);
    expect((await ask(location.replace('/up/', '/other/'))).status).toBe(404);
  });

  test('that breaks off is forgotten', async () => {
    const location = await begin();
    const outgoing = request(registry.url + location, {
      method: 'PATCH',
      headers: { 'content-length': 1000 },
    });
    outgoing.on('error', () => undefined);
    outgoing.write('some');
    const id = location.slice(location.lastIndexOf('/') + 1);
    await expect.poll(async () => (await ask(location)).status).toBe(400);
    outgoing.destroy();
    await expect.poll(async () => (await ask(location)).status).toBe(404);
    await expect.poll(() => readdirSync(join(folder, 'uploads'))).not.toContain(id);
  });
});

describe('a manifest', () => {
  const put = (body: unknown, type = OCI_MANIFEST): Promise<Response> =>
    ask('/v2/m/manifests/x', {
      method: 'PUT',
      body: typeof body === 'string' ? body : JSON.stringify(body),
      headers: { 'content-type': type },
    });
  const sound = JSON.parse(image.manifest.toString()) as { layers: object[]; config: object };

  test.each([
    ['no JSON', '{', '400 MANIFEST_INVALID: it is not JSON'],
    ['schema 1', { schemaVersion: 1 }, /^400 MANIFEST_INVALID: its schemaVersion is not 2/],
    [
      'an unknown type',
      { schemaVersion: 2, mediaType: 'x/y' },
      /^400 MANIFEST_INVALID: its media type 'x\/y'/,
    ],
    [
      'another type than announced',
      { ...sound, mediaType: DOCKER_MANIFEST },
      /^400 MANIFEST_INVALID: it says/,
    ],
    ['no configuration', { ...sound, config: 1 }, '400 MANIFEST_INVALID: config is not a descriptor'],
    ['a layer without a digest', { ...sound, layers: [{ size: 1 }] }, /layers\[0\]\.digest is not sha256/],
    [
      'a missing layer',
      { ...sound, layers: [{ digest: sha256('no'), size: 1 }] },
      /^400 MANIFEST_BLOB_UNKNOWN/,
    ],
    [
      'a layer of another size',
      { ...sound, layers: [{ digest: sha256(layer), size: 1 }] },
      /has 100000 bytes and not 1$/,
    ],
    ['too much', ' '.repeat(4 * 1024 * 1024 + 1), /^413 SIZE_INVALID/],
  ])('with %s is refused', async (_, body, said) => {
    const answer = await problem(await put(body));
    if (typeof said === 'string') expect(answer).toBe(said);
    else expect(answer).toMatch(said);
    expect((await ask('/v2/m/manifests/x')).status).toBe(404);
  });

  test('of several platforms may name some that are not here', async () => {
    const index = {
      schemaVersion: 2,
      manifests: [{ mediaType: OCI_MANIFEST, digest: sha256('elsewhere'), size: 3 }],
    };
    expect((await put(index, OCI_INDEX)).status).toBe(201);
    expect((await ask('/v2/m/manifests/x')).headers.get('content-type')).toBe(OCI_INDEX);
    await ask('/v2/m/manifests/x', { method: 'DELETE' });
  });
});

describe('who may push', () => {
  test.each([
    ['nobody', 'nobody' as const, '', 403],
    ['without a password', { user: 'u', password: 'secret-word' }, '', 401],
    ['with a wrong one', { user: 'u', password: 'secret-word' }, 'u:secret-wor', 401],
    ['with the right one', { user: 'u', password: 'secret-word' }, 'u:secret-word', 202],
  ])('%s', async (_, push, given, status) => {
    const other = await serveRegistry({ store, listen, push });
    const headers = given ? { authorization: `Basic ${Buffer.from(given).toString('base64')}` } : {};
    const begun = await fetch(`${other.url}/v2/p/blobs/uploads/`, { method: 'POST', headers });
    expect(begun.status).toBe(status);
    expect(begun.headers.get('www-authenticate')).toBe(status === 401 ? 'Basic realm="flyover"' : null);
    expect((await fetch(`${other.url}/v2/`, { headers })).status).toBe(status === 401 ? 401 : 200);
    expect((await fetch(`${other.url}/v2/shop/web/manifests/1.0`)).status).toBe(200);
    await other.close();
  });
});

test('a manifest that is damaged in the store is not there', async () => {
  const broken = testImage([Buffer.from('b')], { author: 'cut' });
  await pushImage(ask, 'broken', '1', broken);
  truncateSync(store.blobPath(broken.digest), 10);
  expect((await ask('/v2/broken/manifests/1')).status).toBe(404);
  writeFileSync(store.blobPath(broken.digest), broken.manifest);
  expect((await ask('/v2/broken/manifests/1')).status).toBe(200);
});

test('a download that is given up leaves no file open', async () => {
  const digest = await store.writeBlob(randomBytes(32 * 1024 * 1024));
  const path = store.blobPath(digest);
  const opened = (): number =>
    readdirSync('/proc/self/fd').filter((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`) === path;
      } catch {
        return false;
      }
    }).length;
  const outgoing = request(`${registry.url}/v2/x/blobs/${digest}`, { agent: false });
  outgoing.on('error', () => undefined);
  const incoming = await new Promise<IncomingMessage>((resolve) => outgoing.on('response', resolve).end());
  incoming.on('error', () => undefined).once('readable', () => incoming.read(1));
  await expect.poll(opened).toBe(1);
  outgoing.destroy();
  await expect.poll(opened).toBe(0);
});

test('what is about to be used counts as new', async () => {
  const digest = await store.writeBlob(Buffer.from('old'));
  const long = new Date(Date.now() - 3_600_000);
  utimesSync(store.blobPath(digest), long, long);
  expect((await ask(`/v2/x/blobs/${digest}`, { method: 'HEAD' })).status).toBe(200);
  await delay(2);
  expect(await collectGarbage(store, 60_000)).toBe(0);
  expect(await store.sizeOfBlob(digest)).toBe(3);
});

test('a range is within the blob, or none', () => {
  const number = fc.integer({ min: 0, max: 50 });
  fc.assert(
    fc.property(number, number, fc.integer({ min: 1, max: 40 }), (first, last, size) => {
      const all = Buffer.from(Array.from({ length: size }, (_, index) => index));
      const expected = all.subarray(first, last + 1);
      if (last < first) expect(rangeOf(`bytes=${first}-${last}`, size)).toBeUndefined();
      else if (first >= size)
        expect(() => rangeOf(`bytes=${first}-${last}`, size)).toThrow(`it has ${size} bytes`);
      else {
        const { start, end } = rangeOf(`bytes=${first}-${last}`, size)!;
        expect(all.subarray(start, end + 1)).toEqual(expected);
      }
    }),
  );
  expect(rangeOf('bytes=-3', 10)).toEqual({ start: 7, end: 9 });
  expect(rangeOf('bytes=-30', 10)).toEqual({ start: 0, end: 9 });
  for (const other of [undefined, '', 'bytes=-', 'lines=1-2', 'bytes=1-2,4-5']) {
    expect(rangeOf(other, 10)).toBeUndefined();
  }
});
