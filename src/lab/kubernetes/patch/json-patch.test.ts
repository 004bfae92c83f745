import { describe, expect, test } from 'vitest';
import type { StatusError } from '../server/status.ts';
import { applyJsonPatch } from './json-patch.ts';
import { managerError, managerName } from './manager.ts';
import { applyMergePatch } from './merge-patch.ts';

const live = { spec: { replicas: 1, list: ['a', 'b'] } };

describe('JSON patch', () => {
  test('applies to a copy', () => {
    const patched = applyJsonPatch(live, [
      { op: 'test', path: '/spec/replicas', value: 1 },
      { op: 'replace', path: '/spec/replicas', value: 2 },
      { op: 'add', path: '/spec/list/-', value: 'c' },
      { op: 'copy', from: '/spec/list', path: '/spec/copy' },
      { op: 'remove', path: '/spec/list/0' },
    ]);
    expect(patched).toEqual({ spec: { replicas: 2, list: ['b', 'c'], copy: ['a', 'b', 'c'] } });
    expect(live.spec.replicas).toBe(1);
  });

  test.each([
    ['no list', {}, 400, /error decoding patch/],
    ['a missing path', [{ op: 'remove', path: '/spec/x' }], 422, /remove operation does not apply/],
    [
      'a failed test',
      [{ op: 'test', path: '/spec/replicas', value: 2 }],
      422,
      /testing value \/spec\/replicas failed/,
    ],
    [
      'an unknown operation',
      [{ op: 'increment', path: '/spec/replicas' }],
      422,
      /Unexpected kind: "increment"/,
    ],
    ['no pointer', [{ op: 'add', path: 'spec', value: 1 }], 422, /no JSON pointer/],
    ["JavaScript's own names", [{ op: 'add', path: '/__proto__/x', value: 1 }], 422, /names no field/],
    [
      'copies without end',
      [...Array(30)].map((_, i) => ({ op: 'copy', from: '/spec', path: `/spec/${i}` })),
      422,
      /copies together/,
    ],
    [
      'too many operations',
      Array(10_001).fill({ op: 'test', path: '/a' }),
      413,
      /maximum operations in a JSON patch is 10000, got 10001/,
    ],
  ])('refuses %s', (_, patch, code, why) => {
    try {
      applyJsonPatch(live, patch);
    } catch (error) {
      const { message, details, code: got } = error as StatusError;
      expect(`${message} ${details?.causes?.[0]?.message}`).toMatch(why);
      expect(got).toBe(code);
      return;
    }
    throw new Error('was not refused');
  });
});

describe('merge patch', () => {
  // The examples of RFC 7386, appendix A, whose patch is an object.
  test.each([
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ])('%j with %j is %j', (target, patch, result) => {
    expect(applyMergePatch(target, patch)).toEqual(result);
  });

  test('refuses what is no object, and prototypes', () => {
    expect(() => applyMergePatch({}, [1])).toThrow('error decoding patch');
    expect(() => applyMergePatch({}, JSON.parse('{"a":{"__proto__":{"x":1}}}'))).toThrow('is no field');
  });
});

test('managers are named by the parameter or by the user agent', () => {
  expect(managerName('me', 'kubectl/v1')).toBe('me');
  expect(managerName(undefined, 'kubectl/v1.32.0 (linux/amd64) kubernetes/70d3cc9')).toBe('kubectl');
  expect(managerName('', `x\u0007y${'z'.repeat(300)}/1`)).toBe(`xy${'z'.repeat(126)}`);
  expect(managerName(undefined, undefined)).toBe('unknown');
  expect(managerError('me')).toBeUndefined();
  expect(managerError('m\n')).toContain('printable');
  expect(managerError('m'.repeat(129))).toContain('128 bytes');
});
