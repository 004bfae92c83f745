// What the API makes of Services and Ingresses, held against kube-apiserver's registry strategies.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApiServer, type TestApiServer } from './testing.ts';
import { TestClient } from './testing-client.ts';

const NS = '/api/v1/namespaces/default/services';
const INGRESSES = '/apis/networking.k8s.io/v1/namespaces/default/ingresses';
const CLASSES = '/apis/networking.k8s.io/v1/ingressclasses';

let server: TestApiServer;
let client: TestClient;
beforeAll(async () => {
  server = await startTestApiServer();
  client = new TestClient(server);
});
afterAll(async () => {
  client.close();
  await server.close();
});

const make = (name: string, spec: object, more: object = {}) =>
  client.post(NS, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, ...more },
    spec: { ports: [{ port: 80 }], ...spec },
  });
const change = (name: string, spec: object) => client.patch(`${NS}/${name}`, { spec });

describe('families on a cluster that has IPv4 alone', () => {
  it.each<[string, object, object]>([
    ['nothing asked', {}, { ipFamilyPolicy: 'SingleStack', ipFamilies: ['IPv4'] }],
    [
      'two preferred',
      { ipFamilyPolicy: 'PreferDualStack' },
      { ipFamilyPolicy: 'PreferDualStack', ipFamilies: ['IPv4'] },
    ],
    ['headless', { clusterIP: 'None', selector: { a: 'b' } }, { clusterIPs: ['None'], ipFamilies: ['IPv4'] }],
    [
      'headless without a selector',
      { clusterIP: 'None' },
      { ipFamilyPolicy: 'RequireDualStack', ipFamilies: ['IPv4', 'IPv6'] },
    ],
  ])('%s', async (_, spec, wanted) => {
    const { status, body } = await client.send('POST', `${NS}?dryRun=All`, {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'families' },
      spec: { ports: [{ port: 80 }], ...spec },
    });
    expect([status, body.spec]).toEqual([201, expect.objectContaining(wanted)]);
  });

  it.each<[object, string]>([
    [
      { ipFamilyPolicy: 'RequireDualStack' },
      'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services',
    ],
    [{ ipFamilies: ['IPv6'] }, 'spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster'],
    [
      { ipFamilies: ['IPv4', 'IPv6'] },
      `spec.ipFamilyPolicy: Invalid value: "SingleStack": must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified`,
    ],
  ])('refuses %j', async (spec, message) => {
    const { status, body } = await make('refused', spec);
    expect([status, body.message]).toEqual([422, expect.stringContaining(message)]);
  });
});

describe('a Service that changes its type', () => {
  it('gets and gives back what each type has', async () => {
    const { body: first } = await make('turn', { ports: [{ name: 'a', port: 80 }] });
    const address = first.spec.clusterIP;
    expect(first.spec).not.toHaveProperty('externalTrafficPolicy');
    const node = await change('turn', { type: 'NodePort' });
    const { nodePort } = node.body.spec.ports[0];
    expect(node.body.spec).toMatchObject({ clusterIP: address, externalTrafficPolicy: 'Cluster' });
    const balanced = await change('turn', { type: 'LoadBalancer', externalTrafficPolicy: 'Local' });
    const { healthCheckNodePort } = balanced.body.spec;
    expect(balanced.body.spec).toMatchObject({ allocateLoadBalancerNodePorts: true, ports: [{ nodePort }] });
    expect(healthCheckNodePort).toBeGreaterThanOrEqual(30_000);
    // The port's number changes; by its name it keeps its node port.
    const moved = await client.patch(`${NS}/turn`, {
      spec: { ports: [{ name: 'a', port: 81, nodePort: null }] },
    });
    expect(moved.body.spec).toMatchObject({ ports: [{ nodePort }], healthCheckNodePort });
    await client.patch(`${NS}/turn/status`, { status: { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } } });
    const external = await change('turn', { type: 'ExternalName', externalName: 'example.com' });
    expect(external.status).toBe(200);
    for (const field of [
      ...['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy', 'healthCheckNodePort'],
      ...['externalTrafficPolicy', 'allocateLoadBalancerNodePorts'],
    ])
      expect(external.body.spec).not.toHaveProperty(field);
    expect(external.body.spec.ports[0]).not.toHaveProperty('nodePort');
    expect(external.body.status).toEqual({ loadBalancer: {} });
    // What was given back others may have.
    const taker = await make('taker', {
      type: 'NodePort',
      clusterIP: address,
      ports: [
        { name: 'a', port: 1, nodePort },
        { name: 'b', port: 2, nodePort: healthCheckNodePort },
      ],
    });
    expect(taker.status).toBe(201);
    const back = await change('turn', { type: 'ClusterIP', externalName: null });
    expect([back.status, back.body.spec.clusterIP]).toEqual([200, expect.not.stringMatching(`^${address}$`)]);
  });

  it('keeps its health check port, and gives it back with the policy', async () => {
    const { body } = await make('health', { type: 'LoadBalancer', externalTrafficPolicy: 'Local' });
    const port = body.spec.healthCheckNodePort;
    const other = await change('health', { healthCheckNodePort: port === 30_001 ? 30_002 : 30_001 });
    expect([other.status, other.body.message]).toEqual([
      422,
      expect.stringContaining('spec.healthCheckNodePort: Forbidden: field is immutable'),
    ]);
    const cluster = await change('health', { externalTrafficPolicy: 'Cluster' });
    expect(cluster.body.spec).not.toHaveProperty('healthCheckNodePort');
    expect((await make('heir', { type: 'NodePort', ports: [{ port: 1, nodePort: port }] })).status).toBe(201);
  });

  it('has node ports only where asked for, when told so', async () => {
    const ports = [
      { name: 'a', port: 1 },
      { name: 'b', port: 2, nodePort: 31_234 },
    ];
    const { body } = await make('few', { type: 'LoadBalancer', allocateLoadBalancerNodePorts: false, ports });
    expect(body.spec.ports.map((one: { nodePort?: number }) => one.nodePort)).toEqual([undefined, 31_234]);
  });
});

describe('status', () => {
  it('is written through its subresource alone, checked, and only for load balancers', async () => {
    await make('lb', { type: 'LoadBalancer' });
    const write = (name: string, ingress: object[]) =>
      client.patch(`${NS}/${name}/status`, { status: { loadBalancer: { ingress } } });
    expect((await write('lb', [{ ip: '192.0.2.1' }])).body.status.loadBalancer).toEqual({
      ingress: [{ ip: '192.0.2.1', ipMode: 'VIP' }],
    });
    await client.patch(`${NS}/lb`, { status: { loadBalancer: {} } });
    expect((await client.get(`${NS}/lb`)).body.status.loadBalancer.ingress).toHaveLength(1);
    expect((await write('lb', [{ ip: 'nowhere' }])).body.message).toContain(
      'status.loadBalancer.ingress[0].ip: Invalid value: "nowhere": must be a valid IP address',
    );
    await make('plain', {});
    expect((await write('plain', [{ ip: '192.0.2.1' }])).body.message).toContain(
      "status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is 'LoadBalancer'",
    );
  });
});

describe('Ingresses', () => {
  const ingress = (name: string, spec: object = {}, annotations: object = {}) =>
    client.post(INGRESSES, {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'Ingress',
      metadata: { name, annotations },
      spec: { defaultBackend: { service: { name: 'web', port: { number: 80 } } }, ...spec },
    });

  it('get the class that is marked as the default, unless they say another', async () => {
    expect((await ingress('early')).body.spec.ingressClassName).toBeUndefined();
    const mark = { 'ingressclass.kubernetes.io/is-default-class': 'true' };
    for (const [name, annotations] of [
      ['zeta', mark],
      ['alpha', mark],
      ['other', {}],
    ] as const)
      await client.post(CLASSES, {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'IngressClass',
        metadata: { name, annotations },
        spec: { controller: 'example.com/nginx' },
      });
    const given = (await ingress('late')).body.spec.ingressClassName;
    // The newest of those marked; within a second of each other, the first by name.
    expect(given).toBe('alpha');
    expect((await ingress('chosen', { ingressClassName: 'other' })).body.spec.ingressClassName).toBe('other');
    const old = { 'kubernetes.io/ingress.class': 'nginx' };
    expect((await ingress('old', {}, old)).body.spec.ingressClassName).toBeUndefined();
    expect((await ingress('both', { ingressClassName: 'other' }, old)).body.message).toContain(
      'can not be set when the class field is also set',
    );
  });

  it('have a status that their controller writes', async () => {
    const written = await client.patch(`${INGRESSES}/early/status`, {
      status: { loadBalancer: { ingress: [{ ip: '192.0.2.7' }] } },
    });
    expect(written.body.status.loadBalancer.ingress).toEqual([{ ip: '192.0.2.7' }]);
    const wrong = await client.patch(`${INGRESSES}/early/status`, {
      status: { loadBalancer: { ingress: [{ ip: 'x' }] } },
    });
    expect(wrong.status).toBe(422);
  });
});
