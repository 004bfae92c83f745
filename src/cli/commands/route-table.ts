import { Command } from 'commander';
import { LabError } from '../../lab/errors.ts';
import { call } from '../../lab/supervisor/client.ts';
import type { RouteTableView } from '../../lab/supervisor/views.ts';
import { apiPath } from '../lab-call.ts';
import { type Column, type Format, outputOption } from '../output.ts';
import { print, printDone, printMade } from '../print.ts';

const columns: Column<RouteTableView>[] = [
  { header: 'NAME', value: (table) => table.name },
  {
    header: 'ROUTES',
    value: (table) =>
      table.routes.map(
        ({ name, addressPrefix, nextHopType, nextHopIpAddress }) =>
          `${name}: ${addressPrefix}=${nextHopIpAddress ?? nextHopType}`,
      ),
    wrap: true,
  },
  { header: 'SUBNETS', value: (table) => table.subnets, wrap: true },
];

const collect = (value: string, former: string[] = []): string[] => [...former, value];

/** `RANGE=HOP`. */
function routeOf(field: string, text: string): { addressPrefix: string; nextHop: string } {
  const [addressPrefix, nextHop, more] = text.split('=');
  if (addressPrefix && nextHop && more === undefined) return { addressPrefix, nextHop };
  throw new LabError({
    code: 'InvalidParameter',
    field,
    value: text,
    rule: 'is not RANGE=HOP',
    fix: 'write it like 0.0.0.0/0=10.0.2.4; HOP is the address of an appliance, or Internet, VnetLocal, None',
  });
}

export function routeTableCommand(): Command {
  const table = new Command('route-table').description("routes that come before a subnet's own");
  table
    .command('create <name>')
    .description('make a route table; flyover vnet update-subnet associates it with a subnet')
    .option(
      '--route <range=hop>',
      'a route, such as 0.0.0.0/0=10.0.2.4; HOP is an appliance, or Internet, VnetLocal, None; may be repeated',
      collect,
      [],
    )
    .addOption(outputOption())
    .action(async (name: string, { route, output }: { route: string[]; output: Format }) => {
      const routes = route.map((text) => routeOf('--route', text));
      printMade(await call<RouteTableView>('POST', '/v1/route-tables', { name, routes }), {
        output,
        columns,
      });
    });
  table
    .command('list')
    .alias('ls')
    .description('list the route tables')
    .addOption(outputOption())
    .action(async ({ output }: { output: Format }) => {
      const none = 'no route tables';
      print(await call<RouteTableView[]>('GET', '/v1/route-tables'), { output, columns, none });
    });
  table
    .command('add-route <name> <range=hop>')
    .description('add a route to a table')
    .option('--route-name <name>', 'its name (default: made from the range)')
    .addOption(outputOption())
    .action(async (name: string, text: string, options: { routeName?: string; output: Format }) => {
      const body = { ...routeOf('ROUTE', text), name: options.routeName };
      const path = apiPath('route-tables', name, 'routes');
      printMade(await call<RouteTableView>('POST', path, body), { output: options.output, columns });
    });
  table
    .command('remove-route <name> <route>')
    .description('remove a route, by its name, from a table')
    .addOption(outputOption())
    .action(async (name: string, route: string, { output }: { output: Format }) => {
      const path = apiPath('route-tables', name, 'routes', route);
      printMade(await call<RouteTableView>('DELETE', path), { output, columns });
    });
  table
    .command('delete <name>')
    .description('delete a route table that no subnet has')
    .addOption(outputOption())
    .action(async (name: string, { output }: { output: Format }) => {
      await call('DELETE', apiPath('route-tables', name));
      printDone(output, `route table ${name} deleted`, { name, state: 'Deleted' });
    });
  return table;
}
