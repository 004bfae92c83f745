import { shown } from '../../../address/error.ts';

/** Why the address store refused. Addresses that are not to be had are an `AddressError` instead. */
export type IpamErrorCode =
  /** A request with a field that is missing, too long, or not what it should be. */
  | 'invalid'
  /** An address that an attachment wants to keep has another owner. */
  | 'in-use'
  /** Another agent has the state open. */
  | 'locked'
  /** The state on disk cannot be trusted; nothing was changed. */
  | 'corrupt'
  /** The disk refused; the request did not happen, and may be tried again. */
  | 'write-failed'
  /** The store was closed. */
  | 'closed';

/** A refusal that names the field, the value, the rule and the way out. */
export class IpamError extends Error {
  override readonly name = 'IpamError';
  readonly code: IpamErrorCode;
  readonly field: string;
  readonly value: string;
  readonly rule: string;
  readonly fix: string;

  constructor(
    code: IpamErrorCode,
    refusal: { field: string; value: unknown; rule: string; fix: string },
    cause?: unknown,
  ) {
    const { field, rule, fix } = refusal;
    const value = shown(refusal.value);
    super(`${field} '${value}' ${rule}; ${fix}`, cause === undefined ? undefined : { cause });
    this.code = code;
    this.field = field;
    this.value = value;
    this.rule = rule;
    this.fix = fix;
  }
}

/** Whether `error` is a refusal by the store with one of these codes (with any when none is given). */
export function isIpamError(error: unknown, ...codes: IpamErrorCode[]): error is IpamError {
  return error instanceof IpamError && (codes.length === 0 || codes.includes(error.code));
}
