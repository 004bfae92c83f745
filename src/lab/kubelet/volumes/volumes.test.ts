import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { logText } from '../pods/termination-message.ts';
import { ProbeState, probeNumbers } from '../probes/probe-state.ts';
import { refreshTime } from '../tokens.ts';
import { writeAtomically } from './atomic-writer.ts';
import { ensureHostPath } from './host-path.ts';
import { objectPayload, type Payload } from './payload.ts';
import { mountSubPath } from './sub-path.ts';

const root = mkdtempSync(join(tmpdir(), 'fly-test-volumes-'));
afterAll(() => rmSync(root, { recursive: true }));

const payload = (files: Record<string, string>, mode = 0o644): Payload =>
  new Map(Object.entries(files).map(([path, text]) => [path, { data: Buffer.from(text), mode }]));

describe('a volume of files', () => {
  test('changes as a whole: who holds the old folder sees the old files', () => {
    const folder = join(root, 'atomic');
    expect(writeAtomically(folder, payload({ a: '1', 'd/b': '2' }))).toBe(true);
    expect(writeAtomically(folder, payload({ a: '1', 'd/b': '2' }))).toBe(false);
    const old = readlinkSync(join(folder, '..data'));
    expect(readlinkSync(join(folder, 'a'))).toBe('..data/a');
    expect(readFileSync(join(folder, 'd/b'), 'utf8')).toBe('2');
    expect(writeAtomically(folder, payload({ a: '3', c: '4' }, 0o400))).toBe(true);
    expect(
      readdirSync(folder)
        .filter((name) => !name.startsWith('..'))
        .sort(),
    ).toEqual(['a', 'c']);
    expect(readFileSync(join(folder, 'a'), 'utf8')).toBe('3');
    expect(statSync(join(folder, 'c')).mode & 0o777).toBe(0o400);
    expect(readdirSync(folder)).not.toContain(old);
    expect(writeAtomically(folder, payload({}))).toBe(true);
    expect(readdirSync(folder).filter((name) => !name.startsWith('..'))).toEqual([]);
  });

  test('takes its items, and nothing out of its folder', () => {
    const data = new Map([['k', Buffer.from('v')]]);
    const options = { mode: 0o644, optional: false };
    expect([
      ...objectPayload('Secret', 's', data, [{ key: 'k', path: 'x/y', mode: 0o600 }], options),
    ]).toEqual([['x/y', { data: Buffer.from('v'), mode: 0o600 }]]);
    expect(() => objectPayload('Secret', 's', data, [{ key: 'no', path: 'x' }], options)).toThrow(
      'references non-existent secret key: no',
    );
    for (const path of ['../x', '/x', 'a/../../x', '..data', '']) {
      expect(() => objectPayload('Secret', 's', data, [{ key: 'k', path }], options)).toThrow(/invalid path/);
    }
  });
});

describe('paths of the node', () => {
  test('are what the pod expects, or are made', () => {
    ensureHostPath(join(root, 'made/deep'), 'DirectoryOrCreate');
    ensureHostPath(join(root, 'made/file'), 'FileOrCreate');
    expect(() => ensureHostPath(join(root, 'made/file'), 'Directory')).toThrow(
      /hostPath type check failed: .* is not a directory/,
    );
    expect(() => ensureHostPath(join(root, 'none'), 'File')).toThrow('is not a file');
    expect(() => ensureHostPath('/a/../b', '')).toThrow("must not contain '..'");
    ensureHostPath(join(root, 'none'), '');
  });

  test('cannot be reached through a volume', async () => {
    const volume = join(root, 'volume');
    mkdirSync(volume);
    writeFileSync(join(root, 'secret'), 'x');
    symlinkSync('..', join(volume, 'up'));
    symlinkSync(join(root, 'secret'), join(volume, 'file'));
    const target = join(root, 'target');
    for (const path of ['up', 'up/new', 'file', 'up/secret']) {
      await expect(mountSubPath(volume, path, target, true)).rejects.toThrow('leads out of its volume');
    }
    await expect(mountSubPath(volume, '/etc', target, true)).rejects.toThrow('must be relative');
    await expect(mountSubPath(volume, 'a/../b', target, true)).rejects.toThrow("must not contain '..'");
    expect(readdirSync(root)).not.toContain('new');
  });
});

describe('a probe', () => {
  const numbers = probeNumbers({ failureThreshold: 3, successThreshold: 2 });
  const run = (state: ProbeState, results: string) =>
    [...results].map((each) => (state.record(each === '+') ? (state.passing ? 'P' : 'F') : '.')).join('');

  test('changes its mind after so many in a row', () => {
    expect(run(new ProbeState('readiness', numbers), '+-++--+---+')).toBe('...P.....F.');
    expect(run(new ProbeState('liveness', probeNumbers({})), '--+---')).toBe('.....F');
  });

  test('begins as its kind does', () => {
    const verdict = (kind: 'startup' | 'liveness' | 'readiness', initial?: boolean) => {
      const { passing, failing } = new ProbeState(kind, numbers, initial);
      return [passing, failing];
    };
    expect([
      verdict('startup'),
      verdict('liveness'),
      verdict('readiness'),
      verdict('readiness', true),
    ]).toEqual([
      [false, false],
      [true, false],
      [false, false],
      [true, false],
    ]);
  });
});

test('tokens are replaced at four fifths of their life, or after a day', () => {
  expect(refreshTime(1000, 1000 + 3600_000)).toBe(1000 + 2880_000);
  expect(refreshTime(0, 30 * 86_400_000)).toBe(86_400_000);
});

test('the text of a log is without what the runtime wrote before it', () => {
  expect(
    logText([
      '2026-01-01T00:00:00Z stdout P par',
      '2026-01-01T00:00:00Z stdout F tial',
      'torn',
      '2026-01-01T00:00:00Z stderr F ',
      '',
    ]),
  ).toBe('partial\n\n');
});
