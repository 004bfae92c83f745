/** A value that nf_tables could never take, found before anything is sent. */
export class NftInputError extends Error {
  override readonly name = 'NftInputError';
  /** Which input: `ip saddr`, `set pod_sources key`. */
  readonly field: string;
  /** What was given. */
  readonly value: unknown;
  /** What holds for this field, and therefore the way out. */
  readonly rule: string;

  constructor(field: string, value: unknown, rule: string) {
    super(`${field}: ${shown(value)}: ${rule}`);
    this.field = field;
    this.value = value;
    this.rule = rule;
  }
}

/** @throws NftInputError unless `value` is absent or a whole number from `least` to `most`. */
export function checkWhole(field: string, value: number | undefined, least: number, most: number): void {
  if (value !== undefined && !(Number.isSafeInteger(value) && value >= least && value <= most))
    throw new NftInputError(field, value, `must be a whole number from ${least} to ${most}`);
}

/** The kernel keeps times in ticks of at least a millisecond, in 64 bits; a hundred years are enough. */
export const MOST_MILLISECONDS = 100 * 365 * 86_400_000;
export const MOST_32 = 0xffff_ffff;

function shown(value: unknown): string {
  const text =
    typeof value === 'bigint'
      ? `${value}`
      : (JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? `${v}` : v)) ?? 'undefined');
  return text.length > 100 ? `${text.slice(0, 97)}...` : text;
}
