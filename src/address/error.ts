/** Why an address, a range or an allocation was refused. */
export type AddressErrorCode =
  /** The text is not an address or a CIDR, or a number is out of its range. */
  | 'malformed'
  /** A CIDR whose address has bits set beyond its prefix. */
  | 'host-bits-set'
  /** IPv4 where IPv6 is wanted, or the other way round. */
  | 'wrong-family'
  /** Not inside the range that it has to be in. */
  | 'out-of-range'
  /** A range too small (or a prefix too long) to hold what is asked of it. */
  | 'too-small'
  /** Taken by somebody else. */
  | 'in-use'
  /** Nothing is free. */
  | 'exhausted'
  /** Everything free was released a moment ago; `retryAfterMs` says when the first one is ready. */
  | 'cooling-down';

/** What an {@link AddressError} is made of. */
export interface AddressRefusal {
  readonly code: AddressErrorCode;
  /** What the value was for, in the caller's words: `podCIDR`, `nodeBlocks[0]`, `address`. */
  readonly field: string;
  /** The offending value, as given. */
  readonly value: string;
  /** The rule that it breaks, as the rest of a sentence about the value. */
  readonly rule: string;
  /** The way out. */
  readonly fix: string;
  /** Only for `cooling-down`: milliseconds until the same request can succeed. */
  readonly retryAfterMs?: number;
}

/** A refusal that names the field, the value, the rule and the way out. */
export class AddressError extends Error implements AddressRefusal {
  override readonly name = 'AddressError';
  readonly code: AddressErrorCode;
  readonly field: string;
  readonly value: string;
  readonly rule: string;
  readonly fix: string;
  readonly retryAfterMs?: number;

  constructor(refusal: AddressRefusal) {
    super(`${refusal.field} '${refusal.value}' ${refusal.rule}; ${refusal.fix}`);
    this.code = refusal.code;
    this.field = refusal.field;
    this.value = refusal.value;
    this.rule = refusal.rule;
    this.fix = refusal.fix;
    if (refusal.retryAfterMs !== undefined) this.retryAfterMs = refusal.retryAfterMs;
  }
}

/** Whether `error` is an address refusal with one of these codes (with any code when none is given). */
export function isAddressError(error: unknown, ...codes: AddressErrorCode[]): error is AddressError {
  return error instanceof AddressError && (codes.length === 0 || codes.includes(error.code));
}

const LONGEST_SHOWN = 80;

/** A value for an error message: cut when long, so that a hostile input cannot flood a log. */
export function shown(value: unknown): string {
  const text = textOf(value);
  return text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}...` : text;
}

/** Whatever it is: JSON may hold an object whose `toString` is no function. */
function textOf(value: unknown): string {
  try {
    return String(value);
  } catch {
    return Object.prototype.toString.call(value);
  }
}
