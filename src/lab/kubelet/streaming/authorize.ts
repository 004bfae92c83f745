import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { StreamingError } from './error.ts';

/** The API server's name at kubelets. */
const API_SERVER = 'kube-apiserver-kubelet-client';
const MASTERS = 'system:masters';
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';

/**
 * Lets in the API server and whom the cluster's authority calls a master, by client certificate; nobody else, and nobody without.
 *
 * @throws StreamingError 401, 403
 */
export function authorize(request: IncomingMessage): void {
  const socket = request.socket as TLSSocket;
  const certificate = socket.getPeerCertificate(false);
  if (!socket.authorized || !certificate?.subject) throw new StreamingError(401, 'Unauthorized');
  if (certificate.ext_key_usage?.includes(CLIENT_AUTH) === false)
    throw new StreamingError(401, 'Unauthorized');
  const { CN, O } = certificate.subject as { CN?: string | string[]; O?: string | string[] };
  const user = [CN ?? []].flat().at(-1) ?? '';
  if (user === API_SERVER || [O ?? []].flat().includes(MASTERS)) return;
  throw new StreamingError(
    403,
    `Forbidden (user=${user}, verb=${request.method?.toLowerCase()}, resource=nodes, subresource=proxy)`,
  );
}
