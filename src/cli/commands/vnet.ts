import { Command } from 'commander';
import type { Subnet } from '../../lab/azure/types.ts';
import { LabError, pickByName } from '../../lab/errors.ts';
import { call } from '../../lab/supervisor/client.ts';
import type { NetworkView } from '../../lab/supervisor/views.ts';
import { apiPath, nameAndRange } from '../lab-call.ts';
import { type Column, type Format, outputOption } from '../output.ts';
import { print, printDone, printMade } from '../print.ts';

/** `nodes=10.0.1.0/24`, with what leads out of it. */
function subnetText({ name, addressPrefix, natGateway, routeTable }: Subnet): string {
  const gateways = [
    ...(natGateway === undefined ? [] : [`NAT gateway ${natGateway}`]),
    ...(routeTable === undefined ? [] : [`route table ${routeTable}`]),
  ];
  return `${name}=${addressPrefix}${gateways.length > 0 ? ` (${gateways.join('; ')})` : ''}`;
}

const columns: Column<NetworkView>[] = [
  { header: 'NAME', value: (network) => network.name },
  { header: 'ADDRESS SPACE', value: (network) => network.properties.addressPrefixes },
  {
    header: 'SUBNETS',
    value: (network) => network.properties.subnets.map(subnetText),
    wrap: true,
  },
  { header: 'PUBLIC ADDRESS', value: (network) => network.properties.publicAddress },
  { header: 'PEERS', value: (network) => network.peers },
];

const collect = (value: string, former: string[] = []): string[] => [...former, value];

/** `NAME=CIDR` of a subnet. */
function subnetOf(field: string, text: string): { name: string; addressPrefix: string } {
  const { name, range } = nameAndRange(text);
  if (range !== undefined) return { name, addressPrefix: range };
  throw new LabError({
    code: 'InvalidParameter',
    field,
    value: text,
    rule: 'has no range',
    fix: 'write NAME=CIDR, such as nodes=10.0.1.0/24',
  });
}

/** What the flags say; absent: it stays as it is. */
interface GatewayOptions {
  natGateway?: string | false;
  routeTable?: string | false;
  output: Format;
}

export function vnetCommand(): Command {
  const vnet = new Command('vnet').description('virtual networks, their subnets and peerings');
  vnet
    .command('create <name>')
    .description('create a virtual network')
    .requiredOption('--address-prefix <cidr>', 'address space; may be repeated', collect)
    .option('--subnet <name=cidr>', 'a subnet; may be repeated', collect, [])
    .addOption(outputOption())
    .action(async (name: string, options: { addressPrefix: string[]; subnet: string[]; output: Format }) => {
      const created = await call<NetworkView>('POST', '/v1/networks', {
        name,
        addressPrefixes: options.addressPrefix,
        subnets: options.subnet.map((text) => subnetOf('--subnet', text)),
      });
      printMade(created, { output: options.output, columns });
    });
  vnet
    .command('list')
    .alias('ls')
    .description('list the virtual networks')
    .addOption(outputOption())
    .action(async ({ output }: { output: Format }) => {
      print(await call<NetworkView[]>('GET', '/v1/networks'), {
        output,
        columns,
        none: 'no virtual networks',
      });
    });
  vnet
    .command('show <name>')
    .description('show one virtual network')
    .addOption(outputOption())
    .action(async (name: string, { output }: { output: Format }) => {
      const networks = await call<NetworkView[]>('GET', '/v1/networks');
      const found = pickByName('virtual network', networks, name);
      print(found, { output, columns });
    });
  vnet
    .command('add-subnet <name> <subnet=cidr>')
    .description('add a subnet to a virtual network')
    .addOption(outputOption())
    .action(async (name: string, subnet: string, { output }: { output: Format }) => {
      const path = apiPath('networks', name, 'subnets');
      printMade(await call<NetworkView>('POST', path, subnetOf('SUBNET', subnet)), { output, columns });
    });
  vnet
    .command('update-subnet <name> <subnet>')
    .description('say what leads out of a subnet: a NAT gateway, a route table')
    .option('--nat-gateway <name>', 'what leaves for the internet wears its addresses')
    .option('--no-nat-gateway', 'takes the NAT gateway from it')
    .option('--route-table <name>', "its routes come before the network's own")
    .option('--no-route-table', 'takes the route table from it')
    .addOption(outputOption())
    .action(async (name: string, subnet: string, options: GatewayOptions) => {
      const path = apiPath('networks', name, 'subnets', subnet);
      const body = {
        natGateway: options.natGateway === false ? null : options.natGateway,
        routeTable: options.routeTable === false ? null : options.routeTable,
      };
      printMade(await call<NetworkView>('PUT', path, body), { output: options.output, columns });
    });
  vnet
    .command('delete <name>')
    .description('delete a virtual network that nothing uses')
    .addOption(outputOption())
    .action(async (name: string, { output }: { output: Format }) => {
      await call('DELETE', apiPath('networks', name));
      printDone(output, `virtual network ${name} deleted`, { name, state: 'Deleted' });
    });
  vnet
    .command('peer <name> <other>')
    .description('peer two virtual networks, in both directions')
    .addOption(outputOption())
    .action(async (name: string, other: string, { output }: { output: Format }) => {
      await call('PUT', apiPath('networks', name, 'peers', other));
      printDone(output, `${name} and ${other} are peered`, { peers: [name, other], state: 'Connected' });
    });
  vnet
    .command('unpeer <name> <other>')
    .description('end the peering of two virtual networks')
    .addOption(outputOption())
    .action(async (name: string, other: string, { output }: { output: Format }) => {
      await call('DELETE', apiPath('networks', name, 'peers', other));
      const data = { peers: [name, other], state: 'Disconnected' };
      printDone(output, `${name} and ${other} are no longer peered`, data);
    });
  return vnet;
}
