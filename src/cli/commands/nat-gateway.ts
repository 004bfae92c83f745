import { Command } from 'commander';
import { call } from '../../lab/supervisor/client.ts';
import type { NatGatewayView } from '../../lab/supervisor/views.ts';
import { apiPath, wholeNumber } from '../lab-call.ts';
import { type Column, type Format, outputOption } from '../output.ts';
import { print, printDone, printMade } from '../print.ts';

const columns: Column<NatGatewayView>[] = [
  { header: 'NAME', value: (gateway) => gateway.name },
  { header: 'ADDRESSES', value: (gateway) => gateway.addresses },
  { header: 'IDLE MINUTES', value: (gateway) => gateway.idleTimeoutInMinutes, align: 'right' },
  { header: 'SUBNETS', value: (gateway) => gateway.subnets, wrap: true },
  { header: 'MANAGED BY', value: (gateway) => gateway.cluster },
];

const collect = (value: string, former: string[] = []): string[] => [...former, value];

export function natGatewayCommand(): Command {
  const gateway = new Command('nat-gateway').description(
    'NAT gateways: what leaves their subnets for the internet wears their public addresses',
  );
  gateway
    .command('create <name>')
    .description('make a NAT gateway; flyover vnet update-subnet attaches it')
    .requiredOption(
      '--public-ip <name>',
      'a public address (flyover public-ip create); may be repeated',
      collect,
    )
    .option(
      '--idle-timeout <minutes>',
      'until an idle connection is forgotten, 4..120 (default: 4)',
      wholeNumber,
    )
    .addOption(outputOption())
    .action(
      async (
        name: string,
        options: { publicIp: string[]; idleTimeout?: number | string; output: Format },
      ) => {
        const { publicIp: publicIpAddresses, idleTimeout, output } = options;
        const body = { name, publicIpAddresses, idleTimeout };
        printMade(await call<NatGatewayView>('POST', '/v1/nat-gateways', body), { output, columns });
      },
    );
  gateway
    .command('list')
    .alias('ls')
    .description('list the NAT gateways')
    .addOption(outputOption())
    .action(async ({ output }: { output: Format }) => {
      const none = 'no NAT gateways';
      print(await call<NatGatewayView[]>('GET', '/v1/nat-gateways'), { output, columns, none });
    });
  gateway
    .command('delete <name>')
    .description('delete a NAT gateway that no subnet has; its addresses stay')
    .addOption(outputOption())
    .action(async (name: string, { output }: { output: Format }) => {
      await call('DELETE', apiPath('nat-gateways', name));
      printDone(output, `NAT gateway ${name} deleted`, { name, state: 'Deleted' });
    });
  return gateway;
}
