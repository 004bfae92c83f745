import type { Command } from 'commander';
import type { Outbound } from '../../lab/azure/types.ts';
import { wholeNumber } from '../lab-call.ts';

/** The flags of a cluster's way out, by the names of az. */
export interface OutboundOptions {
  outboundType?: string;
  loadBalancerManagedOutboundIpCount?: number | string;
  loadBalancerOutboundIps?: string[];
  loadBalancerOutboundPorts?: number | string;
  loadBalancerIdleTimeout?: number | string;
  natGatewayManagedOutboundIpCount?: number | string;
  natGatewayIdleTimeout?: number | string;
}

/** Names with commas or spaces between them, as az takes them. */
function names(text: string, former: string[] = []): string[] {
  return [...former, ...text.split(/[\s,]+/).filter((name) => name !== '')];
}

export function withOutboundOptions(command: Command): Command {
  return command
    .option(
      '--outbound-type <type>',
      'loadBalancer, managedNATGateway, userAssignedNATGateway, userDefinedRouting or none (default: loadBalancer)',
    )
    .option(
      '--load-balancer-managed-outbound-ip-count <count>',
      'public addresses that are made for it, 1..16 (default: 1)',
      wholeNumber,
    )
    .option('--load-balancer-outbound-ips <names>', 'public addresses of yours instead', names)
    .option(
      '--load-balancer-outbound-ports <ports>',
      'SNAT ports of each node, a multiple of 8 (default: 0, by the number of nodes)',
      wholeNumber,
    )
    .option(
      '--load-balancer-idle-timeout <minutes>',
      'until an idle connection is forgotten, 4..120 (default: 30)',
      wholeNumber,
    )
    .option(
      '--nat-gateway-managed-outbound-ip-count <count>',
      'public addresses of its managed NAT gateway, 1..16 (default: 1)',
      wholeNumber,
    )
    .option(
      '--nat-gateway-idle-timeout <minutes>',
      'until an idle connection is forgotten, 4..120 (default: 4)',
      wholeNumber,
    );
}

export function outboundRequest(options: OutboundOptions): OutboundOptions {
  const { outboundType, loadBalancerManagedOutboundIpCount, loadBalancerOutboundIps } = options;
  const { loadBalancerOutboundPorts, loadBalancerIdleTimeout } = options;
  const { natGatewayManagedOutboundIpCount, natGatewayIdleTimeout } = options;
  return {
    ...(outboundType === undefined ? {} : { outboundType }),
    ...(loadBalancerManagedOutboundIpCount === undefined ? {} : { loadBalancerManagedOutboundIpCount }),
    ...(loadBalancerOutboundIps === undefined ? {} : { loadBalancerOutboundIps }),
    ...(loadBalancerOutboundPorts === undefined ? {} : { loadBalancerOutboundPorts }),
    ...(loadBalancerIdleTimeout === undefined ? {} : { loadBalancerIdleTimeout }),
    ...(natGatewayManagedOutboundIpCount === undefined ? {} : { natGatewayManagedOutboundIpCount }),
    ...(natGatewayIdleTimeout === undefined ? {} : { natGatewayIdleTimeout }),
  };
}

/** `loadBalancer (shop-outbound-1)`. */
export function outboundText(outbound: Outbound | undefined): string {
  if (!outbound) return 'loadBalancer';
  const addresses = outbound.publicIpAddresses ?? [];
  return addresses.length > 0 ? `${outbound.type} (${addresses.join(', ')})` : outbound.type;
}
