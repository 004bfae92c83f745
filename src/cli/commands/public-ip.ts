import { Command } from 'commander';
import { call } from '../../lab/supervisor/client.ts';
import type { PublicIpView } from '../../lab/supervisor/views.ts';
import { apiPath } from '../lab-call.ts';
import { type Column, type Format, outputOption } from '../output.ts';
import { print, printDone, printMade } from '../print.ts';

const columns: Column<PublicIpView>[] = [
  { header: 'NAME', value: (address) => address.name },
  { header: 'ADDRESS', value: (address) => address.address },
  { header: 'GROUP', value: (address) => address.resourceGroup },
  { header: 'USED BY', value: (address) => address.users, wrap: true },
];

export function publicIpCommand(): Command {
  const publicIp = new Command('public-ip').description('static public addresses of the lab');
  publicIp
    .command('create <name>')
    .description('take a public address; a Service, a NAT gateway or a cluster can have it by its name')
    .addOption(outputOption())
    .action(async (name: string, { output }: { output: Format }) => {
      printMade(await call<PublicIpView>('POST', '/v1/public-ips', { name }), { output, columns });
    });
  publicIp
    .command('list')
    .alias('ls')
    .description('list the public addresses, and who has them')
    .addOption(outputOption())
    .action(async ({ output }: { output: Format }) => {
      const none = 'no public addresses';
      print(await call<PublicIpView[]>('GET', '/v1/public-ips'), { output, columns, none });
    });
  publicIp
    .command('delete <name>')
    .description('give back a public address that nobody uses')
    .addOption(outputOption())
    .action(async (name: string, { output }: { output: Format }) => {
      await call('DELETE', apiPath('public-ips', name));
      printDone(output, `public address ${name} deleted`, { name, state: 'Deleted' });
    });
  return publicIp;
}
