import { describe, expect, test } from 'vitest';
import type { LabError } from '../errors.ts';
import { serviceWith } from './testing.ts';
import { wishOf } from './wish.ts';

function refusal(spec: object, annotations: Record<string, string> = {}): string {
  try {
    wishOf(serviceWith(spec, annotations));
  } catch (error) {
    return (error as LabError).message;
  }
  return 'accepted';
}

describe('rules', () => {
  test('are one for each port; what is said of a port leaves the others alone', () => {
    const ports = [
      { name: 'http', port: 80, nodePort: 30_080 },
      { name: 'dns', port: 53, nodePort: 30_053, protocol: 'UDP' },
      { name: 'admin', port: 9000, nodePort: 30_090 },
    ];
    const wish = wishOf(
      serviceWith({ ports }, { port_9000_no_lb_rule: 'true', 'azure-load-balancer-tcp-idle-timeout': '10' }),
    );
    expect(wish.rules).toEqual([
      { name: 'au1-TCP-80', protocol: 'TCP', port: 80, probe: 'au1-TCP-80', idleTimeoutInMinutes: 10 },
      { name: 'au1-UDP-53', protocol: 'UDP', port: 53, idleTimeoutInMinutes: 4 },
    ]);
    expect(wish.probes.map(({ port }) => port)).toEqual([30_080]);
  });

  test('of protocols that Azure does not carry are refused with a way out', () => {
    const ports = [{ port: 5000, protocol: 'SCTP', nodePort: 30_500 }];
    expect(refusal({ ports })).toContain(
      "'5000/SCTP' is for a protocol that Azure load balancers do not carry",
    );
    expect(refusal({ ports }, { port_5000_no_lb_rule: 'true' })).toContain('do not carry');
  });
});

describe('probes', () => {
  const probe = (port: object = {}, annotations: Record<string, string> = {}) =>
    wishOf(serviceWith({ ports: [{ port: 80, nodePort: 30_080, ...port }] }, annotations)).probes[0];

  test.each([
    ['TCP to the node port', {}, {}, { protocol: 'Tcp', port: 30_080 }],
    ['the appProtocol', { appProtocol: 'http' }, {}, { protocol: 'Http', requestPath: '/' }],
    ['an appProtocol that is unknown', { appProtocol: 'grpc' }, {}, { protocol: 'Tcp' }],
    [
      "the Service's protocol and path",
      {},
      {
        'azure-load-balancer-health-probe-protocol': 'HTTPS',
        'azure-load-balancer-health-probe-request-path': '/ok',
      },
      { protocol: 'Https', requestPath: '/ok' },
    ],
    [
      "the port's before the appProtocol",
      { appProtocol: 'http' },
      { 'port_80_health-probe_protocol': 'tcp' },
      { protocol: 'Tcp' },
    ],
    [
      "the port's times before the Service's",
      {},
      {
        'port_80_health-probe_interval': '20',
        'azure-load-balancer-health-probe-interval': '7',
        'azure-load-balancer-health-probe-num-of-probe': '3',
      },
      { intervalInSeconds: 20, numberOfProbes: 3 },
    ],
    ['another port of the Service', {}, { 'port_80_health-probe_port': '80' }, { port: 30_080 }],
    ['a port of the node', {}, { 'port_80_health-probe_port': '10256' }, { port: 10_256 }],
  ])('%s', (_what, port, annotations, wanted) => {
    expect(probe(port, annotations)).toMatchObject(wanted);
  });

  test('of externalTrafficPolicy Local ask the node for all ports, UDP too', () => {
    const ports = [
      { name: 'a', port: 80, nodePort: 30_080 },
      { name: 'b', port: 53, nodePort: 30_053, protocol: 'UDP' },
    ];
    const { probes, rules } = wishOf(
      serviceWith({ ports, externalTrafficPolicy: 'Local', healthCheckNodePort: 31_000 }),
    );
    expect(probes).toMatchObject([{ protocol: 'Http', port: 31_000, requestPath: '/healthz' }]);
    expect(rules.map((rule) => rule.probe)).toEqual([probes[0]!.name, probes[0]!.name]);
  });

  test('can be left out for a port', () => {
    expect(probe({}, { port_80_no_probe_rule: 'true' })).toBeUndefined();
  });

  test.each([
    ['azure-load-balancer-health-probe-interval', '4'],
    ['azure-load-balancer-health-probe-num-of-probe', '1'],
    ['azure-load-balancer-health-probe-interval', '60'],
    ['azure-load-balancer-tcp-idle-timeout', '3'],
    ['azure-load-balancer-tcp-idle-timeout', 'ten'],
    ['port_80_health-probe_port', 'nothing'],
  ])('%s: %s is refused by its name', (name, value) => {
    expect(refusal({}, { [name]: value })).toContain(`service.beta.kubernetes.io/${name}`);
  });
});

test('what has no effect in the lab is noted, what has one is not', () => {
  const annotations = {
    'azure-dns-label-name': 'shop',
    'azure-pip-name': 'web',
    port_80_no_lb_rule: 'false',
  };
  expect(wishOf(serviceWith({}, annotations)).notes).toEqual([
    'The annotation service.beta.kubernetes.io/azure-dns-label-name has no effect in the lab',
  ]);
});
