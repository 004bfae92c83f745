import { NEWEST_VERSION } from './versions.ts';

// Lowered to ES5 for the plugin's front as well, hence values and no Error class: see errors.ts for that.

/** The specification's error codes (0..99 are its own), and ours from 100 on. */
export const CNI_CODES = {
  incompatibleVersion: 1,
  unsupportedField: 2,
  unknownContainer: 3,
  invalidEnvironment: 4,
  ioFailure: 5,
  decodeFailure: 6,
  invalidConfig: 7,
  tryAgainLater: 11,
  /** STATUS: cannot serve ADD. */
  unavailable: 50,
  /** STATUS: cannot serve ADD, and pods that exist may be cut off as well. */
  limitedConnectivity: 51,
  /** Ours: a fault of Flyover itself. */
  internal: 100,
} as const;

/** What the runtime gets to see of a failure. */
export interface CniFailure {
  code: number;
  /** Short: what is wrong. */
  msg: string;
  /** Long: the field, the value, the rule, the way out. */
  details: string;
}

export type Checked<T> = { ok: true; value: T } | { ok: false; failure: CniFailure };

export function pass<T>(value: T): Checked<T> {
  return { ok: true, value: value };
}

export function refuse(code: number, msg: string, details: string): { ok: false; failure: CniFailure } {
  return { ok: false, failure: { code: code, msg: msg, details: details } };
}

/** The error as the specification wants it on stdout. */
export function failureJson(failure: CniFailure, cniVersion?: string): string {
  return JSON.stringify({
    cniVersion: cniVersion || NEWEST_VERSION,
    code: failure.code,
    msg: failure.msg,
    details: failure.details,
  });
}

/** `value` for a message: quoted, on one line, cut to 80 characters. */
export function quote(value: unknown): string {
  const text = JSON.stringify(value);
  if (text === undefined) return String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
