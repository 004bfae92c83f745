import type { KubeObject } from '../schema/types.ts';
import type { Access, Identity } from '../server/types.ts';
import type { TokenClaims, TokenSigner } from './tokens.ts';

export const SERVICE_ACCOUNT_PREFIX = 'system:serviceaccount:';
const SERVICE_ACCOUNTS = { group: '', plural: 'serviceaccounts' };
const EXTRA = 'authentication.kubernetes.io';
/** A pod that is being deleted may still finish its work with its token. Milliseconds, as upstream. */
const LEEWAY = 60_000;

/** Namespace and name of a ServiceAccount's user name, undefined for other users. */
export function serviceAccountOf(user: string): { namespace: string; name: string } | undefined {
  if (!user.startsWith(SERVICE_ACCOUNT_PREFIX)) return undefined;
  const [namespace, name, ...rest] = user.slice(SERVICE_ACCOUNT_PREFIX.length).split(':');
  return namespace && name && rest.length === 0 ? { namespace, name } : undefined;
}

export const serviceAccountGroups = (namespace: string): string[] => [
  'system:serviceaccounts',
  `system:serviceaccounts:${namespace}`,
];

function lives(object: KubeObject | undefined, uid: string, now: number): boolean {
  if (object?.metadata?.uid !== uid) return false;
  const { deletionTimestamp } = object.metadata;
  return !deletionTimestamp || Date.parse(deletionTimestamp) + LEEWAY > now;
}

/** Why a token is of no use now, undefined when it is good for one of the audiences. */
function refusal(claims: TokenClaims, audiences: readonly string[], access: Access, now: number) {
  if (claims.exp * 1000 <= now) return 'service account token has expired';
  if (claims.nbf * 1000 > now + 10_000) return 'service account token is not valid yet';
  if (!claims.aud.some((audience) => audiences.includes(audience)))
    return `token audiences ${JSON.stringify(claims.aud)} is invalid for the target audiences ${JSON.stringify(audiences)}`;
  const { namespace, serviceaccount, pod, node, secret } = claims['kubernetes.io'];
  if (!lives(access.get(SERVICE_ACCOUNTS, namespace, serviceaccount.name), serviceaccount.uid, now))
    return 'service account token has been invalidated';
  if (pod && !lives(access.get({ group: '', plural: 'pods' }, namespace, pod.name), pod.uid, now))
    return 'pod bound token has been invalidated';
  if (secret && !lives(access.get({ group: '', plural: 'secrets' }, namespace, secret.name), secret.uid, now))
    return 'secret bound token has been invalidated';
  // A token of a pod also names its node, which may go first; only one bound to the node itself dies with it.
  if (node && !pod && !lives(access.get({ group: '', plural: 'nodes' }, undefined, node.name), node.uid, now))
    return 'node bound token has been invalidated';
  return undefined;
}

function identityOf(claims: TokenClaims): Identity {
  const { namespace, serviceaccount, pod, node } = claims['kubernetes.io'];
  return {
    name: `${SERVICE_ACCOUNT_PREFIX}${namespace}:${serviceaccount.name}`,
    uid: serviceaccount.uid,
    groups: [...serviceAccountGroups(namespace), 'system:authenticated'],
    extra: {
      [`${EXTRA}/credential-id`]: [`JTI=${claims.jti}`],
      ...(pod && { [`${EXTRA}/pod-name`]: [pod.name], [`${EXTRA}/pod-uid`]: [pod.uid] }),
      ...(node && { [`${EXTRA}/node-name`]: [node.name], [`${EXTRA}/node-uid`]: [node.uid] }),
    },
  };
}

export interface TokenCheck {
  identity?: Identity;
  /** Of those asked for, the ones that the token is for. */
  audiences?: string[];
  error?: string;
}

/** Whose token it is: one of ours, in time, for one of the audiences, of a ServiceAccount (and pod, secret, node) that lives. */
export function checkToken(
  token: string,
  signer: TokenSigner,
  access: Access,
  audiences: readonly string[] = [signer.issuer],
): TokenCheck {
  const claims = signer.verify(token);
  if (!claims) return { error: 'invalid bearer token' };
  const error = refusal(claims, audiences, access, Date.now());
  if (error !== undefined) return { error };
  return {
    identity: identityOf(claims),
    audiences: audiences.filter((audience) => claims.aud.includes(audience)),
  };
}
