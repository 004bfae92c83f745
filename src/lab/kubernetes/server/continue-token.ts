import { badRequest } from './status.ts';

/** Where the next page of a list begins. */
export interface ContinueToken {
  /** The list's revision; -1 for the newest, after the client was told that its own is gone. */
  revision: number;
  /** The last key that was sent. */
  after: string;
}

/** Opaque to clients; upstream's form. */
export function encodeContinue({ revision, after }: ContinueToken): string {
  return Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', rv: revision, start: after })).toString(
    'base64url',
  );
}

/** @param prefix of the list: a token of another list is refused. @throws StatusError 400 */
export function decodeContinue(text: string, prefix: string): ContinueToken {
  try {
    const { v, rv, start } = JSON.parse(Buffer.from(text, 'base64url').toString()) as Record<string, unknown>;
    if (
      v === 'meta.k8s.io/v1' &&
      Number.isSafeInteger(rv) &&
      typeof start === 'string' &&
      start.startsWith(prefix)
    )
      return { revision: rv as number, after: start };
  } catch {
    // Said below.
  }
  throw badRequest('continue key is not valid: it is not from a list of this resource');
}
