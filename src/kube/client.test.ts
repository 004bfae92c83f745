import { spawn } from 'node:child_process';
import type { webcrypto } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { KubeClient } from './client.ts';
import { isKubeError, KubeConnectionError } from './error.ts';
import { NODES, PODS, pathOf, resourceType } from './resources.ts';
import { FakeApi } from './testing.ts';
import type { Node, Pod } from './types.ts';

let api: FakeApi;
let client: KubeClient;

beforeEach(async () => {
  api = await FakeApi.start();
  client = api.client();
});

afterEach(async () => {
  client.close();
  await api.close();
});

const pod: Pod = { metadata: { name: 'web', namespace: 'default' }, spec: { containers: [] } };

describe('a client', () => {
  test('makes, reads, changes and deletes', async () => {
    const made = await client.create(PODS, pod, { fieldManager: 'me' });
    expect(made).toMatchObject({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web' } });
    const key = { namespace: 'default', name: 'web' };
    expect(await client.get(PODS, key)).toEqual(made);
    const patched = await client.patch(PODS, key, { metadata: { labels: { a: 'b' } } }, { type: 'merge' });
    expect(patched.metadata?.labels).toEqual({ a: 'b' });
    const conflict = client.replace(PODS, made);
    await expect(conflict).rejects.toMatchObject({ status: 409, reason: 'Conflict' });
    await client.delete(PODS, key, { preconditions: { uid: 'x' } });
    expect(await client.find(PODS, key)).toBeUndefined();
    await expect(client.get(PODS, key)).rejects.toMatchObject({
      name: 'KubeError',
      status: 404,
      reason: 'NotFound',
    });
    expect(api.requests[0]).toBe('POST /api/v1/namespaces/default/pods?fieldManager=me');
  });

  test('gives up also on a server that takes no connection', async () => {
    // Nobody accepts, and once its queue is full the kernel drops who comes, as a firewall would.
    const listen = `require('net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, function () { console.log(this.address().port) })`;
    const server = spawn(process.execPath, ['-e', listen], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(server.stdout, 'data')) as [Buffer];
    server.kill('SIGSTOP');
    const port = Number(line.toString());
    const queue = Array.from({ length: 8 }, () => connect(port, '127.0.0.1').on('error', () => undefined));
    const impatient = new KubeClient(
      { ...api.config, server: `http://127.0.0.1:${port}` },
      { timeoutMs: 300 },
    );
    onTestFinished(() => {
      impatient.close();
      for (const socket of queue) socket.destroy();
      server.kill('SIGKILL');
    });
    await expect.poll(() => queue.filter((socket) => !socket.connecting).length).toBeGreaterThan(0);
    await expect(impatient.list(NODES)).rejects.toThrow('no answer in 0.3 s');
  });

  test('waits as long as a busy server says, and asks again', async () => {
    let busy = 2;
    api.intercept = () => {
      if (busy-- <= 0) return undefined;
      const body = { kind: 'Status', code: 429, reason: 'TooManyRequests', message: 'later' };
      return { status: busy === 1 ? 429 : 503, body, headers: { 'retry-after': '0' } };
    };
    expect((await client.list(NODES)).items).toEqual([]);
    expect(api.requests).toHaveLength(3);
    busy = 9;
    // What may not be done twice is not.
    await expect(client.create(PODS, pod)).rejects.toMatchObject({ status: 503, retryAfterSeconds: 0 });
    expect(api.requests).toHaveLength(4);
  });

  test('asks no more than it may', async () => {
    const slow = new KubeClient(api.config, { qps: 50 });
    const started = performance.now();
    await Promise.all(Array.from({ length: 110 }, () => slow.list(NODES)));
    expect(performance.now() - started).toBeGreaterThan(150);
    slow.close();
  });

  test('a page of somebody in between is an error too', async () => {
    api.intercept = () => ({ status: 502, body: '<html>Bad gateway</html>' });
    const error = await client.list(NODES).catch((thrown: unknown) => thrown);
    expect(isKubeError(error, 502)).toBe(true);
    expect(String(error)).toContain('GET /api/v1/nodes: 502 <html>Bad gateway</html>');
  });

  test('an answer that never comes ends at its time; a cut or endless one is refused', async () => {
    const impatient = new KubeClient(api.config, { timeoutMs: 50, largestAnswer: 1 << 20 });
    api.intercept = () => 'hang';
    await expect(impatient.list(NODES)).rejects.toThrow('no answer in 0.05 s');
    api.intercept = () => ({ status: 200, body: 'x'.repeat(2 << 20) });
    await expect(impatient.list(NODES)).rejects.toThrow('has more than 1 MiB; ask for pages');
    api.intercept = () => ({ status: 200, body: '{"items":' });
    await expect(impatient.list(NODES)).rejects.toThrow('the answer is not JSON');
    api.intercept = () => 'reset';
    await expect(impatient.list(NODES)).rejects.toBeInstanceOf(KubeConnectionError);
    impatient.close();
  });

  test('a call can be given up', async () => {
    api.intercept = () => 'hang';
    const giveUp = new AbortController();
    const call = client.list(NODES, { signal: giveUp.signal });
    giveUp.abort();
    await expect(call).rejects.toMatchObject({ name: 'AbortError' });
  });

  test('refuses what would be another path', () => {
    expect(pathOf(PODS, { namespace: 'default', name: 'a', subresource: 'log' })).toBe(
      '/api/v1/namespaces/default/pods/a/log',
    );
    expect(pathOf(resourceType('a.b', 'v1', 'things', 'Thing'), {})).toBe('/apis/a.b/v1/things');
    expect(pathOf(NODES, { name: 'system:node' })).toBe('/api/v1/nodes/system%3Anode');
    for (const name of ['..', '', 'a/b', 'a%2fb'])
      expect(() => pathOf(NODES, { name })).toThrow('use an object');
    expect(() => pathOf(PODS, { name: 'a' })).toThrow('namespace is missing');
  });
});

describe('TLS', () => {
  async function authority() {
    const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };
    const pem = async (key: webcrypto.CryptoKey): Promise<string> =>
      x509.PemConverter.encode(await crypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY');
    const make = async (
      name: string,
      extensions: x509.Extension[],
      issuer?: { cert: x509.X509Certificate; key: webcrypto.CryptoKey },
    ) => {
      const keys = await crypto.subtle.generateKey(
        { ...algorithm, hash: 'SHA-256' } as webcrypto.EcKeyGenParams,
        true,
        ['sign', 'verify'],
      );
      const common = { signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' }, extensions };
      const cert = issuer
        ? await x509.X509CertificateGenerator.create({
            ...common,
            subject: `CN=${name}`,
            issuer: issuer.cert.subject,
            publicKey: keys.publicKey,
            signingKey: issuer.key,
          })
        : await x509.X509CertificateGenerator.createSelfSigned({ ...common, name: `CN=${name}`, keys });
      return { cert, key: keys.privateKey, keyPem: await pem(keys.privateKey) };
    };
    const ca = await make('ca', [new x509.BasicConstraintsExtension(true)]);
    const server = await make(
      'server',
      [new x509.SubjectAlternativeNameExtension([{ type: 'ip', value: '127.0.0.1' }])],
      ca,
    );
    const user = await make('admin', [], ca);
    return { ca: ca.cert.toString('pem'), server, user };
  }

  test('knows the server by its authority, and is known by its certificate', async () => {
    const { ca, server, user } = await authority();
    const peers: string[] = [];
    const listening = createServer(
      {
        ca,
        cert: server.cert.toString('pem'),
        key: server.keyPem,
        requestCert: true,
        rejectUnauthorized: false,
      },
      (request, response) => {
        const peer = (request.socket as import('node:tls').TLSSocket).getPeerCertificate();
        peers.push(String(peer.subject?.CN), String(request.headers.authorization));
        response.end(JSON.stringify({ metadata: {}, items: [{ metadata: { name: 'n' } }] }));
      },
    );
    await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
    const address = `https://127.0.0.1:${(listening.address() as AddressInfo).port}`;
    const common = { server: address, namespace: 'default', source: 'test' };
    const good = new KubeClient({
      ...common,
      ca,
      certificate: user.cert.toString('pem'),
      key: user.keyPem,
      token: () => 'secret',
    });
    const nodes = await good.list<Node>(NODES);
    expect(nodes.items[0]).toEqual({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'n' } });
    expect(peers).toEqual(['admin', 'Bearer secret']);
    const distrustful = new KubeClient(common);
    await expect(distrustful.list(NODES)).rejects.toThrow(KubeConnectionError);
    const careless = new KubeClient({ ...common, insecureSkipTlsVerify: true });
    expect((await careless.list(NODES)).items).toHaveLength(1);
    for (const one of [good, distrustful, careless]) one.close();
    await new Promise((resolve) => listening.close(resolve));
  });
});
