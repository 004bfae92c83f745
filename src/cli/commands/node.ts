import { Command } from 'commander';
import { pickNode } from '../../lab/azure/door/machine.ts';
import { LabError } from '../../lab/errors.ts';
import { execInMachine, findMachine } from '../../lab/machine/index.ts';
import { call } from '../../lab/supervisor/client.ts';
import { machineRefOf } from '../../lab/supervisor/machine-files.ts';
import type { ClusterView, NodeView } from '../../lab/supervisor/views.ts';
import { apiPath, callWithProgress } from '../lab-call.ts';
import { type Column, type Format, outputOption } from '../output.ts';
import { print, printDone, printMade } from '../print.ts';
import { exitLike, withoutDashes } from './exec.ts';

export const nodeColumns: Column<NodeView>[] = [
  { header: 'CLUSTER', value: (node) => node.cluster },
  { header: '#', value: (node) => node.index, align: 'right' },
  { header: 'NAME', value: (node) => node.name },
  {
    header: 'STATE',
    value: (node) => node.state,
    colour: (node) => (node.state === 'Succeeded' ? 'green' : node.state === 'Failed' ? 'red' : 'yellow'),
  },
  { header: 'ADDRESS', value: (node) => node.address },
  { header: 'PODS IN', value: (node) => node.nodeBlock },
  { header: 'CONTAINERD', value: (node) => node.containerd },
  { header: 'AGENT', value: (node) => node.agent },
  { header: 'KUBELET', value: (node) => node.kubelet },
  { header: 'ERROR', value: (node) => node.error, wrap: true },
];

export function nodeCommand(): Command {
  const node = new Command('node')
    .enablePositionalOptions()
    .description('nodes of clusters; NODE is a name or the number in the # column');
  node
    .command('list [cluster]')
    .alias('ls')
    .description('list the nodes of one cluster or of all')
    .addOption(outputOption())
    .action(async (cluster: string | undefined, { output }: { output: Format }) => {
      const clusters =
        cluster === undefined
          ? await call<ClusterView[]>('GET', '/v1/clusters')
          : [await call<ClusterView>('GET', apiPath('clusters', cluster))];
      const nodes = clusters.flatMap((each) => each.nodes);
      print(nodes, { output, columns: nodeColumns, none: 'no nodes' });
    });
  node
    .command('add <cluster>')
    .description('add a node; it gets the next free address and the next free /24')
    .addOption(outputOption())
    .action(async (cluster: string, { output }: { output: Format }) => {
      const added = await callWithProgress<NodeView>(
        'adding a node',
        `flyover node list ${cluster}`,
        'POST',
        apiPath('clusters', cluster, 'nodes'),
      );
      printMade(added, { output, columns: nodeColumns });
    });
  node
    .command('remove <cluster> <node>')
    .alias('rm')
    .description('stop a node and its pods; its address and its /24 are free again')
    .addOption(outputOption())
    .action(async (cluster: string, node: string, { output }: { output: Format }) => {
      const { name } = await findNode(cluster, node);
      const look = `flyover node list ${cluster}`;
      const path = apiPath('clusters', cluster, 'nodes', name);
      await callWithProgress(`removing node ${name}`, look, 'DELETE', path);
      printDone(output, `node ${name} of cluster ${cluster} removed`, { name, cluster, state: 'Deleted' });
    });
  node
    .command('exec <cluster> <node> <command...>')
    .description('run a command on a node, as root; put -- before it')
    .passThroughOptions()
    .action(async (cluster: string, name: string, command: string[]) => {
      const found = await findNode(cluster, name);
      const machine = findMachine(machineRefOf(found.name));
      if (!machine) {
        throw new LabError({
          code: 'NodeNotRunning',
          field: 'NODE',
          value: found.name,
          rule: 'does not run at this moment',
          fix: 'flyover node list shows its state; the supervisor starts it again by itself',
          status: 409,
        });
      }
      await exitLike(execInMachine(machine, withoutDashes(command), { tty: true }));
    });
  return node;
}

async function findNode(cluster: string, node: string): Promise<NodeView> {
  const { nodes } = await call<ClusterView>('GET', apiPath('clusters', cluster));
  return pickNode(cluster, nodes, node);
}
