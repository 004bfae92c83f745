import { Command } from 'commander';
import { call } from '../../lab/supervisor/client.ts';
import type { NodeSnat } from '../../lab/supervisor/snat.ts';
import type { LabStatus } from '../../lab/supervisor/views.ts';
import { type Column, type Format, outputOption } from '../output.ts';
import { print } from '../print.ts';

const columns: Column<LabStatus>[] = [
  {
    header: 'SUPERVISOR',
    value: (status) => `pid ${status.supervisor.pid}, since ${status.supervisor.startedAt}`,
  },
  { header: 'UPLINK', value: (status) => status.uplink, wrap: true },
  { header: 'VIRTUAL NETWORKS', value: (status) => status.networks },
  { header: 'HOSTS', value: (status) => status.hosts },
  {
    header: 'MISSING NAMESPACES',
    value: (status) =>
      status.missing.length > 0 ? `${status.missing.join(', ')}: flyover up makes them again` : 'none',
    colour: (status) => (status.missing.length > 0 ? 'red' : undefined),
    wrap: true,
  },
];

const clusterColumns: Column<LabStatus['clusters'][number]>[] = [
  { header: 'CLUSTER', value: (cluster) => cluster.name },
  { header: 'STATE', value: (cluster) => cluster.state },
  { header: 'READY', value: (cluster) => `${cluster.ready}/${cluster.nodes}` },
  { header: 'POD CIDR', value: (cluster) => cluster.podCidr },
  { header: 'NETWORK PLUGIN', value: (cluster) => cluster.networkPlugin },
];

export const snatColumns: Column<NodeSnat>[] = [
  { header: 'SNAT OF NODE', value: (row) => row.node },
  { header: 'ADDRESS', value: (row) => row.address },
  { header: 'TCP PORTS', value: (row) => `${row.tcp}/${row.allocated}`, align: 'right' },
  { header: 'UDP PORTS', value: (row) => `${row.udp}/${row.allocated}`, align: 'right' },
  {
    header: 'REFUSED',
    value: (row) => row.refused,
    align: 'right',
    colour: (row) => (row.refused > 0 ? 'red' : undefined),
  },
];

interface RefusedRow {
  namespace: string;
  why: string;
  packets: number;
}

const refusedColumns: Column<RefusedRow>[] = [
  { header: 'REFUSED IN', value: (row) => row.namespace },
  { header: 'WHY', value: (row) => row.why },
  { header: 'PACKETS', value: (row) => row.packets, align: 'right' },
];

export function statusCommand(): Command {
  return new Command('status')
    .description('what runs, and which packets the fabric refused')
    .addOption(outputOption())
    .action(async ({ output }: { output: Format }) => {
      const status = await call<LabStatus>('GET', '/v1/status');
      print(status, { output, columns });
      if (output !== 'table') return;
      const refused = Object.entries(status.refused).flatMap(([namespace, counts]) =>
        Object.entries(counts).map(([why, packets]) => ({ namespace, why, packets })),
      );
      if (status.clusters.length > 0) {
        process.stdout.write('\n');
        print(status.clusters, { output, columns: clusterColumns });
      }
      if (status.snat.length > 0) {
        process.stdout.write('\n');
        print(status.snat, { output, columns: snatColumns });
      }
      if (refused.length > 0) {
        process.stdout.write('\n');
        print(refused, { output, columns: refusedColumns });
      }
    });
}
