import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { StatusError, unauthorized } from '../server/status.ts';
import type { Access, Identity } from '../server/types.ts';
import { checkToken } from './service-accounts.ts';
import type { TokenSigner } from './tokens.ts';

export const AUTHENTICATED = 'system:authenticated';
export const ANONYMOUS: Identity = { name: 'system:anonymous', groups: ['system:unauthenticated'] };

/** What a connection's certificate says; the same for all requests on it. */
const byConnection = new WeakMap<object, Identity | 'refused' | 'none'>();

const last = (value: string | string[] | undefined): string | undefined =>
  Array.isArray(value) ? value.at(-1) : value;

function fromConnection(socket: TLSSocket): Identity | 'refused' | 'none' {
  if (typeof socket.getPeerCertificate !== 'function') return 'none';
  const certificate = socket.getPeerCertificate(false);
  if (!certificate?.raw) return 'none';
  // The server asks for a certificate and lets everybody in; `authorized` is the chain's verdict.
  if (!socket.authorized || certificate.ext_key_usage?.includes('1.3.6.1.5.5.7.3.2') === false)
    return 'refused';
  const name = last(certificate.subject.CN);
  if (!name) return 'refused';
  const organizations = [certificate.subject.O ?? []].flat();
  const fingerprint = certificate.fingerprint256.replaceAll(':', '').toLowerCase();
  return {
    name,
    groups: [...organizations.filter((group) => group !== AUTHENTICATED), AUTHENTICATED],
    extra: { 'authentication.kubernetes.io/credential-id': [`X509SHA256=${fingerprint}`] },
  };
}

/** The user of a connection's client certificate: CN is the name, every O a group. */
export function certificateIdentity(request: IncomingMessage): Identity | 'refused' | 'none' {
  const socket = request.socket as TLSSocket;
  let found = byConnection.get(socket);
  if (found === undefined) {
    found = fromConnection(socket);
    byConnection.set(socket, found);
  }
  return found;
}

const WEBSOCKET_BEARER = 'base64url.bearer.authorization.k8s.io.';

/** The token of `Authorization: Bearer …`, or of a WebSocket's subprotocol, which browsers can set. */
function bearerToken(request: IncomingMessage): string | undefined {
  const found = /^bearer +(\S+) *$/i.exec(request.headers.authorization ?? '');
  if (found) return found[1];
  if (request.headers.upgrade?.toLowerCase() !== 'websocket') return undefined;
  const protocols = request.headers['sec-websocket-protocol']?.split(',').map((each) => each.trim());
  const coded = protocols?.find((each) => each.startsWith(WEBSOCKET_BEARER));
  return coded && Buffer.from(coded.slice(WEBSOCKET_BEARER.length), 'base64url').toString();
}

/**
 * Who sends a request: client certificate, else ServiceAccount token, else `system:anonymous`.
 *
 * @throws StatusError 401 for a certificate of another authority, or a token that is wrong, expired or revoked
 */
export function identify(request: IncomingMessage, signer: TokenSigner, access: Access): Identity {
  const certificate = certificateIdentity(request);
  if (typeof certificate === 'object') return certificate;
  const token = bearerToken(request);
  if (token !== undefined) {
    const { identity } = checkToken(token, signer, access);
    if (!identity) throw unauthorized();
    return identity;
  }
  if (certificate === 'refused') throw unauthorized();
  if (request.headers.authorization !== undefined) throw new StatusError(401, 'Unauthorized', 'Unauthorized');
  return ANONYMOUS;
}
