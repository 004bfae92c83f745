import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as z from 'zod';
import { KubeClient } from '../../src/kube/client.ts';
import { EventRecorder } from '../../src/kube/event-recorder.ts';
import { loadKubeConfig } from '../../src/kube/kube-config.ts';
import { LeaderElector } from '../../src/kube/leader-elector.ts';
import {
  CLUSTER_ROLE_BINDINGS,
  CLUSTER_ROLES,
  CONFIG_MAPS,
  DAEMON_SETS,
  DEPLOYMENTS,
  EVENTS,
  NODES,
  type ResourceType,
  ROLE_BINDINGS,
  ROLES,
  SERVICE_ACCOUNTS,
} from '../../src/kube/resources.ts';
import type { Node } from '../../src/kube/types.ts';
import { startTestApiServer, type TestApiServer } from '../../src/lab/kubernetes/server/testing.ts';
import { documentOf } from '../../src/network/agent/kubernetes/document.ts';
import { KubernetesSource } from '../../src/network/agent/kubernetes/source.ts';
import { Operator } from '../../src/network/operator/operator.ts';
import { settingsOf } from '../../src/network/operator/settings.ts';
import { RIGHTS } from '../../src/network/rights.ts';
import { chartFile, chartObjects, chartValues, renderChartFile, type Values } from '../chart-objects.ts';

const defaults = chartValues();

const changed = (section: string, change: object): Values => chartValues({ [section]: change });

describe('the values', () => {
  const schema = z.fromJSONSchema(JSON.parse(chartFile('values.schema.json')));

  test('have defaults that their schema takes', () => {
    expect(schema.safeParse(defaults).error).toBeUndefined();
    expect(schema.safeParse(changed('settings', { podCIDRs: '10.0.0.0/8, fd00::/104' })).success).toBe(true);
  });

  test.each([
    ['settings', { podCIDRs: '10.244.0.0' }],
    ['settings', { podCidrs: '10.244.0.0/16' }],
    ['settings', { routing: 'bgp' }],
    ['settings', { nodeBlockSize: '30' }],
    ['settings', { nodeBlockSizeIPv6: '126' }],
    ['settings', { maxPods: '251' }],
    ['settings', { maxPods: 110 }],
    ['settings', { serviceProxy: 'yes' }],
    ['image', { pullPolicy: 'Sometimes' }],
    ['operator', { replicas: 0 }],
    ['agent', { metricsPort: 0 }],
    ['cni', { binFolder: 'opt/cni/bin' }],
    ['cni', { confFolder: '/' }],
  ])('%s %j are refused', (section, change) => {
    expect(schema.safeParse(changed(section, change)).success).toBe(false);
  });

  test('are settings that operator and agent take', () => {
    const map = chartObjects().find(({ kind }) => kind === 'ConfigMap')!;
    expect(settingsOf(map)?.blockPrefix).toEqual({ 4: 24, 6: 120 });
    const node: Node = {
      metadata: { name: 'n1' },
      spec: { podCIDR: '10.244.0.0/24' },
      status: { addresses: [{ type: 'InternalIP', address: '10.0.0.4' }] },
    };
    const text = documentOf({ nodeName: 'n1', node, settings: map, others: [] });
    expect(JSON.parse(text)).toMatchObject({
      routing: 'auto',
      maxPods: 250,
      serviceProxy: false,
      // Where a kube-proxy may run.
      trackPodTraffic: true,
    });
  });
});

test('the notes are text', () => {
  expect(renderChartFile('templates/NOTES.txt', defaults)).toContain('a block of 10.244.0.0/16');
});

test('an API server of another address is told to both', () => {
  const env = JSON.stringify(chartObjects(changed('apiServer', { host: '10.0.0.9' })));
  expect(env.match(/"KUBERNETES_SERVICE_HOST","value":"10.0.0.9"/g)).toHaveLength(2);
  expect(JSON.stringify(chartObjects())).not.toContain('KUBERNETES_SERVICE_HOST');
});

test("the folders of a runtime are the nodes', and the same ones to the agent", () => {
  const text = JSON.stringify(chartObjects(changed('cni', { binFolder: '/usr/lib/cni' })));
  expect(text).toContain('"hostPath":{"path":"/usr/lib/cni","type":"DirectoryOrCreate"}');
  expect(text).toContain('{"name":"cni-bin","mountPath":"/opt/cni/bin"}');
});

test('uninstalling puts another step into the place of the agent, and nothing else', () => {
  const both = [defaults, chartValues({ uninstall: true })].map((values) => chartObjects(values));
  const differing = both[0]!.filter((object, i) => JSON.stringify(object) !== JSON.stringify(both[1]![i]));
  expect(differing.map(({ kind, metadata }) => [kind, metadata?.name])).toEqual([
    ['DaemonSet', 'flyover-agent'],
  ]);
  const agents = both.map((objects) => JSON.stringify(objects.find(({ kind }) => kind === 'DaemonSet')));
  expect(agents.map((text) => text.includes('"uninstall"'))).toEqual([false, true]);
  expect(agents.map((text) => text.includes('--in-cluster'))).toEqual([true, false]);
});

test.each(Object.entries(RIGHTS))('%s gets the rights that the lab gives it too', (name, rights) => {
  const rulesOf = (kind: string): unknown =>
    (chartObjects().find((one) => one.kind === kind && one.metadata?.name === name) as { rules?: unknown })
      .rules;
  expect(rulesOf('ClusterRole')).toEqual(rights.cluster);
  expect(rulesOf('Role')).toEqual(rights.kubeSystem);
});

describe('on an API server', () => {
  let api: TestApiServer;
  let admin: KubeClient;
  let folder: string;

  beforeAll(async () => {
    api = await startTestApiServer();
    admin = new KubeClient(loadKubeConfig({ kubeconfig: api.kubeconfig }));
    folder = mkdtempSync(join(tmpdir(), 'chart-'));
  });
  afterAll(async () => {
    admin.close();
    await api.close();
    rmSync(folder, { recursive: true });
  });

  const TYPES: Record<string, ResourceType> = Object.fromEntries(
    [
      CLUSTER_ROLE_BINDINGS,
      CLUSTER_ROLES,
      CONFIG_MAPS,
      DAEMON_SETS,
      DEPLOYMENTS,
      ROLE_BINDINGS,
      ROLES,
      SERVICE_ACCOUNTS,
    ].map((type) => [type.kind, type as ResourceType]),
  );

  /** As a pod has it: the service account's token, and no more rights than the chart gives. */
  async function clientOf(name: string): Promise<KubeClient> {
    const spec = { expirationSeconds: 3600 };
    const key = { namespace: 'kube-system', name };
    const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec };
    const { status } = (await admin.post(SERVICE_ACCOUNTS, key, 'token', body)) as {
      status: { token: string };
    };
    const { certificate: _, key: __, ...config } = admin.config;
    return new KubeClient({ ...config, token: () => status.token });
  }

  test('every object is accepted, no field unknown', async () => {
    for (const object of chartObjects(chartValues({ uninstall: true })))
      await admin.create(TYPES[object.kind ?? '']!, object, { fieldValidation: 'Strict', dryRun: true });
    for (const object of chartObjects()) {
      const type = TYPES[object.kind ?? '']!;
      await admin.create(type, object, { fieldManager: 'helm', fieldValidation: 'Strict' });
    }
  });

  test('operator and agent work with these rights, and have no more', { timeout: 30_000 }, async () => {
    const log = pino({ level: 'silent' });
    const client = await clientOf('flyover-operator');
    const failures: unknown[] = [];
    const onError = (error: unknown): void => void failures.push(error);
    const events = new EventRecorder(client, { component: 'flyover-operator', onError });
    const at = { namespace: 'kube-system', name: 'flyover-operator', identity: 'a', onError };
    const elector = new LeaderElector(client, at);
    const stop = new AbortController();
    const running = elector.run(stop.signal, (term) =>
      new Operator({ client, events, log, leads: () => elector.leads }).run(term),
    );
    const refused = { 'flyover.dev/requested-pod-cidrs': '10.9.0.0/24' };
    await admin.create(NODES, { metadata: { name: 'n1' } } as Node);
    await admin.create(NODES, { metadata: { name: 'n2', annotations: refused } } as Node);
    const address = { status: { addresses: [{ type: 'InternalIP', address: '10.0.1.4' }] } };
    await admin.patch(NODES, { name: 'n1' }, address, { type: 'strategic', subresource: 'status' });
    const until = async (done: () => Promise<unknown>): Promise<void> => {
      for (const end = performance.now() + 8000; !(await done()); ) {
        if (performance.now() > end) throw new Error(`it did not come: ${failures.join(', ')}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };
    const node = (name: string): Promise<Node> => admin.get(NODES, { name });
    await until(async () => (await node('n1')).spec?.podCIDR);
    await until(async () => (await admin.list(EVENTS)).items.some(({ reason }) => reason === 'BlockRefused'));

    const agent = await clientOf('flyover-agent');
    const saved = join(folder, 'kubernetes.json');
    const source = await KubernetesSource.start({ client: agent, log, nodeName: 'n1', saved });
    source.watch({ changed: () => {}, attached: () => 0 });
    const config = JSON.parse(source.text());
    expect(config.nodeBlocks).toEqual(['10.244.0.0/24']);
    source.report(config, undefined);
    await until(async () =>
      (await node('n1')).status?.conditions?.some(({ reason }) => reason === 'FlyoverIsUp'),
    );
    for (const [who, what] of [
      ['operator', () => client.delete(NODES, { name: 'n2' })],
      ['operator', () => client.list(CONFIG_MAPS)],
      ['agent', () => agent.patch(NODES, { name: 'n2' }, { spec: {} }, { type: 'merge' })],
      ['agent', () => agent.list(CONFIG_MAPS)],
    ] as const) {
      await expect(what(), who).rejects.toMatchObject({ status: 403 });
    }
    stop.abort();
    await running;
    await events.flush();
    await source.close();
    client.close();
    expect(failures).toEqual([]);
  });
});
