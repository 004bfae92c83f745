// What happens when things go wrong or get tight: silent nodes, full nodes, restarts of the API server.
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { resourceType } from '../../../kube/resources.ts';
import type { KubeObject } from '../../../kube/types.ts';
import { autoscalerController } from '../autoscaler/controller.ts';
import { type NodePool, type NodePools, POOL_LABEL } from '../autoscaler/node-pools.ts';
import { CONFIG_MAPS, CRDS, DEPLOYMENTS, NODES, PODS, REPLICA_SETS } from './common/objects.ts';
import { startTestCluster, type TestCluster, template } from './testing.ts';
import { node } from './testing-objects.ts';

// A machine that is busy with other tests is slow; what is not reached at all says so after 20 s.
vi.setConfig({ testTimeout: 60_000 });

let cluster: TestCluster;

/** One pool whose nodes are there as soon as they are asked for. */
class PretendedPools implements NodePools {
  size = 0;
  readonly shape = {
    cpu: '2',
    labels: { [POOL_LABEL]: 'burst', burst: 'yes' },
    spec: { taints: [{ key: 'burst', effect: 'NoSchedule' }] },
  };
  async list(): Promise<NodePool[]> {
    return [{ name: 'burst', min: 0, max: 3, size: this.size, template: node('template', this.shape) }];
  }
  async add(_: string, count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      this.size++;
      await cluster.addNode(`burst-${this.size}`, {
        cpu: '2',
        labels: this.shape.labels,
        taints: this.shape.spec.taints,
      });
    }
  }
  async remove(name: string): Promise<void> {
    this.size--;
    cluster.silence(name);
    await cluster.client.delete(NODES, { name });
  }
}

beforeAll(async () => {
  cluster = await startTestCluster({
    nodeLifecycle: { graceMs: 2000, periodMs: 300 },
    more: [
      (context) =>
        autoscalerController(context, new PretendedPools(), {
          periodMs: 200,
          scaleDownMs: 1500,
          quietMs: 1000,
        }),
    ],
  });
  await Promise.all(['n1', 'n2'].map((name) => cluster.addNode(name)));
}, 30_000);

afterAll(() => cluster?.close());

const deployment = (name: string, replicas: number, more: object) => ({
  metadata: { name, namespace: 'default' },
  spec: { replicas, selector: { matchLabels: { app: name } }, template: template({ app: name }, more) },
});

test('pods leave a silent node after the time that they tolerate, and run elsewhere', async () => {
  const tolerations = [
    { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 1 },
  ];
  const nodeSelector = { lost: 'maybe' };
  await cluster.addNode('lost', { labels: nodeSelector });
  await cluster.create(DEPLOYMENTS, deployment('web', 2, { spec: { tolerations, nodeSelector } }));
  await cluster.untilAll(
    PODS,
    (pods) =>
      pods.filter((p) => p.metadata.labels?.app === 'web' && p.status.phase === 'Running').length === 2,
  );
  cluster.silence('lost');
  const gone = await cluster.until(
    NODES,
    'lost',
    (n) =>
      n?.spec.taints?.some((t) => t.key === 'node.kubernetes.io/unreachable' && t.effect === 'NoExecute') ===
      true,
  );
  expect(gone?.status.conditions?.find((c) => c.type === 'Ready')).toMatchObject({
    status: 'Unknown',
    reason: 'NodeStatusUnknown',
  });
  await cluster.client.patch(
    NODES,
    { name: 'n1' },
    { metadata: { labels: nodeSelector } },
    { type: 'merge' },
  );
  await cluster.untilAll(PODS, (pods) => {
    const web = pods.filter((p) => p.metadata.labels?.app === 'web');
    return (
      web.filter((p) => p.spec.nodeName === 'lost').every((p) => p.metadata.deletionTimestamp) &&
      web.filter((p) => p.spec.nodeName === 'n1' && p.status.phase === 'Running').length === 2
    );
  });
  await cluster.client.delete(DEPLOYMENTS, { namespace: 'default', name: 'web' });
  await cluster.client.delete(NODES, { name: 'lost' });
});

test('pods that do not fit get nodes of a pool, which leave when they are idle', async () => {
  const spec = { nodeSelector: { burst: 'yes' }, tolerations: [{ key: 'burst', operator: 'Exists' }] };
  await cluster.create(DEPLOYMENTS, deployment('burst', 3, { cpu: '1', spec }));
  await cluster.untilAll(
    PODS,
    (pods) =>
      pods.filter((p) => p.metadata.labels?.app === 'burst' && p.status.phase === 'Running').length === 3,
  );
  const nodes = await cluster.untilAll(
    NODES,
    (all) => all.filter((n) => n.metadata.labels?.burst).length === 2,
  );
  expect(nodes.length).toBe(4);
  const status = await cluster.until(
    CONFIG_MAPS,
    'kube-system/cluster-autoscaler-status',
    (o) => o?.data?.status?.includes('name: burst') === true,
  );
  expect(status?.data?.status).toContain('autoscalerStatus: Running');
  await cluster.client.patch(
    DEPLOYMENTS,
    { namespace: 'default', name: 'burst' },
    { spec: { replicas: 0 } },
    { type: 'merge' },
  );
  await cluster.untilAll(NODES, (all) => !all.some((n) => n.metadata.labels?.burst));
});

test('an important pod takes the place of one that is less so', async () => {
  const nodeSelector = { 'kubernetes.io/hostname': 'small' };
  await cluster.addNode('small', { cpu: '1' });
  const make = (name: string, className?: string) =>
    cluster.create(PODS, {
      metadata: { name, namespace: 'default' },
      spec: {
        nodeSelector,
        ...(className && { priorityClassName: className }),
        containers: [{ name: 'c', image: 'i', resources: { requests: { cpu: '800m' } } }],
      },
    });
  await cluster.create(
    resourceType<KubeObject>('scheduling.k8s.io', 'v1', 'priorityclasses', 'PriorityClass', false),
    { metadata: { name: 'vip' }, value: 1000 },
  );
  await make('low');
  await cluster.until(PODS, 'default/low', (p) => p?.status.phase === 'Running');
  await make('high', 'vip');
  const high = await cluster.until(PODS, 'default/high', (p) => p?.status.phase === 'Running');
  expect(high?.spec.nodeName).toBe('small');
  await cluster.until(PODS, 'default/low', (p) => p === undefined);
});

test('objects of a new kind are collected too', async () => {
  await cluster.create(CRDS, {
    metadata: { name: 'widgets.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'widgets', singular: 'widget', kind: 'Widget' },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
        },
      ],
    },
  });
  await cluster.until(
    CRDS,
    'widgets.example.com',
    (o) => o?.status.conditions?.some((c) => c.type === 'Established' && c.status === 'True') === true,
  );
  const widgets = resourceType<KubeObject>('example.com', 'v1', 'widgets', 'Widget');
  const parent = await cluster.create(widgets, { metadata: { name: 'parent', namespace: 'default' } });
  const ownerReferences = [
    { apiVersion: 'example.com/v1', kind: 'Widget', name: 'parent', uid: parent.metadata?.uid },
  ];
  await cluster.create(CONFIG_MAPS, { metadata: { name: 'child', namespace: 'default', ownerReferences } });
  await cluster.client.delete(widgets, { namespace: 'default', name: 'parent' });
  await cluster.until(CONFIG_MAPS, 'default/child', (o) => o === undefined);
});

test('the API server restarts again and again while a Deployment is scaled: in the end it has its size, and never more pods than asked for', async () => {
  await cluster.create(DEPLOYMENTS, deployment('churn', 10, {}));
  let most = 0;
  await cluster.untilAll(
    PODS,
    (pods) => pods.filter((p) => p.metadata.labels?.app === 'churn').length === 10,
  );
  for (const replicas of [40, 30]) {
    await cluster.client.patch(
      DEPLOYMENTS,
      { namespace: 'default', name: 'churn' },
      { spec: { replicas } },
      { type: 'merge' },
    );
    await cluster.api.restart();
    await cluster.untilAll(PODS, (pods) => {
      const own = pods.filter((p) => p.metadata.labels?.app === 'churn' && !p.metadata.deletionTimestamp);
      most = Math.max(most, own.length);
      return own.length === replicas && own.every((p) => p.status.phase === 'Running');
    });
  }
  expect(most).toBeLessThanOrEqual(40);
  await cluster.untilAll(REPLICA_SETS, (all) =>
    all.some((rs) => rs.metadata.labels?.app === 'churn' && rs.status.availableReplicas === 30),
  );
}, 60_000);
