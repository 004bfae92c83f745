import { Command } from 'commander';
import { call } from '../../lab/supervisor/client.ts';
import type { LabStatus } from '../../lab/supervisor/views.ts';
import { type Column, type Format, outputOption, render } from '../output.ts';

const columns: Column<LabStatus>[] = [
  {
    header: 'SUPERVISOR',
    value: (status) => `pid ${status.supervisor.pid}, since ${status.supervisor.startedAt}`,
  },
  { header: 'UPLINK', value: (status) => status.uplink, wrap: true },
  { header: 'VIRTUAL NETWORKS', value: (status) => status.networks },
  { header: 'HOSTS', value: (status) => status.hosts },
];

const clusterColumns: Column<LabStatus['clusters'][number]>[] = [
  { header: 'CLUSTER', value: (cluster) => cluster.name },
  { header: 'STATE', value: (cluster) => cluster.state },
  { header: 'READY', value: (cluster) => `${cluster.ready}/${cluster.nodes}` },
  { header: 'POD CIDR', value: (cluster) => cluster.podCidr },
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
      process.stdout.write(render(status, { format: output, columns }));
      if (output !== 'table') return;
      const refused = Object.entries(status.refused).flatMap(([namespace, counts]) =>
        Object.entries(counts).map(([why, packets]) => ({ namespace, why, packets })),
      );
      if (status.clusters.length > 0) {
        process.stdout.write(`\n${render(status.clusters, { format: output, columns: clusterColumns })}`);
      }
      if (refused.length > 0) {
        process.stdout.write(`\n${render(refused, { format: output, columns: refusedColumns })}`);
      }
    });
}
