import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createFile, readIfThere, replaceFile } from '../../files.ts';
import type { KeyPair, LeafRequest } from './certificates.ts';

/** Loaded when something is to be issued: 10 MB that a server whose certificates are there does without. */
const certificates = () => import('./certificates.ts');

/** Whose certificate the API server shows to kubelets. */
export const KUBELET_CLIENT = 'kube-apiserver-kubelet-client';
export const MASTERS = 'system:masters';
/** Certificates are made again when less than this is left of them. */
const RENEW_MS = 60 * 24 * 3600 * 1000;

export interface ServerNames {
  /** DNS names. */
  readonly names: readonly string[];
  /** IP addresses. */
  readonly addresses: readonly string[];
}

export interface PkiOptions extends ServerNames {
  readonly cluster: string;
}

/** Whether a certificate, if there is one, is the authority's, fits the key and the names, and lasts for a while. */
function serves(text: string | undefined, ca: X509Certificate, key: string, request: LeafRequest): boolean {
  if (text === undefined) return false;
  try {
    const cert = new X509Certificate(text);
    const names = (cert.subjectAltName ?? '').split(', ').filter((each) => each !== '');
    const wanted = (request.names?.length ?? 0) + (request.addresses?.length ?? 0);
    return (
      cert.checkPrivateKey(createPrivateKey(key)) &&
      cert.verify(ca.publicKey) &&
      cert.subject.split('\n').includes(`CN=${request.commonName}`) &&
      Date.parse(cert.validTo) - Date.now() > RENEW_MS &&
      names.length === wanted &&
      (request.names ?? []).every((name) => names.includes(`DNS:${name}`)) &&
      (request.addresses ?? []).every((address) => cert.checkIP(address) !== undefined)
    );
  } catch {
    return false;
  }
}

async function ensureKey(path: string): Promise<string> {
  const found = readIfThere(path);
  if (found !== undefined && found !== '') return found;
  const { newKey } = await certificates();
  return createFile(path, await newKey(), 0o600);
}

async function ensureAuthority(dir: string, cluster: string): Promise<KeyPair> {
  const [keyPath, certPath] = [join(dir, 'ca.key'), join(dir, 'ca.crt')];
  const found = readIfThere(certPath);
  if (found !== undefined && readIfThere(keyPath) === undefined)
    throw new Error(
      `${certPath} has lost its key ${keyPath}: put the key back, or remove the folder and every kubeconfig made from it`,
    );
  const key = await ensureKey(keyPath);
  if (found !== undefined && new X509Certificate(found).checkPrivateKey(createPrivateKey(key)))
    return { cert: found, key };
  // The key is on disk before the first certificate of it, so a certificate that does not fit is nobody's.
  const { authorityCertificate } = await certificates();
  const cert = await authorityCertificate(`flyover-${cluster}`, key);
  replaceFile(certPath, cert, 0o644);
  return { cert, key };
}

async function ensureLeaf(dir: string, file: string, ca: KeyPair, request: LeafRequest): Promise<void> {
  const key = await ensureKey(join(dir, `${file}.key`));
  const path = join(dir, `${file}.crt`);
  if (serves(readIfThere(path), new X509Certificate(ca.cert), key, request)) return;
  const { leafCertificate } = await certificates();
  replaceFile(path, await leafCertificate(ca, key, request), 0o644);
}

/**
 * Makes what a control plane needs to prove itself, and what is missing, about to expire, or not fitting the names any
 * more of what is there: `ca`, `apiserver`, `apiserver-kubelet-client` (`.crt` and `.key`), and `sa.key`, `sa.pub`
 * that sign ServiceAccount tokens (ES256). Each file appears whole, keys before their certificates, so it may be killed at
 * any point and called again, also twice at once. The folder is 0700, keys are 0600; authority 10 years, others 1 year.
 */
export async function ensurePki(dir: string, options: PkiOptions): Promise<void> {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  chmodSync(dir, 0o700);
  const ca = await ensureAuthority(dir, options.cluster);
  const { names, addresses } = options;
  const server = ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc'];
  await ensureLeaf(dir, 'apiserver', ca, {
    commonName: 'kube-apiserver',
    usage: 'server',
    names: [...new Set([...server, 'kubernetes.default.svc.cluster.local', 'localhost', ...names])],
    addresses: [...new Set(['127.0.0.1', ...addresses])],
  });
  await ensureLeaf(dir, 'apiserver-kubelet-client', ca, {
    commonName: KUBELET_CLIENT,
    organizations: [MASTERS],
    usage: 'client',
  });
  const signing = await ensureKey(join(dir, 'sa.key'));
  const publicKey = createPublicKey(signing).export({ type: 'spki', format: 'pem' }).toString();
  if (readIfThere(join(dir, 'sa.pub')) !== publicKey) replaceFile(join(dir, 'sa.pub'), publicKey, 0o644);
}

function authorityOf(dir: string): KeyPair {
  const [cert, key] = [readIfThere(join(dir, 'ca.crt')), readIfThere(join(dir, 'ca.key'))];
  if (cert === undefined || key === undefined)
    throw new Error(`${dir} holds no certificate authority: ca.crt and ca.key are made by ensurePki`);
  return { cert, key };
}

async function issue(dir: string, request: LeafRequest): Promise<KeyPair & { ca: string }> {
  const ca = authorityOf(dir);
  const { leafCertificate, newKey } = await certificates();
  const key = await newKey();
  return { cert: await leafCertificate(ca, key, request), key, ca: ca.cert };
}

/** A client certificate (PEM, with its key and the authority): `user` is the common name, `groups` the organizations. */
export function issueClient(
  dir: string,
  client: { user: string; groups?: readonly string[] },
): Promise<KeyPair & { ca: string }> {
  return issue(dir, { commonName: client.user, organizations: client.groups ?? [], usage: 'client' });
}

/** A server certificate for names and addresses, of which there must be at least one. */
export function issueServer(dir: string, server: ServerNames): Promise<KeyPair & { ca: string }> {
  const commonName = server.names[0] ?? server.addresses[0];
  if (commonName === undefined) throw new Error('a server certificate needs a name or an address');
  return issue(dir, { commonName, usage: 'server', ...server });
}
