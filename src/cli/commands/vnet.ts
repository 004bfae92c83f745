import { Command } from 'commander';
import type { Resource } from '../../lab/azure/store.ts';
import type { VirtualNetwork } from '../../lab/azure/types.ts';
import { LabError, notFound } from '../../lab/errors.ts';
import { call } from '../../lab/supervisor/client.ts';
import { apiPath, nameAndRange } from '../lab-call.ts';
import { type Column, type Format, outputOption, render } from '../output.ts';

type NetworkView = Resource<VirtualNetwork> & { peers?: string[] };

const columns: Column<NetworkView>[] = [
  { header: 'NAME', value: (network) => network.name },
  { header: 'ADDRESS SPACE', value: (network) => network.properties.addressPrefixes },
  {
    header: 'SUBNETS',
    value: (network) => network.properties.subnets.map((subnet) => `${subnet.name}=${subnet.addressPrefix}`),
    wrap: true,
  },
  { header: 'PUBLIC ADDRESS', value: (network) => network.properties.publicAddress },
  { header: 'PEERS', value: (network) => network.peers ?? [] },
];

const collect = (value: string, former: string[] = []): string[] => [...former, value];

/** `NAME=CIDR` of a subnet. */
function subnetOf(text: string): { name: string; addressPrefix: string } {
  const { name, range } = nameAndRange(text);
  if (range !== undefined) return { name, addressPrefix: range };
  throw new LabError({
    code: 'InvalidParameter',
    field: '--subnet',
    value: text,
    rule: 'has no range',
    fix: 'write NAME=CIDR, such as nodes=10.0.1.0/24',
  });
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
        subnets: options.subnet.map(subnetOf),
      });
      const data = options.output === 'table' ? [created] : created;
      process.stdout.write(render(data as NetworkView, { format: options.output, columns }));
    });
  vnet
    .command('list')
    .alias('ls')
    .description('list the virtual networks')
    .addOption(outputOption())
    .action(async ({ output }: { output: Format }) => {
      process.stdout.write(
        render(await call<NetworkView[]>('GET', '/v1/networks'), { format: output, columns }),
      );
    });
  vnet
    .command('show <name>')
    .description('show one virtual network')
    .addOption(outputOption())
    .action(async (name: string, { output }: { output: Format }) => {
      const networks = await call<NetworkView[]>('GET', '/v1/networks');
      const found = networks.find((network) => network.name === name);
      if (!found) {
        throw notFound(
          'virtual network',
          name,
          networks.map((network) => network.name),
        );
      }
      process.stdout.write(render(found, { format: output, columns }));
    });
  vnet
    .command('add-subnet <name> <subnet=cidr>')
    .description('add a subnet to a virtual network')
    .action(async (name: string, subnet: string) => {
      await call('POST', apiPath('networks', name, 'subnets'), subnetOf(subnet));
      process.stdout.write(`subnet ${subnet} added to ${name}\n`);
    });
  vnet
    .command('delete <name>')
    .description('delete a virtual network that nothing uses')
    .action(async (name: string) => {
      await call('DELETE', apiPath('networks', name));
      process.stdout.write(`virtual network ${name} deleted\n`);
    });
  vnet
    .command('peer <name> <other>')
    .description('peer two virtual networks, in both directions')
    .action(async (name: string, other: string) => {
      await call('PUT', apiPath('networks', name, 'peers', other));
      process.stdout.write(`${name} and ${other} are peered\n`);
    });
  vnet
    .command('unpeer <name> <other>')
    .description('end the peering of two virtual networks')
    .action(async (name: string, other: string) => {
      await call('DELETE', apiPath('networks', name, 'peers', other));
      process.stdout.write(`${name} and ${other} are no longer peered\n`);
    });
  return vnet;
}
