import type { IncomingMessage } from 'node:http';
import { forbidden, StatusError } from '../server/status.ts';
import type { Attributes, Decision, Identity } from '../server/types.ts';
import { ANONYMOUS, AUTHENTICATED } from './authenticate.ts';
import { forbiddenText } from './rbac.ts';
import { serviceAccountGroups, serviceAccountOf } from './service-accounts.ts';

const EXTRA_HEADER = 'impersonate-extra-';
const AUTHENTICATION = 'authentication.k8s.io';

function requestedGroups(request: IncomingMessage): string[] {
  return request.headersDistinct['impersonate-group'] ?? [];
}

function requestedExtra(request: IncomingMessage): Record<string, string[]> {
  const extra: Record<string, string[]> = {};
  for (const [name, values] of Object.entries(request.headersDistinct)) {
    if (!name.startsWith(EXTRA_HEADER) || !values) continue;
    let key = name.slice(EXTRA_HEADER.length);
    try {
      key = decodeURIComponent(key);
    } catch {
      // As it stands, which is what upstream does with a name that is not percent-encoded.
    }
    extra[key] = values;
  }
  return extra;
}

/**
 * The user whom a request wants to be (`Impersonate-User`, `-Group`, `-Uid`, `-Extra-…`), or the one who asks when it wants nothing.
 *
 * @param decide - whether the one who asks may
 * @throws StatusError 403 when one part of it is not allowed
 */
export async function impersonate(
  request: IncomingMessage,
  asker: Identity,
  decide: (identity: Identity, attributes: Attributes) => Decision | Promise<Decision>,
): Promise<Identity> {
  const name = request.headers['impersonate-user'];
  const uid = request.headers['impersonate-uid'];
  const groups = requestedGroups(request);
  const extra = requestedExtra(request);
  if (typeof name !== 'string' || name === '') {
    if (groups.length > 0 || uid !== undefined || Object.keys(extra).length > 0)
      throw new StatusError(
        500,
        'InternalError',
        'Internal error occurred: groups, uid or extra impersonated without impersonating a user',
      );
    return asker;
  }
  const account = serviceAccountOf(name);
  const asked: Partial<Attributes>[] = [
    account
      ? { resource: 'serviceaccounts', namespace: account.namespace, name: account.name }
      : { resource: 'users', name },
    ...groups.map((group) => ({ resource: 'groups', name: group })),
    ...(typeof uid === 'string' ? [{ group: AUTHENTICATION, resource: 'uids', name: uid }] : []),
    ...Object.entries(extra).flatMap(([key, values]) =>
      values.map((value) => ({
        group: AUTHENTICATION,
        resource: 'userextras',
        subresource: key,
        name: value,
      })),
    ),
  ];
  for (const part of asked) {
    const attributes = { verb: 'impersonate', isResource: true, path: '', group: '', ...part };
    const { allowed, reason } = await decide(asker, attributes);
    if (allowed) continue;
    const resource = { group: attributes.group, plural: part.resource ?? '' };
    const text = forbiddenText(asker, attributes);
    throw forbidden(resource, part.name ?? '', reason ? `${text}: ${reason}` : text);
  }
  const own = groups.length === 0 && account ? serviceAccountGroups(account.namespace) : groups;
  const anonymous = name === ANONYMOUS.name;
  const implied = anonymous ? ANONYMOUS.groups : [AUTHENTICATED];
  return {
    name,
    groups: [...new Set([...own, ...implied])],
    ...(typeof uid === 'string' && { uid }),
    ...(Object.keys(extra).length > 0 && { extra }),
  };
}
