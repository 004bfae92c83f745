import { CNI_CODES, type CniFailure } from './failure.ts';

export { CNI_CODES, type CniFailure } from './failure.ts';

/** A failure that the runtime gets to see as CNI error JSON, with this code, message and details. */
export class CniError extends Error {
  override readonly name = 'CniError';
  /** One of {@link CNI_CODES}, or 100 and above. */
  readonly code: number;
  /** Short: what is wrong. */
  readonly msg: string;
  /** Long: the field, the value, the rule, the way out. */
  readonly details: string;

  constructor(code: number, msg: string, details = '', options?: ErrorOptions) {
    super(details ? `${msg}: ${details}` : msg, options);
    this.code = code;
    this.msg = msg;
    this.details = details;
  }
}

/** What the runtime is told of any thrown value: a {@link CniError} as it is, everything else as code 100. */
export function toFailure(error: unknown): CniFailure {
  if (error instanceof CniError) return { code: error.code, msg: error.msg, details: error.details };
  const details = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return { code: CNI_CODES.internal, msg: 'the Flyover agent failed', details };
}
