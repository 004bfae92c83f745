import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { ensureImage } from './build.ts';
import { ImageError } from './error.ts';
import { addHostLibraries } from './host-libraries.ts';
import type { Recipe } from './recipe.ts';
import type { Tree } from './tree.ts';

const folder = mkdtempSync(join(tmpdir(), 'fly-test-libraries-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('a program gets what it loads, its linker too, and does not come along itself', () => {
  const tree: Tree = new Map();
  addHostLibraries(tree, process.execPath);
  const paths = [...tree.keys()];
  expect(paths.some((path) => /^usr\/lib.*\/libc\.so\.6$/.test(path))).toBe(true);
  expect(paths.some((path) => /^usr\/lib.*\/libstdc\+\+\.so\.6$/.test(path))).toBe(true);
  expect(paths.some((path) => /^usr\/lib(64)?\/ld-linux-.*\.so\.\d$/.test(path))).toBe(true);
  expect(paths.some((path) => path.endsWith('/node'))).toBe(false);
  const bytes = [...tree.values()].reduce((sum, { data }) => sum + (data?.length ?? 0), 0);
  expect(bytes).toBeLessThan(20e6);
});

test('a program that is not there is told', () => {
  expect(() => addHostLibraries(new Map(), '/no/such/program')).toThrow(ImageError);
});

test('an image of it is built without packages, and once', async () => {
  const recipe: Recipe = {
    name: 'fly-test/libraries',
    layers: [{ packages: [], skeleton: true, hostLibrariesOf: [process.execPath] }],
    defaults: {},
  };
  const steps: string[] = [];
  const image = await ensureImage(recipe, folder, { step: (text) => steps.push(text) });
  expect(image.layers).toHaveLength(1);
  expect(await ensureImage(recipe, folder, { step: (text) => steps.push(text) })).toEqual(image);
  expect(steps).toEqual(['writing the image']);
});
