import type { KubeObject } from '../schema/types.ts';
import { badRequest } from '../server/status.ts';
import type { Access, Attributes, ConnectHandler, Decision, Identity } from '../server/types.ts';
import type { RbacIndex } from './rbac.ts';
import { compactRules } from './rules.ts';
import { checkToken } from './service-accounts.ts';
import type { TokenSigner } from './tokens.ts';

/*
 * The kinds of authentication.k8s.io and authorization.k8s.io that answer a question and are not stored.
 */

type Decide = (identity: Identity, attributes: Attributes, access: Access) => Decision;

interface ResourceAttributes {
  namespace?: string;
  verb?: string;
  group?: string;
  version?: string;
  resource?: string;
  subresource?: string;
  name?: string;
}

interface ReviewSpec {
  resourceAttributes?: ResourceAttributes | null;
  nonResourceAttributes?: { path?: string; verb?: string } | null;
  user?: string;
  groups?: string[];
  uid?: string;
  extra?: Record<string, string[]>;
  token?: string;
  audiences?: string[];
  namespace?: string;
}

function attributesOf(spec: ReviewSpec): Attributes {
  const { resourceAttributes: resource, nonResourceAttributes: other } = spec;
  if (Boolean(resource) === Boolean(other))
    throw badRequest('exactly one of nonResourceAttributes or resourceAttributes must be specified');
  if (!resource)
    return { verb: (other?.verb ?? '').toLowerCase(), isResource: false, path: other?.path ?? '' };
  const { verb = '', group = '', ...rest } = resource;
  return { verb, isResource: true, path: '', group, ...rest };
}

const userOf = (identity: Identity) => ({
  username: identity.name,
  ...(identity.uid && { uid: identity.uid }),
  groups: identity.groups,
  ...(identity.extra && { extra: identity.extra }),
});

/** Answers with the review as it was sent and a status. */
function review(answer: (spec: ReviewSpec, identity: Identity, access: Access) => object): ConnectHandler {
  return async (context, access) => {
    const sent = (await context.json()) ?? {};
    const spec = (sent.spec ?? {}) as ReviewSpec;
    const { group, version, kind } = context.kind;
    if (context.namespace && spec.resourceAttributes && !spec.resourceAttributes.namespace)
      spec.resourceAttributes.namespace = context.namespace;
    const object: KubeObject = {
      kind,
      apiVersion: group ? `${group}/${version}` : version,
      metadata: { creationTimestamp: null, ...sent.metadata },
      ...(Object.keys(spec).length > 0 && { spec }),
      status: answer(spec, context.identity, access),
    };
    return object;
  };
}

const verdict = ({ allowed, reason }: Decision): object => ({ allowed, ...(reason && { reason }) });

function otherUser(spec: ReviewSpec): Identity {
  if (!spec.user && !spec.groups?.length) throw badRequest('at least one of user or group must be specified');
  return {
    name: spec.user ?? '',
    groups: spec.groups ?? [],
    ...(spec.uid && { uid: spec.uid }),
    ...(spec.extra && { extra: spec.extra }),
  };
}

/** The handlers by qualified resource, for `Plugins.connect`. */
export function reviewHandlers(
  signer: TokenSigner,
  rbac: RbacIndex,
  decide: Decide,
): Map<string, ConnectHandler> {
  const ofOther = review((spec, _, access) => verdict(decide(otherUser(spec), attributesOf(spec), access)));
  const local: ConnectHandler = async (context, access) => {
    const spec = ((await context.json())?.spec ?? {}) as ReviewSpec;
    const asked = spec.resourceAttributes?.namespace;
    if (asked && asked !== context.namespace)
      throw badRequest(
        `spec.resourceAttributes.namespace must match namespace: '${asked}' is not '${context.namespace}'`,
      );
    return ofOther(context, access);
  };
  return new Map<string, ConnectHandler>([
    ['subjectaccessreviews.authorization.k8s.io', ofOther],
    ['localsubjectaccessreviews.authorization.k8s.io', local],
    [
      'selfsubjectaccessreviews.authorization.k8s.io',
      review((spec, identity, access) => verdict(decide(identity, attributesOf(spec), access))),
    ],
    [
      'selfsubjectrulesreviews.authorization.k8s.io',
      review((spec, identity) => {
        if (!spec.namespace) throw badRequest('no namespace on request');
        const rules = compactRules(rbac.rulesOf(identity, spec.namespace));
        return {
          resourceRules: rules.filter((rule) => rule.resources?.length),
          nonResourceRules: rules.filter((rule) => rule.nonResourceURLs?.length),
          incomplete: false,
        };
      }),
    ],
    [
      'tokenreviews.authentication.k8s.io',
      review((spec, _, access) => {
        if (!spec.token) throw badRequest('token is required for TokenReview in authentication');
        const audiences = spec.audiences?.length ? spec.audiences : [signer.issuer];
        const checked = checkToken(spec.token, signer, access, audiences);
        if (!checked.identity) return { user: {}, error: checked.error };
        return {
          authenticated: true,
          user: userOf(checked.identity),
          audiences: checked.audiences,
        };
      }),
    ],
    ['selfsubjectreviews.authentication.k8s.io', review((_, identity) => ({ userInfo: userOf(identity) }))],
  ]);
}
