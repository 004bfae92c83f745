import { describe, expect, test } from 'vitest';
import { matchesNode, matchesTerm } from './node-selector.ts';

const node = { metadata: { name: 'n1', labels: { zone: 'a', size: '8', odd: 'eight' } } };
const field = (operator: string, ...values: string[]) => ({
  matchFields: [{ key: 'metadata.name', operator, values }],
});
const label = (key: string, operator: string, ...values: string[]) => ({
  matchExpressions: [{ key, operator, values }],
});
const required = (...nodeSelectorTerms: object[]) => ({
  affinity: {
    nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } },
  } as never,
});

describe('a term', () => {
  test.each([
    [{}, false],
    [label('zone', 'In', 'a', 'b'), true],
    [label('zone', 'NotIn', 'a'), false],
    [label('other', 'NotIn', 'a'), true],
    [label('zone', 'Exists'), true],
    [label('zone', 'DoesNotExist'), false],
    [label('toString', 'Exists'), false],
    [label('size', 'Gt', '7'), true],
    [label('size', 'Gt', '8'), false],
    [label('size', 'Lt', '9'), true],
    [label('odd', 'Gt', '7'), false],
    [label('size', 'Gt'), false],
    [label('size', 'Gt', 'few'), false],
    [label('zone', 'Like', 'a'), false],
    [label('size', 'Ge', '9'), false],
    [field('In', 'n1'), true],
    [field('NotIn', 'n1'), false],
    [{ ...label('zone', 'In', 'a'), ...field('In', 'n2') }, false],
  ])('%j: %s', (term, selects) => expect(matchesTerm(term, node)).toBe(selects));
});

test('one of the terms suffices, and the nodeSelector holds beside them', () => {
  const either = required(label('zone', 'In', 'b'), field('In', 'n1'));
  expect(matchesNode(either, node)).toBe(true);
  expect(matchesNode({ ...either, nodeSelector: { zone: 'b' } }, node)).toBe(false);
  expect(matchesNode({ nodeSelector: { zone: 'a' } }, node)).toBe(true);
  expect(matchesNode(required(), node)).toBe(false);
  expect(matchesNode({}, { metadata: {} })).toBe(true);
});
