import { connect, createServer, type Socket } from 'node:net';
import { KubeClient } from '../../kube/client.ts';
import { loadKubeConfig } from '../../kube/kube-config.ts';
import { CONFIG_MAPS, NODES } from '../../kube/resources.ts';
import type { Node } from '../../kube/types.ts';
import { startTestApiServer, type TestApiServer } from '../../lab/kubernetes/server/testing.ts';
import type { TestNode } from './testing.ts';

export const SETTINGS_KEY = { namespace: 'kube-system', name: 'flyover-config' };

/** The embedded API server beside a node of a test, through a relay into the node's namespace. */
export class NodeCluster {
  readonly api: TestApiServer;
  readonly admin: KubeClient;
  /** The agent's arguments. */
  readonly source: string[];
  /** Whether the node cannot reach the API server. */
  #away = false;
  readonly #sockets = new Set<Socket>();
  readonly #relay = createServer((near) => this.#pass(near));
  readonly #port: number;

  private constructor(api: TestApiServer, kubeconfig: string) {
    this.api = api;
    this.admin = new KubeClient(loadKubeConfig({ kubeconfig: api.kubeconfig }));
    this.#port = Number(new URL(api.url).port);
    this.source = [
      '--kubeconfig',
      kubeconfig,
      '--node-name',
      'n1',
      '--no-conflist',
      '--cri',
      '/nowhere.sock',
    ];
  }

  /** With the settings, and without a Node. */
  static async start(node: TestNode, settings: Record<string, string> = {}): Promise<NodeCluster> {
    const api = await startTestApiServer();
    const kubeconfig = await api.kubeconfigFor('flyover-agent', ['system:masters']);
    const cluster = new NodeCluster(api, kubeconfig);
    const path = node.path('api.sock');
    await new Promise<void>((resolve) => cluster.#relay.listen(path, resolve));
    node.net.run('node', 'ip', 'link', 'set', 'lo', 'up');
    const listen = `TCP-LISTEN:${cluster.#port},bind=127.0.0.1,fork,reuseaddr`;
    node.net.spawn('node', ['socat', listen, `UNIX-CONNECT:${path}`]);
    const data = { podCIDRs: '10.244.0.0/16', cooldownSeconds: '0', ...settings };
    await cluster.admin.create(CONFIG_MAPS, { metadata: SETTINGS_KEY, data });
    return cluster;
  }

  /** The Node n1 at 10.0.1.4. */
  async addNode(): Promise<void> {
    await this.admin.create(NODES, { metadata: { name: 'n1' } } as Node);
    const address = { status: { addresses: [{ type: 'InternalIP', address: '10.0.1.4' }] } };
    await this.admin.patch(NODES, { name: 'n1' }, address, { type: 'strategic', subresource: 'status' });
  }

  async giveBlock(): Promise<void> {
    const block = { spec: { podCIDR: '10.244.5.0/24', podCIDRs: ['10.244.5.0/24'] } };
    await this.admin.patch(NODES, { name: 'n1' }, block, { type: 'merge' });
  }

  async setting(data: Record<string, string>): Promise<void> {
    await this.admin.patch(CONFIG_MAPS, SETTINGS_KEY, { data }, { type: 'merge' });
  }

  /** Cuts the node off, or lets it come back. */
  set away(away: boolean) {
    this.#away = away;
    if (away) for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.admin.close();
    this.#relay.close();
    await this.api.close();
  }

  #pass(near: Socket): void {
    const far = connect(this.#port, '127.0.0.1');
    near.pipe(far).pipe(near);
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
    if (this.#away) near.destroy();
  }
}
