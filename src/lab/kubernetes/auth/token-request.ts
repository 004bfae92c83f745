import type { KubeObject } from '../schema/types.ts';
import { badRequest, conflict, invalid, notFound } from '../server/status.ts';
import type { Access, ConnectHandler } from '../server/types.ts';
import { SERVICE_ACCOUNT_PREFIX } from './service-accounts.ts';
import type { BoundObject, TokenClaims, TokenSigner } from './tokens.ts';

const KIND = { group: 'authentication.k8s.io', kind: 'TokenRequest' };
const SERVICE_ACCOUNTS = { group: '', plural: 'serviceaccounts' };
const MIN_SECONDS = 600;
const MAX_SECONDS = 2 ** 32;
const DEFAULT_SECONDS = 3600;

interface TokenRequestSpec {
  audiences?: string[];
  expirationSeconds?: number;
  boundObjectRef?: { kind?: string; apiVersion?: string; name?: string; uid?: string } | null;
}

const PLURALS: Record<string, string> = { Pod: 'pods', Secret: 'secrets', Node: 'nodes' };

function refuse(field: string, value: unknown, rule: string): Error {
  const message = `Invalid value: ${JSON.stringify(value)}: ${rule}`;
  return invalid(KIND, '', [{ type: 'FieldValueInvalid', field, message }]);
}

function seconds(spec: TokenRequestSpec): number {
  const value = spec.expirationSeconds ?? DEFAULT_SECONDS;
  const field = 'spec.expirationSeconds';
  if (!Number.isInteger(value) || value < MIN_SECONDS)
    throw refuse(field, value, 'may not specify a duration less than 10 minutes');
  if (value > MAX_SECONDS) throw refuse(field, value, 'may not specify a duration larger than 2^32 seconds');
  return value;
}

const bound = (object: KubeObject): BoundObject => ({
  name: object.metadata?.name ?? '',
  uid: object.metadata?.uid ?? '',
});

/** What the token dies with besides its ServiceAccount. */
function bindings(
  reference: TokenRequestSpec['boundObjectRef'],
  namespace: string,
  account: string,
  access: Access,
): Partial<Record<'pod' | 'secret' | 'node', BoundObject>> {
  if (!reference) return {};
  const plural = PLURALS[reference.kind ?? ''];
  if (!plural || (reference.apiVersion ?? 'v1') !== 'v1')
    throw badRequest(`cannot bind token to object of type /${reference.apiVersion}, Kind=${reference.kind}`);
  const resource = { group: '', plural };
  const name = reference.name ?? '';
  const object = access.get(resource, plural === 'nodes' ? undefined : namespace, name);
  if (!object) throw notFound(resource, name);
  const { uid = '' } = object.metadata ?? {};
  if (reference.uid && reference.uid !== uid)
    throw conflict(
      resource,
      name,
      `the UID in the bound object reference (${reference.uid}) does not match the UID in record. The object might have been deleted and then recreated`,
    );
  if (plural === 'secrets') return { secret: bound(object) };
  if (plural === 'nodes') return { node: bound(object) };
  const { serviceAccountName, nodeName } = (object.spec ?? {}) as Record<string, string | undefined>;
  if (serviceAccountName !== account)
    throw badRequest(
      `cannot bind token for serviceaccount "${account}" to pod running with different serviceaccount name.`,
    );
  const node = nodeName && access.get({ group: '', plural: 'nodes' }, undefined, nodeName);
  return { pod: bound(object), ...(node && { node: bound(node) }) };
}

/** `serviceaccounts/token`: a signed token for the account, bound to what the request names. */
export function tokenRequestHandler(signer: TokenSigner): ConnectHandler {
  return async (context, access) => {
    const { namespace = '', name = '' } = context;
    const account = access.get(SERVICE_ACCOUNTS, namespace, name);
    if (!account) throw notFound(SERVICE_ACCOUNTS, name);
    const sent = (await context.json()) ?? {};
    const spec = (sent.spec ?? {}) as TokenRequestSpec;
    const lifetime = seconds(spec);
    const audiences = spec.audiences?.length ? spec.audiences : [signer.issuer];
    const now = Math.floor(context.now.getTime() / 1000);
    const claims: Omit<TokenClaims, 'iss' | 'jti'> = {
      aud: audiences,
      exp: now + lifetime,
      iat: now,
      nbf: now,
      sub: `${SERVICE_ACCOUNT_PREFIX}${namespace}:${name}`,
      'kubernetes.io': {
        namespace,
        ...bindings(spec.boundObjectRef, namespace, name, access),
        serviceaccount: bound(account),
      },
    };
    return {
      kind: 'TokenRequest',
      apiVersion: 'authentication.k8s.io/v1',
      metadata: { name, namespace, creationTimestamp: context.now.toISOString().replace(/\.\d+Z$/, 'Z') },
      spec: { audiences, expirationSeconds: lifetime, boundObjectRef: spec.boundObjectRef ?? null },
      status: {
        token: signer.sign(claims),
        expirationTimestamp: new Date((now + lifetime) * 1000).toISOString().replace(/\.\d+Z$/, 'Z'),
      },
    };
  };
}
