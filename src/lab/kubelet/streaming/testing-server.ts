// What the root test runs inside a machine: an API server, a kubelet's streaming server, and one Node and one Pod in the
// API for what the test made at the runtime. Arguments: folder, address, JSON of the pods. Prints a line when it serves.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Pod } from '../../../kube/types.ts';
import { kubeconfigText } from '../../kubernetes/auth/kubeconfig.ts';
import { ensurePki, issueClient, issueServer } from '../../kubernetes/auth/pki.ts';
import { proxyHandlers } from '../../kubernetes/proxy/index.ts';
import type { KubeObject } from '../../kubernetes/schema/types.ts';
import { startApiServer } from '../../kubernetes/server/start.ts';
import { CriClient } from '../cri.ts';
import { CriPodLookup } from './lookup.ts';
import { KubeletServer } from './server.ts';

export interface TestPod {
  name: string;
  uid: string;
  tty: boolean;
  stdin: boolean;
  containerId: string;
  /** Of a container that ended before. */
  previousId?: string;
}

const PODS = { group: '', plural: 'pods' };

async function main([folder = '', address = '', text = '[]']: string[]): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const pki = join(folder, 'pki');
  await ensurePki(pki, { cluster: 'test', addresses: [address], names: [] });
  const fail = (error: unknown): void => console.error(error);
  const api = await startApiServer({
    state: join(folder, 'state'),
    pki,
    addresses: ['127.0.0.1'],
    port: 0,
    serviceCidr: '10.0.0.0/16',
    onError: fail,
    plugins: (plugins) => ({ ...plugins, connect: new Map([...plugins.connect, ...proxyHandlers({ pki })]) }),
  });
  const { access } = api.runtime;
  for (const [user, groups] of [
    ['admin', ['system:masters']],
    ['nobody', []],
  ] as const) {
    const { cert, key, ca } = await issueClient(pki, { user, groups });
    const server = `https://127.0.0.1:${api.port}`;
    const config = kubeconfigText({ server, ca, cert, key, cluster: 'test', user });
    writeFileSync(join(folder, `${user}.kubeconfig`), config, { mode: 0o600 });
  }
  await access.create(
    { group: '', plural: 'nodes' },
    { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } },
  );
  const node = access.get({ group: '', plural: 'nodes' }, undefined, 'n1')!;
  node.status = { addresses: [{ type: 'InternalIP', address }] };
  await access.update({ group: '', plural: 'nodes' }, node, { subresource: 'status' });
  const pods = new Map<string, Pod>();
  for (const pod of JSON.parse(text) as TestPod[]) {
    const { tty, stdin } = pod;
    const created = (await access.create(PODS, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: pod.name, namespace: 'default' },
      spec: {
        nodeName: 'n1',
        automountServiceAccountToken: false,
        containers: [{ name: 'main', image: 'tiny', tty, stdin }],
      },
    })) as KubeObject;
    const state = pod.containerId ? { running: {} } : { waiting: { reason: 'CrashLoopBackOff' } };
    const last = pod.previousId
      ? { terminated: { exitCode: 1, containerID: `containerd://${pod.previousId}` } }
      : {};
    created.status = {
      phase: 'Running',
      containerStatuses: [
        {
          name: 'main',
          ready: true,
          restartCount: 0,
          image: 'tiny',
          imageID: '',
          containerID: `containerd://${pod.containerId}`,
          state,
          lastState: last,
        },
      ],
    };
    await access.update(PODS, created, { subresource: 'status' });
    // The runtime's labels have the uid that the test gave.
    const known = { ...created, metadata: { ...created.metadata, uid: pod.uid } };
    pods.set(`default/${pod.name}`, known as unknown as Pod);
  }
  const { cert, key, ca } = await issueServer(pki, { names: ['n1'], addresses: [address] });
  const cri = new CriClient('/run/containerd/containerd.sock');
  const source = {
    get: (namespace: string, name: string) => pods.get(`${namespace}/${name}`),
    list: () => [...pods.values()],
  };
  const lookup = new CriPodLookup(cri, source);
  await new KubeletServer({ address, port: 10_250, cert, key, ca, cri, lookup, onError: fail }).listen();
  console.log('ready');
}

await main(process.argv.slice(2));
