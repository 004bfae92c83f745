import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Lease, Node, Pod } from '../../kube/types.ts';
import { findService, isAlive, signal, startService } from '../machine/index.ts';
import { testPlace } from '../machine/testing.ts';
import { execIn, isReady, killKubelet, resumeKubelet, tinyPod, until } from './testing.ts';
import { KUBECTL, startTestCluster, type TestCluster } from './testing-cluster.ts';

const ground = testPlace('kubelet-api');
let cluster: TestCluster;

const podWhere = (name: string, check: (pod: Pod) => boolean): Promise<Pod> =>
  until(`pod ${name}`, async () => {
    const pod = await cluster.get<Pod>('pod', name);
    return pod && check(pod) ? pod : undefined;
  });
const gone = (name: string): Promise<true> =>
  until(`the end of ${name}`, async () => ((await cluster.get<Pod>('pod', name)) ? undefined : true));
const mine = (name: string, container: object = {}, spec: object = {}): Pod =>
  tinyPod(name, container, { nodeName: 'host-one', ...spec });
const sandboxes = (pod: Pod) =>
  cluster.node.cri.listPodSandbox({ labelSelector: { 'io.kubernetes.pod.uid': pod.metadata?.uid ?? '' } });

describe.skipIf(!existsSync(KUBECTL))('a kubelet of an API server', () => {
  beforeAll(async () => {
    cluster = await startTestCluster(ground);
    await cluster.kubectl('create', 'serviceaccount', 'default');
    await cluster.kubectl('create', 'configmap', 'kube-root-ca.crt', '--from-literal=ca.crt=x');
  });
  afterAll(async () => {
    cluster?.node.cri.close();
    await ground.clear();
  });

  test('registers its node, ready, with what it offers and a lease', async () => {
    const ready = ({ status }: Node) =>
      status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True');
    const node = await until('the node', async () => {
      const found = await cluster.get<Node>('node', 'host-one');
      return found && ready(found) ? found : undefined;
    });
    expect(node.metadata?.labels).toMatchObject({ pool: 'a', 'kubernetes.io/hostname': 'host-one' });
    expect(node.metadata?.annotations?.['flyover.dev/requested-pod-cidrs']).toBe('10.211.0.0/24');
    expect(node.status?.allocatable?.pods).toBe('300');
    expect(node.status?.nodeInfo?.containerRuntimeVersion).toMatch(/^containerd:\/\/\d/);
    const lease = await until('the lease', () =>
      cluster.get<Lease>('lease', '-n', 'kube-node-lease', 'host-one'),
    );
    expect(lease.spec?.holderIdentity).toBe('host-one');
    expect(lease.metadata?.ownerReferences?.[0]?.uid).toBe(node.metadata?.uid);
  });

  test('runs a pod with objects and a token, streams from it, and deletes it with its time', async () => {
    const config = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'cfg', namespace: 'default' },
      data: { a: '1' },
    };
    const secret = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'sec', namespace: 'default' },
      stringData: { pw: 'x' },
    };
    const container = {
      command: ['/bin/sh', '-c', 'trap "exit 0" TERM; echo hello; while :; do sleep 0.1; done'],
      env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'cfg', key: 'a' } } }],
      volumeMounts: [{ name: 's', mountPath: '/s' }],
    };
    await cluster.apply(
      config,
      secret,
      mine('web', container, { volumes: [{ name: 's', secret: { secretName: 'sec' } }] }),
    );
    const pod = await podWhere('web', isReady);
    expect(pod.status).toMatchObject({ phase: 'Running', hostIP: '192.0.2.10', qosClass: 'BestEffort' });
    const said = await execIn(
      cluster.node,
      pod,
      '/bin/sh',
      '-c',
      'echo $A; cat /s/pw; cat /var/run/secrets/kubernetes.io/serviceaccount/token; echo $KUBERNETES_SERVICE_HOST',
    );
    expect(said).toMatch(/^1\nx[\w-]+\.[\w-]+\.[\w-]+10\.0\.0\.1\n$/);
    expect(await cluster.kubectl('logs', 'web')).toBe('hello\n');
    expect(await cluster.kubectl('exec', 'web', '--', '/bin/sh', '-c', 'echo from inside')).toContain(
      'from inside\n',
    );
    expect(await cluster.kubectl('delete', 'pod', 'web')).toContain('deleted');
    expect(await sandboxes(pod)).toEqual([]);
  });

  test('says what is missing, and starts when it comes', async () => {
    await cluster.apply(
      mine('wants', { env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'late', key: 'a' } } }] }),
    );
    const waiting = await podWhere(
      'wants',
      ({ status }) => status?.containerStatuses?.[0]?.state?.waiting?.reason === 'CreateContainerConfigError',
    );
    expect(waiting.status?.containerStatuses?.[0]?.state?.waiting?.message).toBe(
      'configmap "late" not found',
    );
    await cluster.kubectl('create', 'configmap', 'late', '--from-literal=a=1');
    await podWhere('wants', isReady);
    await cluster.kubectl('delete', 'pod', 'wants', '--wait=false');
    await cluster.apply(
      mine('store', {}, { volumes: [{ name: 'd', persistentVolumeClaim: { claimName: 'x' } }] }),
    );
    const events = () =>
      cluster.kubectl('get', 'events', '--field-selector', 'involvedObject.name=store,reason=FailedMount');
    await until('the event', async () =>
      (await events()).includes('persistentVolumeClaim are not supported') ? true : undefined,
    );
    await cluster.kubectl('delete', 'pod', 'store', '--wait=false');
    await Promise.all([gone('wants'), gone('store')]);
  });

  test('keeps its pods while the API server is away, and ends what was force-deleted while it was down itself', async () => {
    await cluster.apply(mine('stay'), mine('go'));
    const stay = await podWhere('stay', isReady);
    const go = await podWhere('go', isReady);
    const server = findService(cluster.machine, 'apiserver')!;
    signal(server.process, 'SIGKILL');
    await until('its end', async () => (isAlive(server.process) ? undefined : true));
    expect(await execIn(cluster.node, stay, '/bin/sh', '-c', 'echo still')).toBe('still\n');
    await killKubelet(cluster.node);
    await startService(cluster.machine, cluster.apiServer);
    await until('the API server', async () =>
      (await cluster.kubectl('get', '--raw', '/readyz')).trim() === 'ok' ? true : undefined,
    );
    await cluster.kubectl('delete', 'pod', 'go', '--force', '--grace-period=0');
    await resumeKubelet(cluster.node);
    await until('the orphan', async () => ((await sandboxes(go)).length === 0 ? true : undefined));
    const after = await podWhere('stay', isReady);
    expect(after.status?.containerStatuses?.[0]).toEqual(stay.status?.containerStatuses?.[0]);
    await cluster.kubectl('delete', 'pod', 'stay', '--wait=false');
    await gone('stay');
  });
});
