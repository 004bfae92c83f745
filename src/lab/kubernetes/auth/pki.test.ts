import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { kubeconfigText } from './kubeconfig.ts';
import { ensurePki, issueClient, issueServer } from './pki.ts';

const root = mkdtempSync(join(tmpdir(), 'fly-pki-'));
const dir = join(root, 'pki');
const options = { cluster: 'blue', addresses: ['198.19.0.10', '10.0.0.1'], names: ['api.blue'] };
const read = (name: string): string => readFileSync(join(dir, name), 'utf8');
const cert = (name: string): X509Certificate => new X509Certificate(read(name));
const snapshot = (): Record<string, string> =>
  Object.fromEntries(readdirSync(dir).map((name) => [name, read(name)]));

beforeAll(() => ensurePki(dir, options));
afterAll(() => rmSync(root, { recursive: true }));

describe('ensurePki', () => {
  test('makes an authority and certificates of it, keys for nobody else', () => {
    const files = ['apiserver', 'apiserver-kubelet-client', 'ca'].flatMap((name) => [
      `${name}.crt`,
      `${name}.key`,
    ]);
    expect(new Set(readdirSync(dir))).toEqual(new Set([...files, 'sa.key', 'sa.pub']));
    for (const name of readdirSync(dir).filter((each) => each.endsWith('.key')))
      expect(statSync(join(dir, name)).mode & 0o777).toBe(0o600);
    expect(statSync(dir).mode & 0o777).toBe(0o700);
    const ca = cert('ca.crt');
    expect(ca.ca).toBe(true);
    expect(ca.verify(ca.publicKey)).toBe(true);
    for (const name of ['apiserver.crt', 'apiserver-kubelet-client.crt']) {
      expect(cert(name).ca).toBe(false);
      expect(cert(name).checkIssued(ca)).toBe(true);
      expect(cert(name).verify(ca.publicKey)).toBe(true);
    }
    expect(cert('apiserver.crt').checkHost('kubernetes.default.svc')).toBeDefined();
    expect(cert('apiserver.crt').checkIP('198.19.0.10')).toBe('198.19.0.10');
    expect(cert('apiserver-kubelet-client.crt').subject).toBe(
      'O=system:masters\nCN=kube-apiserver-kubelet-client',
    );
  });

  test('changes nothing when called again, the server certificate alone when its names change', async () => {
    const before = snapshot();
    await ensurePki(dir, options);
    expect(snapshot()).toEqual(before);
    await ensurePki(dir, { ...options, addresses: ['198.19.0.11'] });
    const after = snapshot();
    expect(Object.keys(after).filter((name) => after[name] !== before[name])).toEqual(['apiserver.crt']);
    expect(cert('apiserver.crt').checkIP('198.19.0.11')).toBe('198.19.0.11');
  });

  test('completes what a kill left, whichever files are there', async () => {
    const whole = snapshot();
    const names = Object.keys(whole);
    for (let mask = 0; mask < 1 << names.length; mask += 7) {
      rmSync(dir, { recursive: true });
      await ensurePki(dir, options);
      for (const [index, name] of names.entries())
        if (mask & (1 << index) && name !== 'ca.key') rmSync(join(dir, name));
      await ensurePki(dir, options);
      const ca = cert('ca.crt');
      expect(cert('apiserver.crt').verify(ca.publicKey)).toBe(true);
      expect(readdirSync(dir)).toEqual(names);
      if (mask > 200) break;
    }
  });

  test('an authority without its key is refused, not replaced', async () => {
    const broken = join(root, 'broken');
    await ensurePki(broken, options);
    rmSync(join(broken, 'ca.key'));
    await expect(ensurePki(broken, options)).rejects.toThrow(/has lost its key .*ca\.key/);
  });

  test('two at once agree', async () => {
    const both = join(root, 'both');
    await Promise.all([ensurePki(both, options), ensurePki(both, options)]);
    const ca = new X509Certificate(readFileSync(join(both, 'ca.crt')));
    const { cert: text } = await issueClient(both, { user: 'x' });
    expect(new X509Certificate(text).verify(ca.publicKey)).toBe(true);
    const server = new X509Certificate(readFileSync(join(both, 'apiserver.crt')));
    expect(server.verify(ca.publicKey)).toBe(true);
  });

  test('openssl agrees about the chain and the purposes', async () => {
    const { execFileSync } = await import('node:child_process');
    const { cert: client } = await issueClient(dir, { user: 'admin', groups: ['system:masters'] });
    const { cert: server } = await issueServer(dir, {
      names: ['node-1'],
      addresses: ['10.0.1.4', 'fd00::4'],
    });
    for (const [purpose, text] of [
      ['sslclient', client],
      ['sslserver', server],
    ] as const) {
      const path = join(root, `${purpose}.crt`);
      writeFileSync(path, text);
      const argv = ['verify', '-x509_strict', '-purpose', purpose, '-CAfile', join(dir, 'ca.crt'), path];
      expect(execFileSync('openssl', argv, { encoding: 'utf8' })).toBe(`${path}: OK\n`);
    }
    expect(new X509Certificate(server).checkIP('fd00::4')).toBeDefined();
  });
});

test('a kubeconfig holds everything', async () => {
  const { cert: text, key, ca } = await issueClient(dir, { user: 'jane: "x"', groups: ['dev', 'ops'] });
  expect(new X509Certificate(text).subject).toBe('O=dev\nO=ops\nCN=jane: \\"x\\"');
  const config = parse(
    kubeconfigText({
      server: 'https://198.19.0.10:6443',
      ca,
      cert: text,
      key,
      cluster: 'blue',
      user: 'jane: "x"',
    }),
  ) as { users: { name: string; user: Record<string, string> }[]; 'current-context': string };
  expect(config['current-context']).toBe('blue');
  expect(config.users[0]!.name).toBe('jane: "x"@blue');
  expect(Buffer.from(config.users[0]!.user['client-key-data']!, 'base64').toString()).toBe(key);
});
