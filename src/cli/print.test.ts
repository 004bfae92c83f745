import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { parse } from 'yaml';
import type { Format } from './output.ts';
import { print, printDone, printMade } from './print.ts';

const columns = [{ header: 'NAME', value: (thing: { name: string }) => thing.name }];
let out = '';
let err = '';
beforeEach(() => {
  out = '';
  err = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += text;
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    err += text;
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
});

test('a list of nothing: a sentence beside the data, never in it', () => {
  print([], { output: 'table', columns, none: 'no clusters' });
  expect([out, err]).toEqual(['', 'no clusters\n']);
  print([], { output: 'json', columns, none: 'no clusters' });
  print([], { output: 'yaml', columns, none: 'no clusters' });
  expect([out, err]).toEqual(['[]\n[]\n', 'no clusters\n']);
});

test('what was made is a row, or the thing itself', () => {
  printMade({ name: 'shop' }, { output: 'table', columns });
  expect(out).toBe('NAME\nshop\n');
  out = '';
  printMade({ name: 'shop' }, { output: 'json', columns });
  expect(JSON.parse(out)).toEqual({ name: 'shop' });
});

test.each([
  ['table', (text: string) => text, 'shop is gone\n'],
  ['json', JSON.parse, { name: 'shop', state: 'Deleted' }],
  ['yaml', parse, { name: 'shop', state: 'Deleted' }],
] as [Format, (text: string) => unknown, unknown][])('what was done, as %s', (output, read, said) => {
  printDone(output, 'shop is gone', { name: 'shop', state: 'Deleted' });
  expect(read(out)).toEqual(said);
});
