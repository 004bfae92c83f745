import { expect, test } from 'vitest';
import type { Node } from '../../kube/types.ts';
import { poolOf } from './pool.ts';

const node = (name: string, more: Partial<Node> = {}, ready = 'True'): Node => ({
  metadata: { name, ...more.metadata },
  spec: more.spec ?? {},
  status: {
    addresses: [
      { type: 'Hostname', address: name },
      { type: 'InternalIP', address: '10.0.1.4' },
    ],
    conditions: [{ type: 'Ready', status: ready }],
  },
});

const taint = (key: string) => ({ spec: { taints: [{ key, effect: 'NoSchedule' }] } });

test('a backend pool has the nodes that Azure has in it', () => {
  const nodes = [
    node('plain'),
    node('cordoned', { spec: { unschedulable: true } }),
    node('new', taint('node.cloudprovider.kubernetes.io/uninitialized'), 'Unknown'),
    node('silent', {}, 'Unknown'),
    node('ill', {}, 'False'),
    node('excluded', {
      metadata: { labels: { 'node.kubernetes.io/exclude-from-external-load-balancers': '' } },
    }),
    node('leaving', taint('ToBeDeletedByClusterAutoscaler')),
    node('deleted', { metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } }),
    { metadata: { name: 'nowhere' }, status: { conditions: [{ type: 'Ready', status: 'True' }] } },
  ];
  expect(poolOf(nodes).map(({ name }) => name)).toEqual(['cordoned', 'new', 'plain']);
});
