import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readyMadeOf } from '../images/index.ts';
import { run } from '../machine/programs.ts';
import { crash, testPlace } from '../machine/testing.ts';
import { buildApart } from './builder.ts';
import { STAND_IN_ANNOTATION } from './stand-ins.ts';
import { ImageStore } from './store.ts';
import { testImage } from './testing.ts';

/* The registry as a process of its own, in a namespace that leads nowhere. */

const place = testPlace('registry-main');
const program = join(import.meta.dirname, 'main.ts');
const store = join(place.folder, 'images');
const passwordFile = join(place.folder, 'secret/password');
let netns: string;
const children: ChildProcess[] = [];

const inside = (...argv: string[]): ReturnType<typeof run> =>
  run(['/usr/bin/nsenter', `--net=${netns}`, ...argv], {});

beforeAll(async () => {
  netns = place.netns('registry');
  await inside('/usr/sbin/ip', 'link', 'set', 'lo', 'up');
});
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await place.clear();
});

async function start(): Promise<ChildProcess> {
  const argv = [program, '--listen', '127.0.0.1:5000', '--netns', netns, '--store', store];
  const child = spawn(process.execPath, [...argv, '--password-file', passwordFile], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  children.push(child);
  for await (const line of createInterface({ input: child.stdout! })) {
    expect(JSON.parse(line)).toEqual({ url: 'http://127.0.0.1:5000' });
    return child;
  }
  throw new Error('it ended before it served');
}

async function get(path: string): Promise<unknown> {
  const { stdout } = await inside(
    '/usr/bin/busybox',
    'wget',
    '-q',
    '-O',
    '-',
    `http://127.0.0.1:5000${path}`,
  );
  return JSON.parse(stdout.toString() || 'null');
}

test('serves in its namespace what others write, builds in processes that end, and is back after a crash', async () => {
  const first = await start();
  const nowhere = await fetch('http://127.0.0.1:5000/healthz').then(String, () => 'nobody answers');
  expect(nowhere).toBe('nobody answers');

  const image = testImage([Buffer.from('layer')]);
  const writer = new ImageStore(store);
  for (const data of image.blobs.values()) await writer.writeBlob(data);
  await writer.putManifest('ghcr.io/shop/web', image.manifest);
  await writer.setTag('ghcr.io/shop/web', '1', image.digest, 'loaded');
  expect(await get('/v2/shop/web/manifests/1?ns=ghcr.io')).toEqual(JSON.parse(image.manifest.toString()));

  const found = await get('/v2/library/busybox/manifests/1.36?ns=docker.io');
  expect(found).toMatchObject({ annotations: { [STAND_IN_ANNOTATION]: 'docker.io/library/busybox:1.36' } });
  expect(readFileSync(`/proc/${first.pid}/task/${first.pid}/children`, 'utf8')).toBe('');
  const password = readFileSync(passwordFile, 'utf8');
  expect([statSync(passwordFile).mode & 0o777, password.trim().length]).toEqual([0o600, 24]);

  await crash(first);
  await start();
  expect(await get('/v2/library/busybox/manifests/1.36?ns=docker.io')).toEqual(found);
  expect(readFileSync(passwordFile, 'utf8')).toBe(password);
}, 60_000);

test('a builder that cannot build says why, and one whose master is killed ends', async () => {
  const busybox = readyMadeOf('docker.io/library/busybox')!;
  const unknown = { ...busybox, name: 'docker.io/library/none' };
  await expect(buildApart(program, store, unknown, () => undefined)).rejects.toThrow(
    /build docker\.io\/library\/none: .*is not a ready-made image/,
  );
  await expect(buildApart('/no/such.ts', store, busybox, () => undefined)).rejects.toThrow(
    /Cannot find module/,
  );

  // Its packages are not there yet, so that it takes a while.
  const other = join(place.folder, 'other');
  const argv = [program, 'build', 'docker.io/nicolaka/netshoot', other];
  const builder = spawn(process.execPath, argv, { stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(builder);
  const gone = new Promise((resolve) => builder.once('exit', resolve));
  for await (const line of createInterface({ input: builder.stdout })) {
    expect(JSON.parse(line)).toEqual({ step: expect.stringMatching(/^fetching/) });
    break;
  }
  builder.stdin.destroy();
  expect(await gone).toBe(1);
  expect(readdirSync(other).filter((name) => name.endsWith('.json'))).toEqual([]);
}, 60_000);
