import { createServer, type Server } from 'node:http';
import { createServer as createTlsServer, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { issueClient, issueServer } from '../auth/pki.ts';
import type { KubeObject } from '../schema/types.ts';
import { startTestApiServer, type TestApiServer } from '../server/testing.ts';
import { proxyName } from './http-proxy.ts';
import { containerOf } from './kubelet.ts';

let api: TestApiServer;
let admin: { cert: string; key: string; ca: string };
const servers: Server[] = [];
const seen: string[] = [];

async function listening(server: Server): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

async function put(plural: string, object: KubeObject): Promise<void> {
  const { access } = api.server.runtime;
  const resource = { group: plural === 'endpointslices' ? 'discovery.k8s.io' : '', plural };
  const { status, ...rest } = object;
  const created = await access.create(resource, { apiVersion: 'v1', ...rest });
  if (status) await access.update(resource, { ...created, status }, { subresource: 'status' });
}

beforeAll(async () => {
  api = await startTestApiServer();
  admin = await issueClient(api.pki, { user: 'admin', groups: ['system:masters'] });
  const kubelet = await issueServer(api.pki, { names: ['n1'], addresses: ['127.0.0.1'] });
  // A kubelet that says what it was asked, by whom.
  const kubeletPort = await listening(
    createTlsServer({ ...kubelet, requestCert: true }, (incoming, response) => {
      const peer = (incoming.socket as import('node:tls').TLSSocket).getPeerCertificate().subject?.CN;
      seen.push(`${peer} ${incoming.method} ${incoming.url} ${incoming.headers.authorization ?? ''}`);
      const refused = /\/(\d{3})\//.exec(incoming.url ?? '')?.[1];
      if (refused) response.writeHead(Number(refused)).end('the reason\n');
      else response.writeHead(200, { 'content-type': 'text/plain' }).end('from the kubelet');
    }) as unknown as Server,
  );
  const podPort = await listening(
    createServer(async (incoming, response) => {
      const body = await text(incoming);
      response.writeHead(418, { 'x-teapot': 'yes' }).end(`${incoming.method} ${incoming.url} ${body}`);
    }),
  );
  const node = (port: number) => ({
    addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
    daemonEndpoints: { kubeletEndpoint: { Port: port } },
  });
  await put('nodes', { kind: 'Node', metadata: { name: 'n1' }, status: node(kubeletPort) });
  await put('nodes', { kind: 'Node', metadata: { name: 'away' }, status: node(1) });
  const container = (name: string) => ({
    name,
    image: 'x',
    ports: [{ containerPort: podPort, name: 'http' }],
  });
  for (const [name, nodeName, names] of [
    ['web', 'n1', ['main']],
    ['two', 'n1', ['a', 'b']],
    ['400', 'n1', ['main']],
    ['500', 'n1', ['main']],
    ['lost', 'away', ['main']],
    ['pending', undefined, ['main']],
  ] as const)
    await put('pods', {
      kind: 'Pod',
      metadata: { name, namespace: 'default' },
      spec: { ...(nodeName && { nodeName }), containers: names.map(container) },
      status: { podIP: '127.0.0.1' },
    });
  for (const name of ['web', 'empty'])
    await put('services', {
      kind: 'Service',
      metadata: { name, namespace: 'default' },
      spec: { selector: { app: name }, ports: [{ port: 80, name: 'http', targetPort: podPort }] },
    });
  await put('endpointslices', {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'web-1', namespace: 'default', labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['127.0.0.1'], conditions: { ready: true } }],
    ports: [{ name: 'http', port: podPort, protocol: 'TCP' }],
  });
});
afterAll(async () => {
  for (const server of servers) server.close();
  await api.close();
});

interface Got {
  status: number;
  body: string;
  headers: Record<string, unknown>;
}
function call(
  path: string,
  options: { method?: string; body?: string; headers?: object } = {},
): Promise<Got> {
  const { body, headers, method = 'GET' } = options;
  const url = `${api.url}/api/v1${path}`;
  return new Promise((resolve, reject) => {
    const sent = request(url, { ...admin, method, agent: false, headers: { ...headers } }, async (response) =>
      resolve({ status: response.statusCode ?? 0, body: await text(response), headers: response.headers }),
    );
    sent.on('error', reject).end(body);
  });
}
const messageOf = (got: Got): string => (JSON.parse(got.body) as { message: string }).message;

describe('pods/log', () => {
  test('comes from the kubelet of the pod', async () => {
    const got = await call('/namespaces/default/pods/web/log?tailLines=3&follow=true&unknown=1');
    expect([got.status, got.body]).toEqual([200, 'from the kubelet']);
    expect(seen.at(-1)).toBe(
      'kube-apiserver-kubelet-client GET /containerLogs/default/web/main?follow=true&tailLines=3 ',
    );
    expect((await call('/namespaces/default/pods/pending/log')).body).toBe('');
  });

  test.each([
    ['two/log', 400, 'a container name must be specified for pod two, choose one of: [a b]'],
    ['web/log?container=x', 400, 'container x is not valid for pod web'],
    ['none/log', 404, 'pods "none" not found'],
    ['400/log', 400, 'the reason'],
    ['500/log', 500, 'Internal error occurred: the reason'],
    ['web/exec?command=a&stdout=1', 400, 'Upgrade request required'],
  ])('%s', async (path, status, message) => {
    const got = await call(`/namespaces/default/pods/${path}`);
    expect([got.status, messageOf(got)]).toEqual([status, message]);
  });

  test('a kubelet that is away is named', async () => {
    const got = await call('/namespaces/default/pods/lost/log');
    expect([got.status, messageOf(got)]).toEqual([
      500,
      'Get "https://127.0.0.1:1/containerLogs/default/lost/main": dial tcp 127.0.0.1:1: connect: connection refused',
    ]);
  });
});

test.each([
  ['pending/exec?command=a&stdout=1', 400, 'pod pending does not have a host assigned'],
  ['web/exec?stdout=1', 400, 'you must specify at least one command for exec'],
  ['web/attach', 400, 'you must specify at least 1 of stdin, stdout, stderr'],
  ['pending/portforward', 400, 'pod pending does not have a host assigned'],
])('an upgrade of %s is refused as a Status', async (path, status, message) => {
  const headers = { connection: 'Upgrade', upgrade: 'SPDY/3.1' };
  const got = await call(`/namespaces/default/pods/${path}`, { method: 'POST', headers });
  expect([got.status, messageOf(got)]).toEqual([status, message]);
});

describe('proxies', () => {
  test('pass on method, path, body and answer', async () => {
    for (const name of [
      'pods/web',
      'pods/web:http',
      'services/web',
      'services/http:web:80',
      'services/web:http',
    ]) {
      const sent = { method: 'PUT', body: 'some body', headers: { 'content-type': 'text/x' } };
      const got = await call(`/namespaces/default/${name}/proxy/a/b%20c?d=e`, sent);
      expect([name, got.status, got.body, got.headers['x-teapot']]).toEqual([
        name,
        418,
        'PUT /a/b%20c?d=e some body',
        'yes',
      ]);
    }
    expect((await call('/namespaces/default/services/web/proxy')).body).toBe('GET / ');
  });

  test('of nodes are their kubelets, and nobody learns who asks', async () => {
    const headers = {
      authorization: 'Bearer nobody',
      'impersonate-user': 'admin',
      'impersonate-group': 'system:masters',
    };
    expect((await call('/nodes/n1/proxy/metrics?x=1', { headers })).body).toBe('from the kubelet');
    expect(seen.at(-1)).toBe('kube-apiserver-kubelet-client GET /metrics?x=1 ');
    expect((await call('/nodes/n1:99/proxy/')).status).toBe(400);
  });

  test('say why there is nobody', async () => {
    const got = await call('/namespaces/default/services/empty/proxy/');
    expect([got.status, messageOf(got)]).toEqual([503, 'no endpoints available for service "empty"']);
  });
});

test('names of proxies and containers', () => {
  expect(proxyName('https:web:8443')).toEqual({ scheme: 'https', name: 'web', port: '8443' });
  expect(proxyName('web')).toEqual({ scheme: 'http', name: 'web', port: '' });
  for (const wrong of ['ftp:web:1', 'a:b:c:d', ':80'])
    expect(() => proxyName(wrong)).toThrow('invalid proxy name');
  const pod = {
    metadata: { name: 'p' },
    spec: { containers: [{ name: 'a' }, { name: 'b' }], initContainers: [{ name: 'i' }] },
  };
  expect(() => containerOf(pod, null)).toThrow(
    'a container name must be specified for pod p, choose one of: [a b] or one of the init containers: [i]',
  );
  expect(containerOf(pod, 'i')).toBe('i');
});
