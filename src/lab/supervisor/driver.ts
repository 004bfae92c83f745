import type { Logger } from 'pino';
import { isKubeError } from '../../kube/error.ts';
import { NODES } from '../../kube/resources.ts';
import { namespaceOf } from '../fabric/names.ts';
import { findMachine, findService, type Machine, stopMachine } from '../machine/index.ts';
import { namespacePath } from '../paths.ts';
import type { ControlPlaneDriver, NodeDriver } from './context.ts';
import { startControlPlane } from './control-plane-start.ts';
import { adminClient, adminKubeconfig } from './kube-access.ts';
import { controlPlaneRef, machineRefOf, type Programs } from './machine-files.ts';
import { startNode } from './node-start.ts';
import type { ServiceState } from './views.ts';

/** Nodes as machines: namespaces, an init and daemons on this machine. */
export function machineDriver(programs: Programs, log: Logger): NodeDriver {
  return {
    start: async (order) =>
      await startNode({
        ...order,
        netns: namespacePath(namespaceOf.node(order.name)),
        programs,
        log: log.child({ node: order.name }),
      }),
    stop: async (name) => await stopMachine(machineRefOf(name), { removeDisk: true }),
    look: (name) => {
      const machine = findMachine(machineRefOf(name));
      return {
        ...(machine ? { init: machine.init.pid } : {}),
        containerd: stateOf(machine, 'containerd'),
        agent: stateOf(machine, 'agent'),
        kubelet: stateOf(machine, 'kubelet'),
      };
    },
  };
}

/** Control planes as machines: an init, the API server, the controllers and the operator. */
export function controlPlaneDriver(programs: Programs, log: Logger): ControlPlaneDriver {
  return {
    start: async (order) =>
      await startControlPlane({
        ...order,
        netns: namespacePath(namespaceOf.controlPlane(order.name)),
        programs,
        log: log.child({ cluster: order.name }),
      }),
    stop: async (cluster) => await stopMachine(controlPlaneRef(cluster), { removeDisk: true }),
    look: (cluster) => {
      const machine = findMachine(controlPlaneRef(cluster));
      return {
        apiServer: stateOf(machine, 'apiserver'),
        controllers: stateOf(machine, 'controllers'),
        operator: stateOf(machine, 'operator'),
      };
    },
    kubeconfig: async (cluster) => adminKubeconfig(cluster),
    exampleNode: async (cluster) => {
      using client = adminClient(cluster);
      const { items } = await client.list(NODES, { limit: 1 });
      return items[0];
    },
    forgetNode: async (cluster, node) => {
      using client = adminClient(cluster);
      try {
        await client.delete(NODES, { name: node });
      } catch (error) {
        if (!isKubeError(error, 404)) throw error;
      }
    },
  };
}

function stateOf(machine: Machine | undefined, service: string): ServiceState {
  return machine && findService(machine, service) ? 'running' : 'down';
}
