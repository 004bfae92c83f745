import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { KubeClient } from '../../kube/client.ts';
import { EventRecorder } from '../../kube/event-recorder.ts';
import { Informer } from '../../kube/informer.ts';
import { loadKubeConfig } from '../../kube/kube-config.ts';
import { LeaderElector } from '../../kube/leader-elector.ts';
import { CONFIG_MAPS, EVENTS, NODES, PODS } from '../../kube/resources.ts';
import type { Node, Pod } from '../../kube/types.ts';
import { startTestApiServer, type TestApiServer } from '../../lab/kubernetes/server/testing.ts';
import { permissions } from '../../lab/supervisor/addons.ts';
import { KubernetesSource } from '../agent/kubernetes/source.ts';
import type { RIGHTS } from '../rights.ts';
import { Operator } from './operator.ts';

/** The network wing's clients against the embedded API server, over TLS and with its rights. */
let api: TestApiServer;
let admin: KubeClient;
let folder: string;

beforeAll(async () => {
  api = await startTestApiServer();
  admin = new KubeClient(loadKubeConfig({ kubeconfig: api.kubeconfig }));
  folder = mkdtempSync(join(tmpdir(), 'flyover-operator-'));
});

afterAll(async () => {
  admin.close();
  await api.close();
  rmSync(folder, { recursive: true });
});

/** A user with the least rights, as those who run these daemons are to give. */
async function clientOf(user: keyof typeof RIGHTS): Promise<KubeClient> {
  return new KubeClient(loadKubeConfig({ kubeconfig: await api.kubeconfigFor(user) }));
}

async function until<T>(read: () => Promise<T | undefined | false>): Promise<T> {
  for (const end = performance.now() + 10_000; performance.now() < end; ) {
    const value = await read();
    if (value) return value;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('it did not come');
}

const blocksOf = async (name: string): Promise<string[] | undefined> =>
  (await admin.get(NODES, { name })).spec?.podCIDRs;

test('operator and agent, with their own rights', { timeout: 30_000 }, async () => {
  for (const { type, object } of permissions()) await admin.create(type, object);
  const operatorClient = await clientOf('flyover-operator');
  const agentClient = await clientOf('flyover-agent');
  const log = pino({ level: 'silent' });
  const stop = new AbortController();
  const events = new EventRecorder(operatorClient, { component: 'flyover-operator' });
  const elector = new LeaderElector(operatorClient, {
    namespace: 'kube-system',
    name: 'flyover-operator',
    identity: 'test',
  });
  const running = elector.run(stop.signal, (term) =>
    new Operator({ client: operatorClient, events, log, leads: () => elector.leads }).run(term),
  );
  await admin.create(CONFIG_MAPS, {
    metadata: { namespace: 'kube-system', name: 'flyover-config' },
    data: { podCIDRs: '10.244.0.0/16', cooldownSeconds: '5' },
  });
  const wish = { 'flyover.dev/requested-pod-cidrs': '10.244.3.0/24' };
  await admin.create(NODES, { metadata: { name: 'n1', annotations: wish } } as Node);
  await admin.create(NODES, { metadata: { name: 'n2' } } as Node);
  await admin.create(NODES, { metadata: { name: 'n3', annotations: wish } } as Node);
  const address = { status: { addresses: [{ type: 'InternalIP', address: '10.0.1.4' }] } };
  await admin.patch(NODES, { name: 'n1' }, address, { type: 'strategic', subresource: 'status' });
  expect(await until(() => blocksOf('n1'))).toEqual(['10.244.3.0/24']);
  expect(await until(() => blocksOf('n2'))).toEqual(['10.244.0.0/24']);
  const owner = (await admin.get(NODES, { name: 'n1' })).metadata?.managedFields?.find(
    (entry) => entry.manager === 'flyover',
  );
  expect(JSON.stringify(owner?.fieldsV1)).toContain('f:podCIDRs');
  await until(async () => {
    const { items } = await admin.list(EVENTS, { fieldSelector: 'involvedObject.name=n3' });
    return items.find((one) => one.reason === 'BlockUnavailable');
  });

  let served = false;
  const source = await KubernetesSource.start({
    client: agentClient,
    log,
    nodeName: 'n1',
    saved: join(folder, 'kubernetes.json'),
    onServing: () => {
      served = true;
    },
  });
  source.watch({ changed: () => {}, attached: () => 0 });
  const text = JSON.parse(source.text());
  expect(text).toMatchObject({
    nodeBlocks: ['10.244.3.0/24'],
    cooldownSeconds: 5,
    nodeAddresses: ['10.0.1.4'],
  });
  source.report(text, undefined);
  await until(async () =>
    (await admin.get(NODES, { name: 'n1' })).status?.conditions?.some(
      ({ type, status, reason }) =>
        type === 'NetworkUnavailable' && status === 'False' && reason === 'FlyoverIsUp',
    ),
  );
  expect(served).toBe(true);
  // A pod of another's rights is not the agent's to write.
  await expect(agentClient.delete(NODES, { name: 'n2' })).rejects.toMatchObject({
    status: 403,
    reason: 'Forbidden',
  });
  // A gone node's block goes to whoever asked for it.
  await admin.delete(NODES, { name: 'n1' });
  expect(await until(() => blocksOf('n3'))).toEqual(['10.244.3.0/24']);
  stop.abort();
  await running;
  await source.close();
  operatorClient.close();
  expect(api.errors).toEqual([]);
});

test('an informer follows a server through its restarts', { timeout: 30_000 }, async () => {
  const client = new KubeClient(loadKubeConfig({ kubeconfig: api.kubeconfig }));
  const informer = new Informer(client, PODS, { namespace: 'default', retry: { first: 10, longest: 100 } });
  const states = new Map<string, string[]>();
  const note = (pod: Pod, what: string): void => {
    const name = pod.metadata?.name ?? '';
    states.set(name, [...(states.get(name) ?? []), what]);
  };
  informer.on('add', (pod) => note(pod, `+${pod.metadata?.labels?.v}`));
  informer.on('update', (pod) => note(pod, `~${pod.metadata?.labels?.v}`));
  informer.on('delete', (pod) => note(pod, '-'));
  await informer.start().synced;
  const pod = (name: string): Pod => ({
    metadata: { namespace: 'default', name, labels: { v: '0' } },
    spec: { containers: [{ name: 'c', image: 'busybox' }] },
  });
  for (let i = 0; i < 5; i++) await admin.create(PODS, pod(`p${i}`));
  for (let v = 1; v <= 4; v++) {
    if (v % 2 === 0) await api.restart();
    for (let i = 0; i < 5; i++) {
      const key = { namespace: 'default', name: `p${i}` };
      await until(() =>
        admin
          .patch(PODS, key, { metadata: { labels: { v: String(v) } } }, { type: 'merge' })
          .catch(() => undefined),
      );
    }
  }
  for (let i = 0; i < 5; i++)
    await admin.delete(PODS, { namespace: 'default', name: `p${i}` }, { gracePeriodSeconds: 0 });
  await until(async () => informer.size === 0 && states.size === 5);
  for (const seen of states.values()) expect(seen).toEqual(['+0', '~1', '~2', '~3', '~4', '-']);
  await informer.stop();
  client.close();
});
