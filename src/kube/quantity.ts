// Resource quantities (`100m`, `1Gi`, `2e3`) with exact arithmetic in billionths, the finest that Kubernetes keeps.
// Facts: k8s.io/apimachinery/pkg/api/resource as documented: three formats, canonical form, rounding up below 1n.

export type QuantityFormat = 'DecimalSI' | 'BinarySI' | 'DecimalExponent';

export class QuantityError extends Error {
  override name = 'QuantityError';
}

const NANO = 1_000_000_000n;
const DECIMAL = new Map([
  ['n', -9],
  ['u', -6],
  ['m', -3],
  ['', 0],
  ['k', 3],
  ['M', 6],
  ['G', 9],
  ['T', 12],
  ['P', 15],
  ['E', 18],
]);
const DECIMAL_SUFFIX = new Map([...DECIMAL].map(([suffix, power]) => [power, suffix]));
const BINARY = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];
const FORM = /^([+-]?)([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)$/;
const FORM_TEXT =
  "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

/** An amount of a resource. Immutable; compare with `compare`, never by reference. */
export class Quantity {
  /** Billionths. */
  readonly nanos: bigint;
  readonly format: QuantityFormat;

  constructor(nanos: bigint, format: QuantityFormat = 'DecimalSI') {
    this.nanos = nanos;
    this.format = format;
  }

  /** Rounded up to a whole number, as `Quantity.Value()` upstream. */
  value(): number {
    return Number(divideUp(this.nanos, NANO));
  }

  /** Thousandths, rounded up, as `Quantity.MilliValue()`. */
  milliValue(): number {
    return Number(divideUp(this.nanos, 1_000_000n));
  }

  isZero(): boolean {
    return this.nanos === 0n;
  }

  /** Negative, 0 or positive. */
  compare(other: Quantity): number {
    return this.nanos < other.nanos ? -1 : this.nanos > other.nanos ? 1 : 0;
  }

  add(other: Quantity): Quantity {
    return new Quantity(this.nanos + other.nanos, this.nanos === 0n ? other.format : this.format);
  }

  subtract(other: Quantity): Quantity {
    return new Quantity(this.nanos - other.nanos, this.nanos === 0n ? other.format : this.format);
  }

  /** The canonical form: no fraction, the largest suffix that keeps it whole. `1000m` is `1`, `1024Mi` is `1Gi`, `0.5` is `500m`. */
  toString(): string {
    if (this.nanos === 0n) return '0';
    const absolute = this.nanos < 0n ? -this.nanos : this.nanos;
    if (this.format === 'BinarySI' && absolute >= 1024n * NANO) return this.binary();
    let digits = this.nanos;
    let power = -9;
    while (power < 18 && digits % 1000n === 0n) {
      digits /= 1000n;
      power += 3;
    }
    if (this.format === 'DecimalExponent') return power === 0 ? `${digits}` : `${digits}e${power}`;
    return `${digits}${DECIMAL_SUFFIX.get(power)}`;
  }

  private binary(): string {
    let digits = divideUp(this.nanos, NANO);
    let step = 0;
    while (step < BINARY.length - 1 && digits % 1024n === 0n) {
      digits /= 1024n;
      step++;
    }
    return `${digits}${BINARY[step]}`;
  }

  toJSON(): string {
    return this.toString();
  }
}

/** Away from zero, as upstream rounds. */
function divideUp(value: bigint, by: bigint): bigint {
  const quotient = value / by;
  if (value % by === 0n) return quotient;
  return value < 0n ? quotient - 1n : quotient + 1n;
}

/**
 * Reads a quantity; a JSON number is read as its decimal text.
 * Throws QuantityError with upstream's message: bad form, or a suffix that does not exist.
 */
export function parseQuantity(text: string | number): Quantity {
  const source = typeof text === 'number' ? numberText(text) : text.trim();
  if (source.length > 64) throw new QuantityError(FORM_TEXT);
  if (source === '0') return new Quantity(0n);
  const match = FORM.exec(source);
  if (!match || (match[2] === '' && (match[3] ?? '') === '')) throw new QuantityError(FORM_TEXT);
  const [, sign, whole = '', fraction = '', suffix = ''] = match;
  const digits = BigInt(`${whole}${fraction}` || '0');
  const { numerator, denominator, format } = scaleOf(suffix);
  const scaled = digits * numerator * NANO;
  const nanos = divideUp(scaled, denominator * 10n ** BigInt(fraction.length));
  return new Quantity(sign === '-' ? -nanos : nanos, format);
}

/** Undefined instead of an exception. */
export function tryQuantity(text: unknown): Quantity | undefined {
  if (typeof text !== 'string' && typeof text !== 'number') return undefined;
  try {
    return parseQuantity(text);
  } catch {
    return undefined;
  }
}

function numberText(value: number): string {
  return Number.isInteger(value) && Math.abs(value) < 1e21 ? BigInt(value).toString() : String(value);
}

function scaleOf(suffix: string): { numerator: bigint; denominator: bigint; format: QuantityFormat } {
  const binary = suffix === '' ? -1 : BINARY.indexOf(suffix);
  if (binary > 0) return { numerator: 1024n ** BigInt(binary), denominator: 1n, format: 'BinarySI' };
  const decimal = DECIMAL.get(suffix);
  if (decimal !== undefined) return { ...power(decimal), format: 'DecimalSI' };
  const exponent = /^[eE]([+-]?[0-9]{1,3})$/.exec(suffix);
  if (exponent) return { ...power(Number(exponent[1])), format: 'DecimalExponent' };
  throw new QuantityError("unable to parse quantity's suffix");
}

function power(exponent: number): { numerator: bigint; denominator: bigint } {
  return exponent >= 0
    ? { numerator: 10n ** BigInt(exponent), denominator: 1n }
    : { numerator: 1n, denominator: 10n ** BigInt(-exponent) };
}
