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

function shown(value: unknown): string {
  const text =
    typeof value === 'bigint'
      ? `${value}`
      : (JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? `${v}` : v)) ?? 'undefined');
  return text.length > 100 ? `${text.slice(0, 97)}...` : text;
}
