import type { KubeObject } from '../schema/types.ts';
import type { Access, Change } from '../server/types.ts';
import { SERVICE_ACCOUNT_PREFIX } from './service-accounts.ts';
import type { TokenSigner } from './tokens.ts';

const SECRETS = { group: '', plural: 'secrets' };
const ACCOUNTS = { group: '', plural: 'serviceaccounts' };
const TYPE = 'kubernetes.io/service-account-token';
const NAME = 'kubernetes.io/service-account.name';
const UID = 'kubernetes.io/service-account.uid';
/** Such tokens are meant to last as long as their Secret. Seconds: ten years. */
const LIFETIME = 10 * 365 * 24 * 3600;

const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** The Secret with its token, undefined when there is nothing to do for it. */
function filled(
  secret: KubeObject,
  account: KubeObject,
  signer: TokenSigner,
  ca: string,
): KubeObject | undefined {
  const { name = '', uid = '', namespace = '', annotations } = secret.metadata ?? {};
  const data = (secret.data ?? {}) as Record<string, string>;
  const owner = { name: account.metadata?.name ?? '', uid: account.metadata?.uid ?? '' };
  if (annotations?.[UID] && annotations[UID] !== owner.uid) return undefined;
  if (data.token && data['ca.crt'] && data.namespace) return undefined;
  const now = Math.floor(Date.now() / 1000);
  const token = signer.sign({
    aud: [signer.issuer],
    exp: now + LIFETIME,
    iat: now,
    nbf: now,
    sub: `${SERVICE_ACCOUNT_PREFIX}${namespace}:${owner.name}`,
    'kubernetes.io': { namespace, serviceaccount: owner, secret: { name, uid } },
  });
  return {
    ...secret,
    metadata: { ...secret.metadata, annotations: { ...annotations, [UID]: owner.uid } },
    data: { ...data, token: base64(token), 'ca.crt': base64(ca), namespace: base64(namespace) },
  };
}

/**
 * Fills Secrets of type `kubernetes.io/service-account-token`, and removes them with their ServiceAccount. Upstream's controller manager does
 * it; here only the API server has the key.
 */
export function keepTokenSecrets(
  access: Access,
  signer: TokenSigner,
  ca: string,
  onError: (error: unknown) => void,
): void {
  const fill = async (secret: KubeObject): Promise<void> => {
    const { namespace, annotations } = secret.metadata ?? {};
    const name = annotations?.[NAME];
    const account = name && access.get(ACCOUNTS, namespace, name);
    const next = account && filled(secret, account, signer, ca);
    if (next) await access.update(SECRETS, next, { manager: 'kube-controller-manager' });
  };
  const isOurs = (secret: KubeObject): boolean => secret.type === TYPE;
  const later = (work: () => Promise<void>): void => {
    // What was changed or deleted meanwhile comes again by itself, or needs nothing any more.
    const ignored = (error: unknown): boolean => [404, 409].includes((error as { code?: number }).code ?? 0);
    Promise.resolve()
      .then(work)
      .catch((error: unknown) => {
        if (!ignored(error)) onError(error);
      });
  };
  const ofAccount = (namespace: string | undefined, name: string): KubeObject[] =>
    access
      .list(SECRETS, namespace)
      .filter((secret) => isOurs(secret) && secret.metadata?.annotations?.[NAME] === name);
  access.onChange(SECRETS, (change: Change) => {
    if (change.type === 'DELETED') return;
    const secret = change.object();
    if (isOurs(secret)) later(() => fill(structuredClone(secret)));
  });
  access.onChange(ACCOUNTS, ({ type, namespace, name }: Change) => {
    if (type === 'MODIFIED') return;
    later(async () => {
      for (const secret of ofAccount(namespace, name)) {
        const uid = secret.metadata?.annotations?.[UID];
        if (type === 'ADDED') await fill(secret);
        else if (uid) await access.delete(SECRETS, namespace, secret.metadata?.name ?? '');
      }
    });
  });
}
