import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { blobOf } from '../images/layer.ts';
import { type BuiltImage, writeImage } from '../images/oci.ts';
import type { Recipe } from '../images/recipe.ts';
import { findManifest } from './manifests.ts';
import { STAND_IN_ANNOTATION, StandIns } from './stand-ins.ts';
import { ImageStore } from './store.ts';

let folder: string;
let store: ImageStore;
let built: string[];
let logged: string[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fly-test-stand-ins-'));
  store = new ImageStore(folder);
  built = [];
  logged = [];
});
afterEach(() => rmSync(folder, { recursive: true }));

async function build(recipe: Recipe): Promise<BuiltImage> {
  built.push(recipe.name);
  return writeImage(folder, `${recipe.name}:latest`, [blobOf(Buffer.from(recipe.name))], {});
}
const log = (text: string): void => void logged.push(text);
const NGINX = 'docker.io/library/nginx';

test('one build answers everybody, and each name has an image of its own that says what it is', async () => {
  // As long as all others need to come and ask for the same: here nothing keeps a record of what is built.
  const slow = (recipe: Recipe): Promise<BuiltImage> => delay(150).then(() => build(recipe));
  const standIns = new StandIns({ store, build: slow, log });
  const tags = ['latest', '1.25', '1.25', '1.27-alpine'];
  const found = await Promise.all(tags.map((tag) => standIns.resolve(NGINX, tag)));
  expect(built).toEqual([NGINX]);
  expect(found.map((each) => each?.manifest.annotations?.[STAND_IN_ANNOTATION])).toEqual(
    tags.map((tag) => `${NGINX}:${tag}`),
  );
  expect(found[1]?.digest).toBe(found[2]?.digest);
  expect(new Set(found.map((each) => each?.manifest.blobs[1]?.digest)).size).toBe(1);
  expect(await Promise.all(['latest', '1.25'].map((tag) => store.tag(NGINX, tag)))).toMatchObject([
    { source: 'ready-made', digest: found[0]?.digest },
    { source: 'stand-in', digest: found[1]?.digest },
  ]);
  expect(logged.filter((text) => text.includes('stands in for it'))).toHaveLength(2);
  await standIns.resolve(NGINX, '1.25');
  expect(logged.filter((text) => text.includes('stands in for it'))).toHaveLength(2);
});

test('another name of the same image is stood in for, too; an unknown one is not', async () => {
  const standIns = new StandIns({ store, build, log });
  expect(await standIns.resolve('mcr.microsoft.com/oss/nginx/nginx', '1.15.5-alpine')).toBeDefined();
  expect(await standIns.resolve('docker.io/library/redis', 'latest')).toBeUndefined();
  expect(await standIns.resolve('ghcr.io/library/nginx', 'latest')).toBeUndefined();
  expect(built).toEqual([NGINX]);
});

test('exact names alone, when asked to', async () => {
  const standIns = new StandIns({ store, build, log, anyTag: false });
  expect(await standIns.resolve(NGINX, '1.25')).toBeUndefined();
  expect(await standIns.resolve(NGINX, 'latest')).toBeDefined();
});

test("a user's image goes before, for its tag; with latest, for all of its repository", async () => {
  const standIns = new StandIns({ store, build, log });
  const { manifest } = await build({ name: 'own', layers: [], defaults: {} });
  const digest = manifest.digest;
  await store.putManifest(NGINX, readFileSync(store.blobPath(digest)));
  await store.setTag(NGINX, '1.25', digest, 'loaded');
  expect((await findManifest(store, standIns, NGINX, '1.25'))?.digest).toBe(digest);
  expect((await findManifest(store, standIns, NGINX, '1.26'))?.digest).not.toBe(digest);
  await store.setTag(NGINX, 'latest', digest, 'pushed');
  expect((await findManifest(store, standIns, NGINX, 'latest'))?.digest).toBe(digest);
  expect(await findManifest(store, standIns, NGINX, '1.24')).toBeUndefined();
  expect(await findManifest(store, standIns, NGINX, digest)).toBeDefined();
});

test('a build that fails is no answer, is tried again, and an older image is one', async () => {
  let fails = true;
  const sometimes = (recipe: Recipe): Promise<BuiltImage> => {
    return fails ? Promise.reject(new Error('no network')) : build(recipe);
  };
  const standIns = new StandIns({ store, build: sometimes, log });
  await expect(findManifest(store, standIns, NGINX, '1.25')).rejects.toThrow(
    'it could not be built: no network',
  );
  fails = false;
  const found = await findManifest(store, standIns, NGINX, '1.25');
  expect(found).toBeDefined();
  fails = true;
  // The record of the build is not there in this test, as after a change of the recipe.
  expect(await findManifest(store, standIns, NGINX, '1.25')).toEqual(found);
});

test('however many tags are asked for, a bounded number is kept, the latest', async () => {
  const standIns = new StandIns({ store, build, log });
  for (let index = 0; index < 105; index++) await standIns.resolve(NGINX, `1.${index}`);
  const tags = await store.tags(NGINX);
  expect(tags).toHaveLength(100);
  expect(tags).toContain('1.104');
  expect(tags).not.toContain('1.0');
  expect(await store.manifests(NGINX)).toHaveLength(100);
});
