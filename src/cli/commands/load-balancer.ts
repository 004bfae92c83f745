import { Command } from 'commander';
import { notFound } from '../../lab/errors.ts';
import { call } from '../../lab/supervisor/client.ts';
import type { LoadBalancerView } from '../../lab/supervisor/views.ts';
import { type Column, type Format, outputOption } from '../output.ts';
import { print } from '../print.ts';

const columns: Column<LoadBalancerView>[] = [
  { header: 'CLUSTER', value: (balancer) => balancer.cluster },
  { header: 'NAME', value: (balancer) => balancer.name },
  { header: 'ADDRESSES', value: (balancer) => balancer.frontends.map(({ address }) => address), wrap: true },
  { header: 'RULES', value: (balancer) => balancer.rules.length, align: 'right' },
];

interface RuleRow {
  address: string;
  place: string;
  port: string;
  nodes: string[];
  probe: string;
}

const ruleColumns: Column<RuleRow>[] = [
  { header: 'ADDRESS', value: (row) => row.address },
  { header: 'OF', value: (row) => row.place },
  { header: 'PORT', value: (row) => row.port },
  { header: 'PROBE', value: (row) => row.probe },
  {
    header: 'HEALTHY NODES',
    value: (row) => (row.nodes.length > 0 ? row.nodes : 'none: new connections get no answer'),
    colour: (row) => (row.nodes.length > 0 ? undefined : 'red'),
    wrap: true,
  },
];

/** One line for each rule. */
export function rowsOf(balancer: LoadBalancerView): RuleRow[] {
  return balancer.rules.map((rule) => {
    const frontend = balancer.frontends.find(({ name }) => name === rule.frontend);
    const probe = balancer.probes.find(({ name }) => name === rule.probe);
    const how = probe && `${probe.protocol} ${probe.port}${probe.requestPath ?? ''}`;
    return {
      address: frontend?.address ?? '-',
      place: frontend?.publicIpAddress ?? `subnet ${frontend?.subnet}`,
      port: `${rule.port}/${rule.protocol}`,
      probe: probe ? `${how} every ${probe.intervalInSeconds} s, ${probe.numberOfProbes} in a row` : 'none',
      nodes: balancer.healthy[rule.name] ?? [],
    };
  });
}

export function loadBalancerCommand(): Command {
  const balancer = new Command('load-balancer').description(
    'load balancers of clusters: kubernetes, and kubernetes-internal; Services of type LoadBalancer make them',
  );
  balancer
    .command('list')
    .alias('ls')
    .description('list the load balancers')
    .addOption(outputOption())
    .action(async ({ output }: { output: Format }) => {
      const none = 'no load balancers; a Service of type LoadBalancer makes one';
      print(await call<LoadBalancerView[]>('GET', '/v1/load-balancers'), { output, columns, none });
    });
  balancer
    .command('show <cluster> [name]')
    .description(
      "show a cluster's load balancers: addresses, rules, probes, and the nodes that get connections",
    )
    .addOption(outputOption())
    .action(async (cluster: string, name: string | undefined, { output }: { output: Format }) => {
      const all = await call<LoadBalancerView[]>('GET', '/v1/load-balancers');
      const found = all.filter(
        (each) => each.cluster === cluster && (name === undefined || each.name === name),
      );
      if (found.length === 0) {
        const known = all.map((each) => `${each.cluster} ${each.name}`);
        throw notFound('load balancer', name === undefined ? cluster : `${cluster} ${name}`, known);
      }
      if (output === 'table')
        print(found.flatMap(rowsOf), { output, columns: ruleColumns, none: 'no rules' });
      else print(found, { output, columns });
    });
  return balancer;
}
