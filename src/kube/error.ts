import type { Status, StatusDetails } from './types.ts';

/** Reasons by status, for answers that are no Status (a proxy's page). */
const REASONS: Record<number, string> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  406: 'NotAcceptable',
  409: 'Conflict',
  410: 'Expired',
  413: 'RequestEntityTooLarge',
  415: 'UnsupportedMediaType',
  422: 'Invalid',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
  504: 'Timeout',
};

/** An API server's refusal: what its Status says. */
export class KubeError extends Error {
  override readonly name = 'KubeError';
  /** HTTP's: 404. */
  readonly status: number;
  /** The API's: NotFound, Conflict, AlreadyExists, Invalid. */
  readonly reason: string;
  readonly details?: StatusDetails;
  readonly retryAfterSeconds?: number;

  constructor(refusal: {
    status: number;
    reason?: string;
    message: string;
    details?: StatusDetails | undefined;
    retryAfterSeconds?: number | undefined;
  }) {
    super(refusal.message);
    this.status = refusal.status;
    this.reason = refusal.reason || REASONS[refusal.status] || 'Unknown';
    if (refusal.details) this.details = refusal.details;
    const seconds = refusal.retryAfterSeconds ?? refusal.details?.retryAfterSeconds;
    if (seconds !== undefined) this.retryAfterSeconds = seconds;
  }
}

/** No answer: the API server cannot be reached, hung up, or took too long. Whether a write was done is not known. */
export class KubeConnectionError extends Error {
  override readonly name = 'KubeConnectionError';
  /** `ECONNREFUSED`, `ETIMEDOUT`, `CERT_HAS_EXPIRED`; empty where there is none. */
  readonly code: string;

  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    const { code } = (cause ?? {}) as { code?: unknown };
    this.code = typeof code === 'string' ? code : '';
  }
}

/** Whether `error` is a refusal with one of these statuses (with any when none is given). */
export function isKubeError(error: unknown, ...statuses: number[]): error is KubeError {
  return error instanceof KubeError && (statuses.length === 0 || statuses.includes(error.status));
}

const LONGEST_PAGE = 300;

/** The refusal in an answer's body. `what` says what was asked: `GET /api/v1/nodes`. */
export function errorOf(what: string, status: number, body: string, retryAfter?: string): KubeError {
  const seconds = retryAfter !== undefined && /^\d{1,5}$/.test(retryAfter) ? Number(retryAfter) : undefined;
  let said: Status | undefined;
  try {
    const json = JSON.parse(body) as Status | null;
    if (json?.kind === 'Status') said = json;
  } catch {
    // a page of somebody in between
  }
  if (said) return errorOfStatus(said, status, seconds);
  const text = body.trim().slice(0, LONGEST_PAGE);
  return new KubeError({
    status,
    message: `${what}: ${status}${text === '' ? '' : ` ${text}`}`,
    retryAfterSeconds: seconds,
  });
}

/** The refusal in a Status: an answer's, or the object of a watch's ERROR event. */
export function errorOfStatus(
  said: Status,
  status = said.code ?? 500,
  retryAfterSeconds?: number,
): KubeError {
  return new KubeError({
    status,
    reason: said.reason ?? '',
    message: said.message ?? `the API server answered ${status} without a message`,
    details: said.details,
    retryAfterSeconds,
  });
}
