import { CriClient } from '../../../src/lab/kubelet/cri.ts';
import { criSocket, findMachine } from '../../../src/lab/machine/index.ts';
import { machineRefOf } from '../../../src/lab/supervisor/machine-files.ts';
import type { NodeView } from '../../../src/lab/supervisor/views.ts';

/** The container runtimes of nodes, one connection each. */
export class Runtimes {
  readonly #clients = new Map<string, CriClient>();

  of(node: NodeView): CriClient {
    let client = this.#clients.get(node.name);
    if (!client) {
      const machine = findMachine(machineRefOf(node.name));
      if (!machine) throw new Error(`node ${node.name} does not run`);
      client = new CriClient(criSocket(machine));
      this.#clients.set(node.name, client);
    }
    return client;
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
  }
}
