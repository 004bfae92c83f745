import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  formatLabelSelector,
  formatRequirements,
  labelValueErrors,
  matchLabelSelector,
  matchRequirements,
  parseFieldSelector,
  parseLabelSelector,
  qualifiedNameErrors,
} from './selector.ts';

describe('label selectors', () => {
  test.each([
    ['', {}, true],
    ['a=b', { a: 'b' }, true],
    ['a==b', { a: 'c' }, false],
    ['a=', { a: '' }, true],
    ['a!=b', {}, true],
    ['a!=b', { a: 'b' }, false],
    ['a', { a: '' }, true],
    ['!a', { a: '' }, false],
    ['! a , b', { b: '1' }, true],
    ['a in (x, y),b notin (z)', { a: 'y' }, true],
    ['a in (x,y)', {}, false],
    ['a in ()', { a: '' }, true],
    ['a in (,x)', { a: '' }, true],
    ['n>3', { n: '10' }, true],
    ['n<3', { n: '10' }, false],
    ['n>3', { n: 'x' }, false],
    ['in in (in)', { in: 'in' }, true],
    ['example.com/a=1,c', { 'example.com/a': '1', c: 'x' }, true],
  ])('%s on %j: %s', (text, labels, matches) => {
    const parsed = parseLabelSelector(text);
    expect(matchRequirements(parsed, labels as Record<string, string>)).toBe(matches);
    expect(parseLabelSelector(formatRequirements(parsed))).toEqual(
      [...parsed].sort((a, b) => (a.key < b.key ? -1 : 1)),
    );
  });

  test.each([
    'a=b=c',
    'a in x',
    'a in (x',
    ',',
    'a,',
    '!',
    'a b',
    '-a',
    'a=-',
    'a>b',
    'a in (x y)',
    'x/y/z',
    '()',
  ])('refuses "%s"', (text) => expect(() => parseLabelSelector(text)).toThrow(/unable to parse requirement/));

  test('objects: null selects nothing, empty everything', () => {
    expect(matchLabelSelector(undefined, { a: 'b' })).toBe(false);
    expect(matchLabelSelector({}, undefined)).toBe(true);
    const selector = {
      matchLabels: { app: 'web' },
      matchExpressions: [{ key: 'tier', operator: 'In', values: ['b', 'a'] }],
    };
    expect(matchLabelSelector(selector, { app: 'web', tier: 'a' })).toBe(true);
    expect(matchLabelSelector(selector, { app: 'web' })).toBe(false);
    expect(formatLabelSelector(selector)).toBe('app=web,tier in (a,b)');
    expect(formatLabelSelector({})).toBe('<none>');
    expect(formatLabelSelector({ matchExpressions: [{ key: 'a', operator: 'Near' }] })).toBe('<error>');
    expect(formatLabelSelector({ matchExpressions: [{ key: 'a', operator: 'NotIn', values: ['x'] }] })).toBe(
      'a notin (x)',
    );
  });

  test('a prototype property is not a label', () => {
    expect(matchRequirements(parseLabelSelector('constructor'), {})).toBe(false);
  });

  const key = fc.stringMatching(/^[a-z][a-z0-9]{0,5}$/).filter((k) => k !== 'in' && k !== 'notin');
  test('labels match the selector made of them, and nothing parses slowly or throws another error', () => {
    fc.assert(
      fc.property(fc.dictionary(key, key, { noNullPrototype: true }), fc.string(), (labels, text) => {
        const own = Object.entries(labels).map(([k, v]) => `${k}=${v}`);
        expect(matchRequirements(parseLabelSelector(own.join(',')), labels)).toBe(true);
        try {
          parseLabelSelector(text);
        } catch (error) {
          expect((error as Error).name).toBe('SelectorError');
        }
      }),
    );
  });
});

test('keys and values', () => {
  expect(qualifiedNameErrors('a.b/c-d')).toEqual([]);
  expect(qualifiedNameErrors('')[0]).toBe('name part must be non-empty');
  expect(qualifiedNameErrors('/a')[0]).toBe('prefix part must be non-empty');
  expect(labelValueErrors('x'.repeat(64))).toEqual(['must be no more than 63 bytes']);
  expect(labelValueErrors('_')[0]).toMatch(/^a valid label must be an empty string/);
});

describe('field selectors', () => {
  test('terms, operators and escapes', () => {
    expect(parseFieldSelector('metadata.name=a,spec.nodeName!=n1,status.phase==')).toEqual([
      { field: 'metadata.name', operator: '=', value: 'a' },
      { field: 'spec.nodeName', operator: '!=', value: 'n1' },
      { field: 'status.phase', operator: '=', value: '' },
    ]);
    expect(parseFieldSelector('a=x\\,y\\=z')).toEqual([{ field: 'a', operator: '=', value: 'x,y=z' }]);
    expect(parseFieldSelector('')).toEqual([]);
  });
  test.each(['a', 'a=b=c', 'a=\\x'])('refuses %s', (text) => {
    expect(() => parseFieldSelector(text)).toThrow(/invalid/);
  });
});
