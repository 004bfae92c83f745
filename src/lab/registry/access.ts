import { createHash, timingSafeEqual } from 'node:crypto';
import { RegistryError } from './error.ts';

/** Who may push and delete. Everybody who reaches the registry may pull. */
export type PushAccess = 'nobody' | 'anybody' | { readonly user: string; readonly password: string };

const hash = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Whether a request's `Authorization` is that of who may push. */
export function mayPush(access: PushAccess, authorization: string | undefined): boolean {
  if (access === 'nobody') return false;
  if (access === 'anybody') return true;
  const encoded = /^Basic ([A-Za-z0-9+/=]{1,1000})$/i.exec(authorization ?? '')?.[1];
  const given = Buffer.from(encoded ?? '', 'base64').toString('utf8');
  // Of equal length and compared in constant time, so that nothing can be learnt from how long it takes.
  return timingSafeEqual(hash(given), hash(`${access.user}:${access.password}`));
}

/** @throws RegistryError `UNAUTHORIZED`, upon which clients send their credentials; `DENIED` */
export function requirePush(access: PushAccess, authorization: string | undefined): void {
  if (mayPush(access, authorization)) return;
  if (access === 'nobody') {
    throw new RegistryError('DENIED', 'this registry takes no pushes; use flyover image load or build');
  }
  throw new RegistryError('UNAUTHORIZED', 'pushing needs the user and password of this registry');
}
