import { PORTS_PER_GATEWAY_ADDRESS } from '../fabric/snat-ports.ts';
import type { NatGatewayUse } from './nat-gateway-use.ts';
import type { NodeSnat, SnatFigures } from './snat.ts';
import type { LoadBalancerView } from './views.ts';

type Labels = Record<string, string>;

interface Family {
  name: string;
  help: string;
  type: 'gauge' | 'counter';
  values: [Labels, number][];
}

/** The lab's figures in Prometheus' text form: `curl --unix-socket /run/flyover-lab/supervisor.sock http://lab/metrics`. */
export function metricsText(snat: SnatFigures, balancers: readonly LoadBalancerView[]): string {
  const gateway = ({ natGateway, address }: NatGatewayUse): Labels => ({ nat_gateway: natGateway, address });
  const of = ({ cluster, node, address }: NodeSnat): Labels => ({ cluster, node, address });
  const families: Family[] = [
    {
      name: 'flyover_snat_ports_used',
      help: 'Source ports of a node that are in use.',
      type: 'gauge',
      values: snat.nodes.flatMap((node): [Labels, number][] => [
        [{ ...of(node), protocol: 'tcp' }, node.tcp],
        [{ ...of(node), protocol: 'udp' }, node.udp],
      ]),
    },
    {
      name: 'flyover_snat_ports_allocated',
      help: 'Source ports that a node may use, of each protocol.',
      type: 'gauge',
      values: snat.nodes.map((node) => [of(node), node.allocated]),
    },
    {
      name: 'flyover_snat_refused_packets_total',
      help: 'Packets that would have begun a connection and found no source port.',
      type: 'counter',
      values: snat.nodes.map((node) => [of(node), node.refused]),
    },
    {
      name: 'flyover_public_address_flows',
      help: 'Connections that leave with a public address.',
      type: 'gauge',
      values: snat.addresses.map(({ address, flows }) => [{ address }, flows]),
    },
    {
      name: 'flyover_nat_gateway_busiest_destination_flows',
      help: 'Connections with an address of a NAT gateway to the destination that has most of them.',
      type: 'gauge',
      values: snat.natGateways.map((use) => [gateway(use), use.flows]),
    },
    {
      name: 'flyover_nat_gateway_destination_flows_limit',
      help: 'Connections with an address of a NAT gateway that are possible to one destination.',
      type: 'gauge',
      values: snat.natGateways.map((use) => [gateway(use), PORTS_PER_GATEWAY_ADDRESS]),
    },
    {
      name: 'flyover_load_balancer_healthy_nodes',
      help: 'Nodes that get connections of a rule.',
      type: 'gauge',
      values: balancers.flatMap(({ cluster, name, healthy }) =>
        Object.entries(healthy).map(([rule, nodes]): [Labels, number] => [
          { cluster, load_balancer: name, rule },
          nodes.length,
        ]),
      ),
    },
  ];
  return families
    .filter(({ values }) => values.length > 0)
    .flatMap(({ name, help, type, values }) => [
      `# HELP ${name} ${help}`,
      `# TYPE ${name} ${type}`,
      ...values.map(([labels, value]) => `${name}{${labelsText(labels)}} ${value}`),
    ])
    .map((line) => `${line}\n`)
    .join('');
}

/** Names of the lab have nothing in them that would have to be escaped. */
function labelsText(labels: Labels): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${value}"`)
    .join(',');
}
