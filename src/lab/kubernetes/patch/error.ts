// Why a patch was refused.

import { StatusError } from '../server/status.ts';

export interface PatchCause {
  reason: string;
  message: string;
  field?: string;
}

/** A refused patch; the reason is empty where upstream gives none. */
export class PatchError extends StatusError {
  override name = 'PatchError';

  constructor(code: number, reason: string, message: string, causes: PatchCause[] = []) {
    super(code, reason, message, causes.length > 0 ? { causes } : undefined);
  }
}

/** 400: the patch itself cannot be understood. */
export function badPatch(message: string): PatchError {
  return new PatchError(400, 'BadRequest', message);
}

/**
 * 422: the patch is understood but does not fit the object. Upstream says only that the request has an error; what did not fit
 * is of more use, and kubectl prints the message when there are no causes.
 */
export function unfitPatch(why: string): PatchError {
  return new PatchError(422, 'Invalid', why);
}
