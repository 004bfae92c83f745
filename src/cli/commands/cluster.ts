import { Command } from 'commander';
import { MAX_PODS } from '../../lab/azure/door/cluster.ts';
import { call } from '../../lab/supervisor/client.ts';
import type { ClusterView, LabStatus } from '../../lab/supervisor/views.ts';
import { apiPath, callWithProgress, nameAndRange, wholeNumber } from '../lab-call.ts';
import { type Column, type Format, outputOption } from '../output.ts';
import { print, printDone, printMade } from '../print.ts';
import { nodeColumns } from './node.ts';
import { type OutboundOptions, outboundRequest, outboundText, withOutboundOptions } from './outbound.ts';
import { snatColumns } from './status.ts';

const columns: Column<ClusterView>[] = [
  { header: 'NAME', value: (cluster) => cluster.name },
  {
    header: 'STATE',
    value: (cluster) => cluster.state,
    colour: (cluster) =>
      cluster.state === 'Succeeded' ? 'green' : cluster.state === 'Failed' ? 'red' : 'yellow',
  },
  { header: 'NODES', value: (cluster) => cluster.nodes.length, align: 'right' },
  { header: 'POD CIDR', value: (cluster) => cluster.podCidr },
  { header: 'NETWORK PLUGIN', value: (cluster) => cluster.networkPlugin ?? 'azure' },
  { header: 'SERVICE CIDR', value: (cluster) => cluster.serviceCidr },
  { header: 'API', value: (cluster) => `https://${cluster.apiServerAddress}` },
  { header: 'VNET', value: (cluster) => cluster.virtualNetwork },
  { header: 'SUBNET', value: (cluster) => cluster.subnet },
  { header: 'MAX PODS', value: (cluster) => cluster.maxPods, align: 'right' },
  { header: 'OUTBOUND', value: ({ outbound }) => outboundText(outbound) },
  { header: 'ERROR', value: (cluster) => cluster.error, wrap: true },
];

interface CreateOptions extends OutboundOptions {
  nodes: number | string;
  podCidr?: string;
  networkPlugin?: string;
  vnet?: string;
  subnet?: string;
  maxPods?: number | string;
  minCount?: number | string;
  maxCount?: number | string;
  serviceCidr?: string;
  dnsServiceIp?: string;
  output: Format;
}

/** What `--network-plugin none` leaves to its user. */
const OWN_NETWORK = `
With --network-plugin none, as on AKS, the cluster comes without a network for its pods: nodes have containerd, a kubelet
and the reference plugins in /opt/cni/bin, and stay NotReady until something you install (a DaemonSet, mostly) writes
/etc/cni/net.d. Pods on the host's network run before that. Services are not translated either, so what has to reach
the API earlier is told its address, which flyover cluster show has in the column API.
The lab still carves a /24 of --pod-cidr for each node and routes it there, as a cloud's route table would: the PODS IN of
flyover node list, and the node's annotation flyover.dev/requested-pod-cidrs. A packet with any other source than
the node's address and that block is dropped in the cluster's routing domain; tunnels between nodes pass.
The chart of deploy/ works there: see deploy/README.md.`;

export function clusterCommand(): Command {
  const cluster = new Command('cluster').description('clusters with Azure CNI Overlay networking');
  withOutboundOptions(cluster.command('create <name>'))
    .description('create a cluster and wait until its nodes are ready')
    .option('--nodes <count>', 'how many nodes, 1..1000', wholeNumber, 3)
    .option(
      '--pod-cidr <cidr>',
      'range that pods take their addresses from, a /24 for each node (default: 10.244.0.0/16)',
    )
    .option(
      '--network-plugin <plugin>',
      'azure: the overlay network; none: bring your own, see below (default: azure)',
    )
    .option(
      '--vnet <name[=cidr]>',
      'virtual network; made when it does not exist (default: vnet=10.0.0.0/16)',
    )
    .option(
      '--subnet <name[=cidr]>',
      'subnet of the nodes; made when it does not exist (default: nodes, the next free /24)',
    )
    .option(
      '--max-pods <count>',
      `pods on one node, ${MAX_PODS.least}..${MAX_PODS.most} (default: ${MAX_PODS.default})`,
      wholeNumber,
    )
    .option('--min-count <count>', 'fewest nodes, for the cluster autoscaler (default: 1)', wholeNumber)
    .option('--max-count <count>', 'most nodes; turns the cluster autoscaler on', wholeNumber)
    .option(
      '--service-cidr <cidr>',
      'range that Services take their addresses from (default: 10.0.0.0/16, or the next free /16)',
    )
    .option(
      '--dns-service-ip <address>',
      "address of the cluster's DNS (default: the tenth of the service CIDR)",
    )
    .addOption(outputOption())
    .addHelpText(
      'after',
      '\nExamples:\n  flyover cluster create shop --nodes 3\n  flyover cluster create shop --vnet hub=10.0.0.0/16 --subnet shop=10.0.1.0/24 --pod-cidr 10.244.0.0/16\n  flyover cluster create byo --network-plugin none\n' +
        OWN_NETWORK,
    )
    .action(async (name: string, options: CreateOptions) => {
      const vnet = options.vnet === undefined ? undefined : nameAndRange(options.vnet);
      const subnet = options.subnet === undefined ? undefined : nameAndRange(options.subnet);
      const created = await callWithProgress<ClusterView>(
        `creating cluster ${name}`,
        `flyover cluster show ${name}`,
        'POST',
        '/v1/clusters',
        {
          name,
          nodes: options.nodes,
          podCidr: options.podCidr,
          networkPlugin: options.networkPlugin,
          maxPods: options.maxPods,
          minCount: options.minCount,
          maxCount: options.maxCount,
          serviceCidr: options.serviceCidr,
          dnsServiceIp: options.dnsServiceIp,
          ...outboundRequest(options),
          vnet: vnet?.name,
          vnetPrefix: vnet?.range,
          subnet: subnet?.name,
          subnetPrefix: subnet?.range,
        },
      );
      if (options.output === 'table') print(created.nodes, { output: 'table', columns: nodeColumns });
      else print(created, { output: options.output, columns });
    });
  withOutboundOptions(cluster.command('update <name>'))
    .description('give a running cluster another way out; nodes and pods stay as they are')
    .addOption(outputOption())
    .action(async (name: string, options: OutboundOptions & { output: Format }) => {
      const path = apiPath('clusters', name, 'outbound');
      const updated = await call<ClusterView>('PUT', path, outboundRequest(options));
      printMade(updated, { output: options.output, columns });
    });
  cluster
    .command('list')
    .alias('ls')
    .description('list the clusters')
    .addOption(outputOption())
    .action(async ({ output }: { output: Format }) => {
      const none = 'no clusters; make one: flyover cluster create NAME';
      print(await call<ClusterView[]>('GET', '/v1/clusters'), { output, columns, none });
    });
  cluster
    .command('show <name>')
    .description('show one cluster and its nodes')
    .addOption(outputOption())
    .action(async (name: string, { output }: { output: Format }) => {
      const found = await call<ClusterView>('GET', apiPath('clusters', name));
      print(found, { output, columns });
      if (output !== 'table') return;
      process.stdout.write('\n');
      print(found.nodes, { output, columns: nodeColumns, none: 'no nodes' });
      const { snat } = await call<LabStatus>('GET', '/v1/status');
      const mine = snat.filter((node) => node.cluster === name);
      if (mine.length === 0) return;
      process.stdout.write('\n');
      print(mine, { output, columns: snatColumns });
    });
  cluster
    .command('delete <name>')
    .description('delete a cluster, its nodes and everything that runs on them')
    .addOption(outputOption())
    .action(async (name: string, { output }: { output: Format }) => {
      const look = 'flyover cluster list';
      await callWithProgress(`deleting cluster ${name}`, look, 'DELETE', apiPath('clusters', name));
      printDone(output, `cluster ${name} deleted`, { name, state: 'Deleted' });
    });
  return cluster;
}
