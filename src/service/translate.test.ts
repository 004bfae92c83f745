import { describe, expect, test } from 'vitest';
import { sentenceOf } from '../manifest/problem.ts';
import type { ServiceObject, SliceObject } from './objects.ts';
import { endpoint, frontendsByKind, service, shortOf, slice } from './testing.ts';
import { translateService } from './translate.ts';
import type { Frontend } from './types.ts';

const NODE = { name: 'n1', zone: '1' };
const LB = { loadBalancer: { ingress: [{ ip: '198.19.0.9', ipMode: 'VIP' }] } };
const translate = (one: ServiceObject, ...slices: SliceObject[]) => translateService(one, slices, NODE);
const of = (...texts: string[]): SliceObject => slice(texts.map(endpoint));
const ways = (one: ServiceObject, ...slices: SliceObject[]): Frontend[] => {
  const { translation, problems } = translate(one, ...slices);
  expect(problems).toEqual([]);
  return translation.ports.flatMap(({ frontends }) => [...frontends]);
};

describe('types of Services', () => {
  const two = of('10.244.0.2 here', '10.244.1.3');

  test('ClusterIP', () => {
    expect(translate(service(), two).translation).toEqual({
      key: 'default/web',
      ports: [
        {
          id: 'default/web:http',
          frontends: [
            {
              kind: 'cluster-ip',
              address: '10.0.0.20',
              protocol: 'TCP',
              port: 80,
              backends: [
                { address: '10.244.0.2', port: 8080, local: true },
                { address: '10.244.1.3', port: 8080, local: false },
              ],
              masquerade: true,
              empty: 'drop',
            },
          ],
        },
      ],
    });
  });

  test.each([
    ['headless', { clusterIP: 'None', clusterIPs: ['None'] }],
    ['ExternalName', { type: 'ExternalName', externalName: 'a.example', clusterIP: '', clusterIPs: [] }],
    ['ExternalName that kept its address', { type: 'ExternalName' }],
    ['not allocated yet', { clusterIP: '', clusterIPs: [] }],
  ])('%s: nothing', (_, spec) => {
    expect(translate(service(spec), two)).toEqual({
      translation: { key: 'default/web', ports: [] },
      problems: [],
    });
  });

  test.each(['service-proxy-name', 'headless'])('the label %s: nothing', (label) => {
    const labels = { [`service.kubernetes.io/${label}`]: '' };
    const one = service({}, { metadata: { namespace: 'default', name: 'web', labels } });
    expect(translate(one, two).translation.ports).toEqual([]);
  });

  test('NodePort: one way for all addresses of the node', () => {
    const [, port] = ways(
      service({ type: 'NodePort', ports: [{ name: 'http', port: 80, nodePort: 30080 }] }),
      two,
    );
    expect(port).toMatchObject({ kind: 'node-port', port: 30080, masquerade: true });
    expect(port).not.toHaveProperty('address');
    expect(shortOf(port!)).toBe('2 3');
  });

  test('LoadBalancer without node ports', () => {
    const spec = { type: 'LoadBalancer', allocateLoadBalancerNodePorts: false } as const;
    const found = ways(service(spec, { status: LB }), two);
    expect(found.map(({ kind, address }) => [kind, address])).toEqual([
      ['cluster-ip', '10.0.0.20'],
      ['load-balancer', '198.19.0.9'],
    ]);
  });

  test('ipMode Proxy and host names are no addresses', () => {
    const ingress = [{ ip: '198.19.0.9', ipMode: 'Proxy' }, { hostname: 'a.example' }, { ip: '198.19.0.10' }];
    const found = ways(service({ type: 'LoadBalancer' }, { status: { loadBalancer: { ingress } } }), two);
    expect(found.slice(1).map(({ address }) => address)).toEqual(['198.19.0.10']);
  });

  test('externalIPs; an address that is twice counts once, as the load balancer with its ranges', () => {
    const spec = { externalIPs: ['203.0.113.9', '198.19.0.9', '10.0.0.20', '203.0.113.9'] };
    const found = ways(service({ ...spec, loadBalancerSourceRanges: ['10.0.0.0/8'] }, { status: LB }), two);
    expect(found.map(({ kind, address }) => `${kind} ${address}`)).toEqual([
      'cluster-ip 10.0.0.20',
      'load-balancer 198.19.0.9',
      'external-ip 203.0.113.9',
    ]);
    expect(found.map(({ sourceRanges }) => sourceRanges)).toEqual([undefined, ['10.0.0.0/8'], undefined]);
  });

  test('two families: each has its own endpoints, node ports have both', () => {
    const spec = {
      clusterIP: 'fd00::20',
      clusterIPs: ['fd00::20', '10.0.0.20'],
      ipFamilies: ['IPv6', 'IPv4'],
      externalIPs: ['203.0.113.9', '2001:DB8::9'],
      ports: [{ name: 'http', port: 80, nodePort: 30080 }],
    };
    const six = slice([endpoint('fd12::5 here')], { name: 'web-6', addressType: 'IPv6' });
    const names = slice([endpoint('a.example')], { name: 'web-n', addressType: 'FQDN' });
    const found = ways(service(spec), two, six, names);
    expect(found.map((one) => `${one.kind} ${one.address}: ${shortOf(one)}`)).toEqual([
      'cluster-ip fd00::20: 5',
      'external-ip 2001:db8::9: 5',
      'cluster-ip 10.0.0.20: 2 3',
      'external-ip 203.0.113.9: 2 3',
      'node-port undefined: 5 2 3',
    ]);
    const four = ways(service({ externalIPs: ['2001:db8::9'] }), two, six);
    expect(four.map(({ address }) => address)).toEqual(['10.0.0.20']);
  });
});

describe('ports', () => {
  test('several, found by name and protocol, with numbers of their own in each slice', () => {
    const ports = [
      { name: 'dns', protocol: 'UDP', port: 53 },
      { name: 'dns-tcp', protocol: 'TCP', port: 53 },
      { name: 'sctp', protocol: 'SCTP', port: 132 },
    ];
    const at = (first: number) => ports.map(({ name, protocol }, i) => ({ name, protocol, port: first + i }));
    const one = slice([endpoint('10.244.0.2')], { name: 'a', ports: at(5300) });
    const other = slice([endpoint('10.244.0.3')], { name: 'b', ports: at(6300) });
    const { translation } = translate(service({ ports }), one, other);
    expect(translation.ports.map(({ id }) => id)).toEqual([
      'default/web:dns',
      'default/web:dns-tcp',
      'default/web:sctp',
    ]);
    expect(translation.ports.map(({ frontends }) => frontends[0]?.backends.map(({ port }) => port))).toEqual([
      [5300, 6300],
      [5301, 6301],
      [5302, 6302],
    ]);
  });

  test('the only port needs no name', () => {
    const bare = slice([endpoint('10.244.0.2')], { ports: [{ port: 8080 }] });
    const { translation } = translate(service({ ports: [{ port: 80 }] }), bare);
    expect(translation.ports[0]?.id).toBe('default/web:80/TCP');
    expect(shortOf(translation.ports[0]!.frontends[0]!)).toBe('2');
  });

  test('a port that no slice has: reject', () => {
    expect(shortOf(ways(service({ ports: [{ name: 'other', port: 80 }] }), of('10.244.0.2'))[0]!)).toBe(
      'reject',
    );
  });

  test('an address in several slices counts once: local before remote, ready before not', () => {
    const a = of('10.244.0.2', '10.244.0.3 starting here');
    const b = slice([endpoint('10.244.0.3 here'), endpoint('10.244.0.2 here')], { name: 'web-b' });
    for (const slices of [
      [a, b],
      [b, a],
    ]) {
      expect(ways(service(), ...slices)[0]?.backends).toEqual([
        { address: '10.244.0.2', port: 8080, local: true },
        { address: '10.244.0.3', port: 8080, local: true },
      ]);
    }
  });
});

describe('session affinity', () => {
  test.each([
    [{}, undefined],
    [{ sessionAffinity: 'None' }, undefined],
    [{ sessionAffinity: 'ClientIP' }, 10_800],
    [{ sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 30 } } }, 30],
    [
      { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 86_400 } } },
      86_400,
    ],
  ])('%j: %s', (spec, seconds) => {
    for (const way of ways(service({ externalIPs: ['203.0.113.9'], ...spec }))) {
      expect(way.affinitySeconds).toBe(seconds);
    }
  });
});

/**
 * What upstream's tests of endpoint categories and the documentation's "Virtual IPs and Service Proxies" say, as
 * backends of the cluster address, then of the load balancer's `outside | inside`.
 */
describe('which endpoints answer', () => {
  const internal = { internalTrafficPolicy: 'Local' };
  const external = { externalTrafficPolicy: 'Local' };
  test.each([
    ['all that are ready', {}, ['2 here', '3', '4 starting'], '2 3', '2 3'],
    ['none: reject', {}, [], 'reject', 'reject'],
    ['none that are ready: reject', {}, ['2 starting here', '3 ending'], 'reject', 'reject'],
    ['terminating ones when none is ready', {}, ['2 leaving', '3 ending', '4 starting'], '2', '2'],
    ['no terminating ones when one is ready', {}, ['2 leaving here', '3'], '3', '3'],

    ['internal Local: those here', internal, ['2 here', '3'], '2', '2 3'],
    ['internal Local, none here: drop', internal, ['3'], 'drop', '3'],
    ['internal Local, none at all: reject', internal, [], 'reject', 'reject'],
    ['internal Local, terminating here', internal, ['2 leaving here', '3'], '2', '3'],
    ['internal Local, ready here beats terminating here', internal, ['2 leaving here', '3 here'], '3', '3'],

    ['external Local: those here outside, all inside', external, ['2 here', '3'], '2 3', '2 | 2 3'],
    ['external Local, none here: drop outside', external, ['3'], '3', 'drop | 3'],
    ['external Local, none at all: reject', external, [], 'reject', 'reject | reject'],
    ['external Local, terminating here', external, ['2 leaving here', '3'], '3', '2 | 3'],
    ['external Local, terminating elsewhere', external, ['2 leaving'], '2', 'drop | 2'],
    ['both Local', { ...internal, ...external }, ['2 here', '3'], '2', '2 | 2 3'],
    ['both Local, none here', { ...internal, ...external }, ['3'], 'drop', 'drop | 3'],

    ['hints for this zone', {}, ['2 zone=1', '3 zone=2'], '2', '2'],
    ['hints for several zones', {}, ['2 zone=1 zone=2', '3 zone=2'], '2', '2'],
    ['hints, one endpoint without: all', {}, ['2 zone=1', '3'], '2 3', '2 3'],
    ['hints for other zones only: all', {}, ['2 zone=3', '3 zone=2'], '2 3', '2 3'],
    ['hints on one that is not ready do not count', {}, ['2 zone=1', '3 zone=2', '4 starting'], '2', '2'],
    ['hints, none ready: the terminating, wherever', {}, ['2 leaving zone=2'], '2', '2'],
    ['hints for this node', {}, ['2 node=n1 zone=1', '3 node=n2 zone=1'], '2', '2'],
    ['hints for other nodes: by zone', {}, ['2 node=n2 zone=1', '3 node=n2 zone=2'], '2', '2'],
    ['one without a hint for nodes: by zone', {}, ['2 node=n1 zone=2', '3 zone=1'], '3', '3'],
    ['hints bind inside, Local outside', external, ['2 zone=1', '3 here zone=2'], '2', '3 | 2'],
    ['hints do not bind internal Local', internal, ['2 zone=1', '3 here zone=2'], '3', '2'],
  ])('%s', (_, spec, texts, clusterIP, loadBalancer) => {
    const one = service({ type: 'LoadBalancer', healthCheckNodePort: 31_000, ...spec }, { status: LB });
    const found = frontendsByKind(translate(one, of(...texts.map((text) => `10.244.0.${text}`))).translation);
    expect([shortOf(found['cluster-ip']!), shortOf(found['load-balancer']!)]).toEqual([
      clusterIP,
      loadBalancer,
    ]);
    expect(found['load-balancer']?.masquerade).toBe(spec !== external && !('externalTrafficPolicy' in spec));
  });

  test('conditions that are not there: ready, serving, not terminating', () => {
    const bare = slice([
      { addresses: ['10.244.0.2'] },
      { addresses: ['10.244.0.3'], conditions: { ready: false } },
    ]);
    expect(shortOf(ways(service(), bare)[0]!)).toBe('2');
  });

  test('publishNotReadyAddresses: the slice says ready, and that counts', () => {
    const conditions = { ready: true, serving: false, terminating: true };
    expect(shortOf(ways(service(), slice([{ addresses: ['10.244.0.2'], conditions }]))[0]!)).toBe('2');
  });

  test('a node without a zone takes no hints for zones', () => {
    const slices = [of('10.244.0.2 zone=1', '10.244.0.3 zone=2')];
    const { translation } = translateService(service(), slices, { name: 'n1' });
    expect(shortOf(translation.ports[0]!.frontends[0]!)).toBe('2 3');
  });

  test('only the first address of an endpoint counts', () => {
    expect(shortOf(ways(service(), slice([{ addresses: ['10.244.0.2', '10.244.0.3'] }]))[0]!)).toBe('2');
  });
});

describe('source ranges', () => {
  const ranges = (spec: object, annotations: Record<string, string> = {}): readonly string[] | undefined => {
    const metadata = { namespace: 'default', name: 'web', annotations };
    const one = service({ type: 'LoadBalancer', ...spec }, { metadata, status: LB });
    return frontendsByKind(translate(one).translation)['load-balancer']?.sourceRanges;
  };
  const older = 'service.beta.kubernetes.io/load-balancer-source-ranges';
  const azure = 'service.beta.kubernetes.io/azure-allowed-ip-ranges';

  test.each([
    ['none: everybody', [], {}, undefined],
    ['spaces', [' 10.1.0.0/16', '10.2.0.0/16 '], {}, ['10.1.0.0/16', '10.2.0.0/16']],
    ['bits beyond the prefix, and twice', ['10.1.2.3/16', '10.1.0.0/16'], {}, ['10.1.0.0/16']],
    ['other family', ['10.1.0.0/16', 'fd00::/8'], {}, ['10.1.0.0/16']],
    ['only the other family: everybody of this, as upstream', ['fd00::/8'], {}, undefined],
    ['by annotation', [], { [older]: '10.1.0.0/16, 10.2.0.0/16' }, ['10.1.0.0/16', '10.2.0.0/16']],
    ['the field before the annotation', ['10.3.0.0/16'], { [older]: '10.1.0.0/16' }, ['10.3.0.0/16']],
    ["Azure's", [], { [azure]: '10.4.0.0/16' }, ['10.4.0.0/16']],
    ['an empty annotation: everybody', [], { [older]: ' ' }, undefined],
    ['one that is none is left out', ['10.1.0.0/16', 'all'], {}, ['10.1.0.0/16']],
    ['only one that is none: nobody', [], { [older]: 'all' }, []],
  ])('%s', (_, loadBalancerSourceRanges, annotations, expected) => {
    expect(ranges({ loadBalancerSourceRanges }, annotations as Record<string, string>)).toEqual(expected);
  });

  test('bind the load balancer only', () => {
    const spec = {
      loadBalancerSourceRanges: ['10.1.0.0/16'],
      externalIPs: ['203.0.113.9'],
      ports: [{ name: 'http', port: 80, nodePort: 30080 }],
    };
    const found = ways(service(spec, { status: LB })).filter((one) => one.sourceRanges !== undefined);
    expect(found.map(({ kind }) => kind)).toEqual(['load-balancer']);
  });
});

describe('health check', () => {
  const spec = { type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: 31_000 };

  test('counts addresses here that are ready, once each', () => {
    const ports = [
      { name: 'http', port: 8080 },
      { name: 'https', port: 8443 },
    ];
    const endpoints = ['10.244.0.2 here', '10.244.0.3 here', '10.244.0.4 leaving here', '10.244.1.5'];
    const both = slice(endpoints.map(endpoint), { ports });
    expect(translate(service(spec), both).translation.healthCheck).toEqual({
      port: 31_000,
      localEndpoints: 2,
    });
  });

  test.each([
    ['policy Cluster', { externalTrafficPolicy: 'Cluster' }],
    ['another type', { type: 'NodePort' }],
  ])('none with %s', (_, change) => {
    expect(translate(service({ ...spec, ...change })).translation).not.toHaveProperty('healthCheck');
  });
});

describe('what is wrong is left out and named', () => {
  const good = { name: 'http', port: 80 };
  test.each([
    [
      { ports: [{ name: 'a', port: 0 }, good] },
      "spec.ports[0].port '0' is not a port; give a number, 1 to 65535",
    ],
    [
      { ports: [{ name: 'a', port: 1, protocol: 'ICMP' }, good] },
      "spec.ports[0].protocol 'ICMP' is no protocol",
    ],
    [{ ports: [good, { name: 'http', port: 81 }] }, "spec.ports[1] 'http' is there twice"],
    [{ ports: [good, { name: 'b', port: 80 }] }, "spec.ports[1] '80/TCP' is there twice"],
    [{ ports: [{ ...good, nodePort: 70_000 }] }, "spec.ports[0].nodePort '70000' is not a port"],
    [{ externalIPs: ['010.0.0.1'] }, "spec.externalIPs[0] '010.0.0.1' is not an IP address"],
    [{ clusterIPs: ['10.0.0.20', '10.0.0.21'] }, "spec.clusterIPs[1] '10.0.0.21' is a second IPv4 address"],
    [
      { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 86_401 } } },
      "spec.sessionAffinityConfig.clientIP.timeoutSeconds '86401' is not in 1..86400; 10800 is in force",
    ],
    [{ type: 'LoadBalancer', externalTrafficPolicy: 'Local' }, "spec.healthCheckNodePort '0' is not a port"],
    [
      { loadBalancerSourceRanges: ['10.0.0.0'] },
      "spec.loadBalancerSourceRanges[0] '10.0.0.0' is not an address",
    ],
  ])('%j', (spec, message) => {
    const { translation, problems } = translate(service(spec), of('10.244.0.2'));
    expect(problems.map(sentenceOf).join()).toContain(`Service default/web ${message}`);
    expect(problems).toHaveLength(1);
    expect(translation.ports.map(({ id }) => id)).toContain('default/web:http');
  });

  test.each([
    [
      slice([endpoint('fd12::1'), endpoint('10.244.0.2')]),
      "endpoints[0].addresses[0] 'fd12::1' is not of the slice's",
    ],
    [
      slice([{ addresses: [] }, endpoint('10.244.0.2')]),
      "endpoints[0].addresses[0] 'nothing' is not an IP address",
    ],
    [
      slice([endpoint('10.244.0.2')], { ports: [{ name: 'http', port: 8080 }, { name: 'all' }] }),
      "ports[1].port 'nothing' is not a port",
    ],
  ])('slice %#', (one, message) => {
    const { translation, problems } = translate(service(), one);
    expect(problems.map(sentenceOf).join()).toContain(`Service default/web EndpointSlice web-a ${message}`);
    expect(shortOf(translation.ports[0]!.frontends[0]!)).toBe('2');
  });
});
