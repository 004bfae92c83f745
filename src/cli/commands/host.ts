import { Command } from 'commander';
import type { Resource } from '../../lab/azure/store.ts';
import type { Site } from '../../lab/azure/types.ts';
import { pickByName } from '../../lab/errors.ts';
import { call } from '../../lab/supervisor/client.ts';
import type { HostView } from '../../lab/supervisor/views.ts';
import { apiPath } from '../lab-call.ts';
import { type Column, type Format, outputOption } from '../output.ts';
import { print, printDone, printMade } from '../print.ts';
import { execInNamespace, exitLike, withoutDashes } from './exec.ts';

function placeText({ properties: { place } }: HostView): string {
  if (place.kind === 'vnet') return `vnet ${place.virtualNetwork}/${place.subnet}`;
  return place.kind === 'site' ? `on-premises ${place.site}` : 'internet';
}

const columns: Column<HostView>[] = [
  { header: 'NAME', value: (host) => host.name },
  { header: 'ADDRESS', value: (host) => host.properties.address },
  { header: 'PLACE', value: placeText },
  {
    header: 'FORWARDS',
    value: ({ properties: { ipForwarding, masquerade } }) =>
      ipForwarding ? (masquerade ? 'yes, masquerades' : 'yes') : undefined,
  },
];

const siteColumns: Column<Resource<Site>>[] = [
  { header: 'NAME', value: (site) => site.name },
  { header: 'RANGE', value: (site) => site.properties.addressPrefix },
  { header: 'VNET', value: (site) => site.properties.virtualNetwork },
];

export function hostCommand(): Command {
  const host = new Command('host')
    .enablePositionalOptions()
    .description('machines that are no nodes: in a virtual network, on-premises, on the internet');
  host
    .command('add <name>')
    .alias('create')
    .description('add a machine; say where with exactly one of --vnet, --internet, --on-premises')
    .option('--vnet <network>', 'in a virtual network')
    .option('--subnet <subnet>', 'with --vnet: in this subnet (default: the first one)')
    .option('--internet', 'on the internet of the lab')
    .option('--on-premises <site>', 'in an on-premises site (flyover site add)')
    .option('--address <address>', 'its address (default: a free one)')
    .option('--ip-forwarding', 'an appliance: it forwards what is not for itself, as the next hop of a route')
    .option('--masquerade', 'with --ip-forwarding: what it forwards out of the network wears its address')
    .addOption(outputOption())
    .action(
      async (name: string, { output, ...place }: { output: Format } & Record<string, string | boolean>) => {
        const added = await call<HostView>('POST', '/v1/hosts', { name, ...place });
        printMade(added, { output, columns });
      },
    );
  host
    .command('list')
    .alias('ls')
    .description('list the machines')
    .addOption(outputOption())
    .action(async ({ output }: { output: Format }) => {
      print(await call<HostView[]>('GET', '/v1/hosts'), { output, columns, none: 'no hosts' });
    });
  host
    .command('remove <name>')
    .alias('rm')
    .description('remove a machine')
    .addOption(outputOption())
    .action(async (name: string, { output }: { output: Format }) => {
      await call('DELETE', apiPath('hosts', name));
      printDone(output, `host ${name} removed`, { name, state: 'Deleted' });
    });
  host
    .command('exec <name> <command...>')
    .description("run a command of this machine in the host's network; put -- before it")
    .passThroughOptions()
    .action(async (name: string, command: string[]) => {
      const hosts = await call<HostView[]>('GET', '/v1/hosts');
      const found = pickByName('host', hosts, name);
      await exitLike(execInNamespace(found.namespace, withoutDashes(command)));
    });
  return host;
}

export function siteCommand(): Command {
  const site = new Command('site').description(
    'on-premises networks behind the gateway of a virtual network',
  );
  site
    .command('add <name>')
    .description('connect an on-premises network')
    .requiredOption('--vnet <network>', 'the virtual network whose gateway leads there')
    .requiredOption('--prefix <cidr>', 'its address range')
    .addOption(outputOption())
    .action(async (name: string, options: { vnet: string; prefix: string; output: Format }) => {
      const added = await call<Resource<Site>>('POST', '/v1/sites', {
        name,
        vnet: options.vnet,
        addressPrefix: options.prefix,
      });
      printMade(added, { output: options.output, columns: siteColumns });
    });
  site
    .command('list')
    .alias('ls')
    .description('list the on-premises networks')
    .addOption(outputOption())
    .action(async ({ output }: { output: Format }) => {
      const sites = await call<Resource<Site>[]>('GET', '/v1/sites');
      print(sites, { output, columns: siteColumns, none: 'no on-premises sites' });
    });
  site
    .command('remove <name>')
    .alias('rm')
    .description('disconnect an on-premises network')
    .addOption(outputOption())
    .action(async (name: string, { output }: { output: Format }) => {
      await call('DELETE', apiPath('sites', name));
      printDone(output, `site ${name} removed`, { name, state: 'Deleted' });
    });
  return site;
}
