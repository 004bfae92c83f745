import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { KubeObject } from '../schema/types.ts';
import { fieldOf } from './fields.ts';
import { parseFieldSelector, parseLabelSelector, requirementsOf, selectionOf } from './selectors.ts';

const matches = (selector: string, labels: Record<string, string>) =>
  selectionOf(parseLabelSelector(selector), [], fieldOf).matches({ metadata: { labels } });

describe('label selectors', () => {
  it.each([
    ['a=b', { a: 'b' }, true],
    ['a==b', { a: 'c' }, false],
    ['a!=b', {}, true],
    ['a', {}, false],
    ['!a', {}, true],
    ['a in (b, c)', { a: 'c' }, true],
    ['a notin (b,c)', { a: 'c' }, false],
    ['a notin (b)', {}, true],
    ['a in (b),c=d,!e', { a: 'b', c: 'd' }, true],
    ['n>3', { n: '4' }, true],
    ['n<3', { n: '4' }, false],
    ['example.com/a=', { 'example.com/a': '' }, true],
    ['', { x: 'y' }, true],
  ])('%s on %o is %s', (selector, labels, expected) => {
    expect(matches(selector, labels)).toBe(expected);
  });

  it.each(['a in (b', 'a=b c', '=b', 'a=b,,c', 'a/b/c=d', 'a in b', 'a>b', `${'%'}=1`])(
    'refuses %s',
    (selector) => {
      expect(() => parseLabelSelector(selector)).toThrow('unable to parse requirement');
    },
  );

  it('reads LabelSelectors of objects', () => {
    expect(requirementsOf(undefined)).toBeUndefined();
    expect(requirementsOf({})).toEqual([]);
    expect(
      requirementsOf({ matchLabels: { a: 'b' }, matchExpressions: [{ key: 'c', operator: 'DoesNotExist' }] }),
    ).toEqual([
      { key: 'a', operator: 'in', values: ['b'] },
      { key: 'c', operator: 'absent', values: [] },
    ]);
  });
});

describe('field selectors', () => {
  it('reads equality with escapes', () => {
    expect(parseFieldSelector('a=b,c!=d,e==f\\,g')).toEqual([
      { key: 'a', operator: 'in', values: ['b'] },
      { key: 'c', operator: 'notin', values: ['d'] },
      { key: 'e', operator: 'in', values: ['f,g'] },
    ]);
    expect(() => parseFieldSelector('a in (b)')).toThrow("can't understand");
  });

  it('takes what is missing for what it means', () => {
    const select = (selector: string, object: KubeObject) =>
      selectionOf([], parseFieldSelector(selector), fieldOf).matches(object);
    expect(select('spec.unschedulable=false', { spec: {} })).toBe(true);
    expect(select('spec.unschedulable=true', { spec: { unschedulable: true } })).toBe(true);
    expect(select('spec.nodeName=', { spec: {} })).toBe(true);
    expect(select('status.successful=2', { status: { succeeded: 2 } })).toBe(true);
    expect(select('source=kubelet', { source: { component: 'kubelet' } })).toBe(true);
  });
});

it('the quick test on text never says no to what matches', () => {
  const word = fc.constantFrom('a', 'true', 'false', 'Running', 'node-17', 'x.y', 'quoted"', 'ümlaut');
  fc.assert(
    fc.property(fc.dictionary(word, word), word, word, fc.boolean(), (labels, key, value, unschedulable) => {
      const object = {
        metadata: { labels },
        spec: { nodeName: value, ...(unschedulable && { unschedulable }) },
      };
      const selection = selectionOf(
        [{ key, operator: 'in', values: [value] }],
        [
          { key: 'spec.nodeName', operator: 'in', values: [value] },
          { key: 'spec.unschedulable', operator: 'in', values: ['false'] },
        ],
        fieldOf,
      );
      if (selection.matches(object)) expect(selection.mayMatch(JSON.stringify(object))).toBe(true);
    }),
  );
});
