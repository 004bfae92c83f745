import { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { rowsOf } from './load-balancer.ts';
import { type OutboundOptions, outboundRequest, outboundText, withOutboundOptions } from './outbound.ts';

describe('the flags of a way out', () => {
  const read = (...argv: string[]): OutboundOptions =>
    outboundRequest(withOutboundOptions(new Command()).parse(argv, { from: 'user' }).opts());

  test('are those of az; numbers are numbers, and what is none goes through to be refused by its name', () => {
    expect(
      read(
        ...['--outbound-type', 'loadBalancer', '--load-balancer-outbound-ports', '64'],
        ...['--load-balancer-idle-timeout', 'long', '--load-balancer-outbound-ips', 'one,two three'],
      ),
    ).toEqual({
      outboundType: 'loadBalancer',
      loadBalancerOutboundPorts: 64,
      loadBalancerIdleTimeout: 'long',
      loadBalancerOutboundIps: ['one', 'two', 'three'],
    });
    expect(read('--nat-gateway-managed-outbound-ip-count', '2', '--nat-gateway-idle-timeout', '9')).toEqual({
      natGatewayManagedOutboundIpCount: 2,
      natGatewayIdleTimeout: 9,
    });
  });

  test('that are left out are not sent: what is not said stays as it is', () => {
    expect(read()).toEqual({});
  });

  test('a way out is shown with its addresses', () => {
    const texts = [
      undefined,
      { type: 'none' as const },
      { type: 'loadBalancer' as const, publicIpAddresses: ['a', 'b'] },
    ].map(outboundText);
    expect(texts).toEqual(['loadBalancer', 'none', 'loadBalancer (a, b)']);
  });
});

test('a load balancer is shown as one line for each rule, with whose address it is and who gets connections', () => {
  const rule = { frontend: 'f', protocol: 'TCP' as const, idleTimeoutInMinutes: 4 };
  const rows = rowsOf({
    id: '/x',
    name: 'kubernetes',
    cluster: 'shop',
    frontends: [
      { name: 'f', address: '198.19.0.7', publicIpAddress: 'web' },
      { name: 'g', address: '10.0.1.9', subnet: 'nodes' },
    ],
    rules: [
      { ...rule, name: 'a', port: 80, probe: 'p' },
      { ...rule, name: 'b', port: 81, frontend: 'g' },
    ],
    probes: [
      {
        name: 'p',
        protocol: 'Http',
        port: 31_000,
        requestPath: '/healthz',
        intervalInSeconds: 5,
        numberOfProbes: 2,
      },
    ],
    healthy: { a: ['node-1'] },
  });
  expect(rows).toEqual([
    {
      address: '198.19.0.7',
      place: 'web',
      port: '80/TCP',
      probe: 'Http 31000/healthz every 5 s, 2 in a row',
      nodes: ['node-1'],
    },
    { address: '10.0.1.9', place: 'subnet nodes', port: '81/TCP', probe: 'none', nodes: [] },
  ]);
});
