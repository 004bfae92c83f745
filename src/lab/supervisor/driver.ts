import type { Logger } from 'pino';
import { namespaceOf } from '../fabric/names.ts';
import { findMachine, findService, stopMachine } from '../machine/index.ts';
import { namespacePath } from '../paths.ts';
import type { NodeDriver } from './context.ts';
import { machineRefOf, type Programs, startNode } from './node-start.ts';
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
      const stateOf = (service: string): ServiceState =>
        machine && findService(machine, service) ? 'running' : 'down';
      return {
        ...(machine ? { init: machine.init.pid } : {}),
        containerd: stateOf('containerd'),
        agent: stateOf('agent'),
      };
    },
  };
}
