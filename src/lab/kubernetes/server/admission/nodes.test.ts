import { expect, test } from 'vitest';
import type { Access, AdmissionRequest } from '../types.ts';
import { taintNewNode } from './nodes.ts';

const TAINT = { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' };

function admitted(spec: object | undefined, more: object = {}): unknown {
  const object = { metadata: { name: 'n' }, ...(spec && { spec }) };
  const request = { operation: 'CREATE', kind: { group: '', plural: 'nodes' }, object, ...more };
  taintNewNode(request as unknown as AdmissionRequest, {} as Access);
  return (object as { spec?: { taints?: unknown } }).spec?.taints;
}

test('a new node is tainted until it is known to be ready, once, beside its own taints', () => {
  const own = { key: 'mine', effect: 'NoSchedule' };
  expect(admitted(undefined)).toEqual([TAINT]);
  expect(admitted({ taints: [own] })).toEqual([own, TAINT]);
  expect(admitted({ taints: [TAINT] })).toEqual([TAINT]);
});

test('nothing else is', () => {
  expect(admitted({}, { operation: 'UPDATE' })).toBeUndefined();
  expect(admitted({}, { subresource: 'status' })).toBeUndefined();
  expect(admitted({}, { kind: { group: '', plural: 'pods' } })).toBeUndefined();
});
