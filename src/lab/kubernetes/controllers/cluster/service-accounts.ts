// The ServiceAccount `default` and the ConfigMap `kube-root-ca.crt` of every namespace, and the end of token secrets.
import { isKubeError } from '../../../../kube/error.ts';
import type { ResourceType } from '../../../../kube/resources.ts';
import {
  type Context,
  type Controller,
  controllerLoop,
  create,
  isNamespaceTerminating,
  merge,
  remove,
} from '../common/context.ts';
import { CONFIG_MAPS, NAMESPACES, SECRETS, SERVICE_ACCOUNTS, type Secret } from '../common/objects.ts';

export const ROOT_CA = 'kube-root-ca.crt';
const NOTE = {
  'kubernetes.io/description':
    'Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.',
};

/** @param rootCa the certificates (PEM) by which pods know the API server; undefined leaves the ConfigMaps alone */
export function serviceAccountController(context: Context, rootCa: string | undefined): Controller {
  const namespaces = context.informers.of(NAMESPACES);
  const accounts = context.informers.of(SERVICE_ACCOUNTS);
  const maps = context.informers.of(CONFIG_MAPS);
  const secrets = context.informers.of(SECRETS);
  const loop = controllerLoop(
    context,
    { name: 'serviceaccount', workers: 8, needs: [NAMESPACES, SERVICE_ACCOUNTS, CONFIG_MAPS] },
    reconcile,
  );
  const tokens = controllerLoop(context, { name: 'tokens', needs: [SERVICE_ACCOUNTS, SECRETS] }, cleanUp);
  namespaces.on('add', (ns) => loop.add(ns.metadata.name));
  namespaces.on('update', (ns, old) => {
    if (ns.status.phase !== old.status.phase) loop.add(ns.metadata.name);
  });
  accounts.on('delete', (account) => {
    loop.add(account.metadata.namespace);
    for (const secret of secrets.list())
      if (accountOf(secret)?.uid === account.metadata.uid)
        tokens.add(`${secret.metadata.namespace}/${secret.metadata.name}`);
  });
  maps.on('delete', (map) => loop.add(map.metadata.namespace));
  maps.on('update', (map) => loop.add(map.metadata.namespace));
  secrets.on('add', (secret) => tokens.add(`${secret.metadata.namespace}/${secret.metadata.name}`));

  async function reconcile(namespace: string): Promise<undefined> {
    const ns = namespaces.get(namespace);
    if (!ns || ns.metadata.deletionTimestamp || ns.status.phase === 'Terminating') return;
    if (!accounts.get(`${namespace}/default`))
      await ensure(SERVICE_ACCOUNTS, { metadata: { name: 'default', namespace } });
    if (rootCa === undefined) return;
    const map = maps.get(`${namespace}/${ROOT_CA}`);
    const data = { 'ca.crt': rootCa };
    if (!map) await ensure(CONFIG_MAPS, { metadata: { name: ROOT_CA, namespace, annotations: NOTE }, data });
    else if (map.data?.['ca.crt'] !== rootCa) await merge(context, CONFIG_MAPS, map, { data });
  }

  async function ensure<T>(type: ResourceType<T>, object: object): Promise<void> {
    try {
      await create(context, type, object);
    } catch (error) {
      if (isKubeError(error, 409) || isNamespaceTerminating(error) || isKubeError(error, 404)) return;
      throw error;
    }
  }

  /** Deletes the token of an account that is gone. */
  async function cleanUp(key: string): Promise<undefined> {
    const secret = secrets.get(key);
    const of = secret && accountOf(secret);
    if (!secret || !of) return;
    const { namespace } = secret.metadata;
    if (accounts.get(`${namespace}/${of.name}`)?.metadata.uid === of.uid) return;
    const fresh = await context.client.find(SERVICE_ACCOUNTS, { namespace, name: of.name });
    if (fresh?.metadata.uid !== of.uid) await remove(context, SECRETS, secret);
  }

  return {
    name: 'serviceaccount',
    stop: async () => {
      await Promise.all([loop.stop(), tokens.stop()]);
    },
  };
}

function accountOf(secret: Secret): { name: string; uid: string } | undefined {
  const annotations = secret.metadata.annotations ?? {};
  const name = annotations['kubernetes.io/service-account.name'];
  const uid = annotations['kubernetes.io/service-account.uid'];
  return name && uid ? { name, uid } : undefined;
}
