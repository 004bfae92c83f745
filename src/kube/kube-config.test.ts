import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { loadKubeConfig, parseKubeConfig } from './kube-config.ts';

const PEM = '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n';
const DATA = Buffer.from(PEM).toString('base64');
let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'kube-config-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

function kubeconfig(cluster: object = {}, user: object = {}, context: object = {}): string {
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'lab',
    contexts: [{ name: 'lab', context: { cluster: 'c', user: 'u', ...context } }],
    clusters: [{ name: 'c', cluster: { server: 'https://10.0.0.1:6443/', ...cluster } }],
    users: [{ name: 'u', user }],
  });
}

describe('a kubeconfig', () => {
  test('with everything inside', () => {
    const config = parseKubeConfig(
      kubeconfig(
        { 'certificate-authority-data': DATA, 'tls-server-name': 'kubernetes' },
        { 'client-certificate-data': DATA, 'client-key-data': DATA },
        { namespace: 'web' },
      ),
    );
    expect(config).toEqual({
      server: 'https://10.0.0.1:6443',
      ca: PEM,
      certificate: PEM,
      key: PEM,
      tlsServerName: 'kubernetes',
      namespace: 'web',
      source: 'kubeconfig, context lab',
    });
  });

  test('with files, which are found from where it is', () => {
    writeFileSync(join(dir, 'ca.crt'), PEM);
    writeFileSync(join(dir, 'token'), 'one\n');
    writeFileSync(
      join(dir, 'config'),
      kubeconfig({ 'certificate-authority': 'ca.crt' }, { tokenFile: 'token' }),
    );
    const config = loadKubeConfig({ kubeconfig: join(dir, 'config') });
    expect(config.ca).toBe(PEM);
    expect(config.token?.()).toBe('one');
    // Kubernetes replaces a pod's token every hour.
    writeFileSync(join(dir, 'token'), 'another\n');
    expect(config.token?.()).toBe('another');
    rmSync(join(dir, 'token'));
    expect(config.token?.()).toBe('another');
  });

  test('is found as kubectl finds it', () => {
    writeFileSync(join(dir, 'config'), kubeconfig({}, { token: 't' }));
    expect(loadKubeConfig({ env: { KUBECONFIG: join(dir, 'config') } }).token?.()).toBe('t');
    expect(() => loadKubeConfig({ env: { KUBECONFIG: 'a:b' } })).toThrow('names 2 files');
    expect(() => loadKubeConfig({ env: { HOME: dir } })).toThrow('give --kubeconfig FILE, or run in a pod');
  });

  test.each([
    [
      'exec',
      kubeconfig({}, { exec: { command: 'aws' } }),
      'gets its credentials from a program (users[].user.exec)',
    ],
    ['a proxy', kubeconfig({ 'proxy-url': 'http://p' }), 'cluster.proxy-url is not supported'],
    ['a password', kubeconfig({}, { username: 'a', password: 'b' }), 'use a client certificate or a token'],
    ['half a certificate', kubeconfig({}, { 'client-certificate-data': DATA }), 'go together; give both'],
    ['no PEM', kubeconfig({ 'certificate-authority-data': 'AAAA' }), 'is not base64 of a PEM text'],
    ['a number', kubeconfig({}, { token: 12 }), 'user.token is not a text'],
    ['no such cluster', kubeconfig({}, {}, { cluster: 'x' }), "cluster 'x' is not in clusters; there are c"],
    ['no server', kubeconfig({ server: '' }), 'cluster.server is missing'],
    ['a strange server', kubeconfig({ server: 'unix:///x' }), 'use https://HOST:PORT'],
    [
      'a missing file',
      kubeconfig({ 'certificate-authority': '/nowhere/ca' }),
      "'/nowhere/ca': does not exist",
    ],
    [
      'a contradiction',
      kubeconfig({ 'insecure-skip-tls-verify': true, 'certificate-authority-data': DATA }),
      'does not go with',
    ],
    ['no YAML', '{', 'is not YAML'],
    ['a list', '[]', 'kubeconfig is not a map'],
    ['no context', 'contexts: [{name: a, context: {cluster: c}}]', 'name one of the contexts: a'],
  ])('with %s is refused', (_, text, message) => {
    expect(() => parseKubeConfig(text)).toThrow(message);
  });
});
