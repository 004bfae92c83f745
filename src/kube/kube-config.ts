import { readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parse } from 'yaml';

/** Where an API server is and who asks it. */
export interface KubeConfig {
  /** `https://10.0.0.1:6443`, without a slash at the end. */
  readonly server: string;
  /** PEM; without it the system's authorities are trusted. */
  readonly ca?: string;
  /** PEM of the client. */
  readonly certificate?: string;
  readonly key?: string;
  /** Name in the server's certificate, where it is not the one in `server`. */
  readonly tlsServerName?: string;
  readonly insecureSkipTlsVerify?: boolean;
  /** The bearer token of this moment. Files are read again: tokens in pods are replaced every hour. */
  readonly token?: () => string | undefined;
  /** Of the context; `default` when none is named. */
  readonly namespace: string;
  /** For messages: `file /root/.kube/config, context lab` or `in-cluster service account`. */
  readonly source: string;
}

export interface KubeConfigOptions {
  /** A file. Default `$KUBECONFIG`, else `~/.kube/config` where it exists, else the pod's service account. */
  readonly kubeconfig?: string;
  /** Default the file's `current-context`. */
  readonly context?: string;
  /** The service account of the pod, whatever files there are. */
  readonly inCluster?: boolean;
  /** Default `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** A kubeconfig that cannot be used: which field, why, and the way out. */
export class KubeConfigError extends Error {
  override readonly name = 'KubeConfigError';
}

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';
const LARGEST_FILE = 4 << 20;
/** Upstream's: a token file is believed for a minute. */
const TOKEN_MS = 60_000;

/**
 * Reads a kubeconfig, or what Kubernetes puts into a pod.
 * @throws KubeConfigError that names the field, what is wrong with it, and the way out
 */
export function loadKubeConfig(options: KubeConfigOptions = {}): KubeConfig {
  const env = options.env ?? process.env;
  if (options.inCluster) return inCluster(env);
  if (options.kubeconfig !== undefined) return fromFile(options.kubeconfig, options.context);
  const named = env.KUBECONFIG?.split(':').filter((path) => path !== '') ?? [];
  if (named.length > 1) {
    throw new KubeConfigError(
      `KUBECONFIG '${env.KUBECONFIG}' names ${named.length} files, and merging is not done here; name one, or use \`kubectl config view --flatten --raw\``,
    );
  }
  if (named[0] !== undefined) return fromFile(named[0], options.context);
  const home = join(env.HOME ?? homedir(), '.kube/config');
  if (statSync(home, { throwIfNoEntry: false })) return fromFile(home, options.context);
  return inCluster(env);
}

function inCluster(env: Readonly<Record<string, string | undefined>>): KubeConfig {
  const host = env.KUBERNETES_SERVICE_HOST;
  const port = env.KUBERNETES_SERVICE_PORT;
  if (!host || !port) {
    throw new KubeConfigError(
      'there is neither a kubeconfig nor a service account (KUBERNETES_SERVICE_HOST is not set); give --kubeconfig FILE, or run in a pod',
    );
  }
  const token = tokenFile(join(SERVICE_ACCOUNT, 'token'), 'service account token');
  token();
  return {
    server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    ca: readText(join(SERVICE_ACCOUNT, 'ca.crt'), 'service account ca.crt'),
    token,
    namespace: readText(join(SERVICE_ACCOUNT, 'namespace'), 'service account namespace').trim() || 'default',
    source: 'in-cluster service account',
  };
}

type Section = Record<string, unknown>;

function fromFile(path: string, context: string | undefined): KubeConfig {
  const text = readText(path, 'kubeconfig');
  try {
    return parseKubeConfig(text, { path, ...(context === undefined ? {} : { context }) });
  } catch (error) {
    if (error instanceof KubeConfigError) throw new KubeConfigError(`${path}: ${error.message}`);
    throw error;
  }
}

/**
 * Reads the text of a kubeconfig.
 * @param at `path` is where it was read: files named in it are found from there
 * @throws KubeConfigError
 */
export function parseKubeConfig(text: string, at: { path?: string; context?: string } = {}): KubeConfig {
  let document: unknown;
  try {
    document = parse(text, { maxAliasCount: 10 });
  } catch (error) {
    throw new KubeConfigError(`is not YAML: ${error instanceof Error ? error.message : String(error)}`);
  }
  const root = section(document, 'kubeconfig');
  const name = at.context ?? textOf(root, 'current-context', 'current-context');
  if (!name) {
    const known = names(root, 'contexts');
    throw new KubeConfigError(
      `current-context is not set; set it, or name one of the contexts: ${known.join(', ') || 'there are none'}`,
    );
  }
  const context = entry(root, 'contexts', 'context', name);
  const cluster = entry(root, 'clusters', 'cluster', required(context, 'cluster', `context ${name}`));
  const userName = textOf(context, 'user', `contexts[${name}].user`);
  const user = userName ? entry(root, 'users', 'user', userName) : {};
  return build(cluster, user, {
    base: at.path === undefined ? process.cwd() : dirname(resolve(at.path)),
    namespace: textOf(context, 'namespace', `contexts[${name}].namespace`) || 'default',
    source: `${at.path === undefined ? 'kubeconfig' : `file ${at.path}`}, context ${name}`,
    userName: userName ?? '',
  });
}

interface Around {
  readonly base: string;
  readonly namespace: string;
  readonly source: string;
  readonly userName: string;
}

function build(cluster: Section, user: Section, around: Around): KubeConfig {
  const server = required(cluster, 'server', 'cluster').replace(/\/+$/, '');
  if (!/^https?:\/\/[^/]/.test(server))
    throw new KubeConfigError(
      `cluster.server '${server.slice(0, 80)}' is not an address; use https://HOST:PORT`,
    );
  if (cluster['proxy-url'])
    throw new KubeConfigError(
      'cluster.proxy-url is not supported; name a server that can be reached directly',
    );
  for (const field of ['exec', 'auth-provider']) {
    if (!user[field]) continue;
    throw new KubeConfigError(
      `user '${around.userName}' gets its credentials from a program (users[].user.${field}), and a daemon starts none; use a client certificate, a token or a tokenFile (kubectl create token)`,
    );
  }
  if (user.username !== undefined)
    throw new KubeConfigError(
      `user '${around.userName}' has a name and password, which Kubernetes has not accepted since 1.19; use a client certificate or a token`,
    );
  const pem = (of: Section, field: string, where: string): string | undefined =>
    dataOrFile(of, field, where, around.base);
  const ca = pem(cluster, 'certificate-authority', 'cluster');
  const certificate = pem(user, 'client-certificate', 'user');
  const key = pem(user, 'client-key', 'user');
  if ((certificate === undefined) !== (key === undefined))
    throw new KubeConfigError('user.client-certificate and user.client-key go together; give both');
  const token = tokenOf(user, around.base);
  const tlsServerName = textOf(cluster, 'tls-server-name', 'cluster.tls-server-name');
  const insecure = cluster['insecure-skip-tls-verify'] === true;
  if (insecure && ca !== undefined)
    throw new KubeConfigError(
      'cluster.insecure-skip-tls-verify does not go with certificate-authority; remove one of them',
    );
  return {
    server,
    namespace: around.namespace,
    source: around.source,
    ...(ca === undefined ? {} : { ca }),
    ...(certificate === undefined || key === undefined ? {} : { certificate, key }),
    ...(token ? { token } : {}),
    ...(tlsServerName ? { tlsServerName } : {}),
    ...(insecure ? { insecureSkipTlsVerify: true } : {}),
  };
}

function tokenOf(user: Section, base: string): (() => string | undefined) | undefined {
  const file = textOf(user, 'tokenFile', 'user.tokenFile');
  if (file) {
    const token = tokenFile(resolve(base, file), 'user.tokenFile');
    token();
    return token;
  }
  const token = textOf(user, 'token', 'user.token');
  return token ? () => token : undefined;
}

/** Reads the file again after a minute, or when it was changed; one that vanished leaves the token as it was. */
function tokenFile(path: string, field: string): () => string {
  let token: string | undefined;
  let readAt = 0;
  let mtime = 0;
  return () => {
    const now = performance.now();
    const changed = statSync(path, { throwIfNoEntry: false })?.mtimeMs;
    if (token === undefined || now - readAt > TOKEN_MS || (changed !== undefined && changed !== mtime)) {
      try {
        token = readText(path, field).trim();
        mtime = changed ?? 0;
        readAt = now;
      } catch (error) {
        if (token === undefined) throw error;
      }
    }
    return token;
  };
}

function dataOrFile(of: Section, field: string, where: string, base: string): string | undefined {
  const data = textOf(of, `${field}-data`, `${where}.${field}-data`);
  if (data) {
    const text = Buffer.from(data, 'base64').toString('latin1');
    if (text.includes('-----BEGIN')) return text;
    throw new KubeConfigError(
      `${where}.${field}-data is not base64 of a PEM text; encode it with base64 -w0`,
    );
  }
  const file = textOf(of, field, `${where}.${field}`);
  return file ? readText(resolve(base, file), `${where}.${field}`) : undefined;
}

function readText(path: string, field: string): string {
  try {
    const { size } = statSync(path);
    if (size > LARGEST_FILE) throw new Error(`has ${size} bytes, more than ${LARGEST_FILE}`);
    return readFileSync(path, 'utf8');
  } catch (error) {
    const why =
      (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'does not exist' : (error as Error).message;
    throw new KubeConfigError(`${field} '${path}': ${why}; name a file that can be read`);
  }
}

function section(value: unknown, field: string): Section {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Section;
  throw new KubeConfigError(`${field} is not a map; write it as \`kubectl config view --raw\` does`);
}

function textOf(of: Section, key: string, field: string): string | undefined {
  const value = of[key];
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value === 'string') return value;
  throw new KubeConfigError(`${field} is not a text; put it in quotes`);
}

function required(of: Section, key: string, where: string): string {
  const value = textOf(of, key, `${where}.${key}`);
  if (value) return value;
  throw new KubeConfigError(`${where}.${key} is missing; add it`);
}

function listOf(root: Section, list: string): Section[] {
  const entries = root[list] ?? [];
  if (!Array.isArray(entries)) throw new KubeConfigError(`${list} is not a list; write it as kubectl does`);
  return entries.map((one, i) => section(one, `${list}[${i}]`));
}

function names(root: Section, list: string): string[] {
  return listOf(root, list).map((one) => String(one.name));
}

function entry(root: Section, list: string, key: string, name: string): Section {
  const found = listOf(root, list).find((one) => one.name === name);
  if (found) return section(found[key], `${list}[${name}].${key}`);
  throw new KubeConfigError(
    `${key} '${name}' is not in ${list}; there are ${names(root, list).join(', ') || 'none'}`,
  );
}
