import { CriClient } from '../../lab/kubelet/cri.ts';
import { criSocket, findMachine } from '../../lab/machine/index.ts';
import { machineRefOf } from '../../lab/supervisor/node-start.ts';
import type { NodeView } from '../../lab/supervisor/views.ts';

/** TCP port on which every pod of the demo answers with its own name and the address that it sees the caller at. */
export const ECHO_PORT = 8080;
/** socat's words for that service; the name comes from the environment. */
export const ECHO_SERVICE = [
  'socat',
  `TCP-LISTEN:${ECHO_PORT},fork,reuseaddr`,
  'SYSTEM:echo $ECHO_NAME $SOCAT_PEERADDR',
];

/** A pod of one container, made through the node's CRI socket as a kubelet would make it. */
export interface Pod {
  name: string;
  address: string;
  node: NodeView;
  /** Runs a program in the container. */
  exec(argv: string[]): Promise<{ code: number; output: string }>;
}

/** The container runtimes of nodes, one connection each. */
export class Runtimes {
  readonly #clients = new Map<string, CriClient>();

  of(node: NodeView): CriClient {
    let client = this.#clients.get(node.name);
    if (!client) {
      client = new CriClient(criSocket(machineOf(node)));
      this.#clients.set(node.name, client);
    }
    return client;
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
  }
}

export function machineOf(node: NodeView): NonNullable<ReturnType<typeof findMachine>> {
  const machine = findMachine(machineRefOf(node.name));
  if (!machine) throw new Error(`node ${node.name} does not run`);
  return machine;
}

/** Starts a pod that answers on {@link ECHO_PORT}. The image must be on the node. */
export async function startPod(cri: CriClient, node: NodeView, name: string, image: string): Promise<Pod> {
  const sandbox = {
    metadata: { name, uid: `${node.cluster}-${name}`, namespace: 'demo', attempt: 0 },
    hostname: name,
    logDirectory: `/var/log/pods/demo_${name}`,
    linux: {},
  };
  const id = await cri.runPodSandbox(sandbox);
  const container = await cri.createContainer(
    id,
    {
      metadata: { name: 'echo', attempt: 0 },
      image: { image },
      command: ECHO_SERVICE,
      envs: [{ key: 'ECHO_NAME', value: `${node.cluster}/${name}` }],
      logPath: 'echo.log',
      linux: {},
    },
    sandbox,
  );
  await cri.startContainer(container);
  const { status } = await cri.podSandboxStatus(id);
  return {
    name,
    address: status.network?.ip ?? '',
    node,
    exec: async (argv) => {
      const { exitCode, stdout, stderr } = await cri.execSync(container, argv, 20);
      return { code: exitCode, output: Buffer.concat([stdout, stderr]).toString().trim() };
    },
  };
}

/** Removes the demo's pods of an earlier run. */
export async function removePods(cri: CriClient): Promise<void> {
  for (const sandbox of await cri.listPodSandbox()) {
    if (sandbox.metadata?.namespace !== 'demo') continue;
    await cri.stopPodSandbox(sandbox.id);
    await cri.removePodSandbox(sandbox.id);
  }
}
