import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { kubeconfigText } from '../kubernetes/auth/kubeconfig.ts';
import { ensurePki, issueClient, issueServer } from '../kubernetes/auth/pki.ts';
import { insideMachine, type Machine, type ServiceSpec, startService } from '../machine/index.ts';
import { output, type TestPlace } from '../machine/testing.ts';
import { startKubeletOn, startRuntime, type TestNode, until } from './testing.ts';

/** The unmodified one, where a machine has it. */
export const KUBECTL = '/usr/lib/google-cloud-sdk/bin/kubectl.1.32';
const ADDRESS = '192.0.2.10';

export interface TestCluster {
  readonly node: TestNode;
  readonly machine: Machine;
  readonly apiServer: ServiceSpec;
  /** Runs kubectl as the cluster's administrator. @returns its output, errors too */
  kubectl(...args: string[]): Promise<string>;
  /** Creates or changes objects. */
  apply(...objects: object[]): Promise<string>;
  /** An object as the API server has it; undefined: there is none. */
  get<T>(...args: string[]): Promise<T | undefined>;
}

/** One machine with the embedded API server, containerd and a kubelet: a cluster without controllers. */
export async function startTestCluster(ground: TestPlace): Promise<TestCluster> {
  const machine = await startRuntime(ground.spec('one'), join(ground.folder, 'images'), '10.211.0.0/24');
  const inside = (path: string): string => insideMachine(machine, path);
  mkdirSync(inside('/var/lib/pki'), { recursive: true });
  mkdirSync(inside('/var/lib/kubelet/pki'), { recursive: true });
  await ensurePki(inside('/var/lib/pki'), { cluster: 'test', addresses: [ADDRESS, '10.0.0.1'], names: [] });
  const apiServer = {
    name: 'apiserver',
    argv: [
      process.execPath,
      join(import.meta.dirname, '../kubernetes/apiserver/main.ts'),
      ...['--state', '/var/lib/kube', '--pki', '/var/lib/pki', '--address', ADDRESS, '--cluster', 'test'],
    ],
  };
  await startService(machine, apiServer);
  const configure = async (file: string, user: string, groups: string[]): Promise<void> => {
    const { cert, key, ca } = await issueClient(inside('/var/lib/pki'), { user, groups });
    const text = kubeconfigText({ server: `https://${ADDRESS}:6443`, ca, cert, key, cluster: 'test', user });
    writeFileSync(inside(file), text, { mode: 0o600 });
  };
  await configure('/var/lib/admin.conf', 'admin', ['system:masters']);
  await configure('/var/lib/node.conf', `system:node:${machine.hostname}`, ['system:nodes']);
  const own = await issueServer(inside('/var/lib/pki'), { names: [machine.hostname], addresses: [ADDRESS] });
  writeFileSync(inside('/var/lib/kubelet/pki/ca.crt'), own.ca);
  writeFileSync(inside('/var/lib/kubelet/pki/kubelet.crt'), own.cert);
  writeFileSync(inside('/var/lib/kubelet/pki/kubelet.key'), own.key, { mode: 0o600 });
  const run = (...args: string[]) => output(machine, KUBECTL, '--kubeconfig', '/var/lib/admin.conf', ...args);
  const kubectl = async (...args: string[]): Promise<string> => {
    const { stdout, stderr } = await run(...args);
    return stdout + stderr;
  };
  const ready = async () => ((await kubectl('get', '--raw', '/readyz')).trim() === 'ok' ? true : undefined);
  await until('the API server', ready);
  const node = await startKubeletOn(machine, [
    ...['--kubeconfig', '/var/lib/node.conf', '--pki', '/var/lib/kubelet/pki'],
    ...['--cluster-dns', '10.0.0.10', '--requested-pod-cidrs', '10.211.0.0/24', '--node-labels', 'pool=a'],
  ]);
  return {
    node,
    machine,
    apiServer,
    kubectl,
    async apply(...objects) {
      writeFileSync(
        inside('/var/lib/objects.json'),
        JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }),
      );
      return await kubectl('apply', '-f', '/var/lib/objects.json');
    },
    async get<T>(...args: string[]) {
      const { code, stdout } = await run('get', ...args, '-o', 'json');
      return code === 0 ? (JSON.parse(stdout) as T) : undefined;
    },
  };
}
