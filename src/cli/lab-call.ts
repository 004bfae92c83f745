import { call, type Method } from '../lab/supervisor/client.ts';
import { startProgress } from './progress.ts';

/** Long work of the supervisor, with its progress on stderr. */
export async function callWithProgress<T>(
  title: string,
  method: Method,
  path: string,
  body?: unknown,
): Promise<T> {
  const progress = startProgress(title);
  try {
    return await call<T>(method, path, body, progress.step);
  } finally {
    progress.end();
  }
}

/** A path of the supervisor's API with its parts encoded. */
export function apiPath(...parts: string[]): string {
  return `/v1/${parts.map(encodeURIComponent).join('/')}`;
}

/** A whole number of the command line; what is none goes through as it is, and the rules refuse it by its name. */
export function wholeNumber(text: string): number | string {
  return /^-?\d{1,9}$/.test(text) ? Number(text) : text;
}

/** `NAME` or `NAME=CIDR`. */
export function nameAndRange(text: string): { name: string; range?: string } {
  const at = text.indexOf('=');
  return at < 0 ? { name: text } : { name: text.slice(0, at), range: text.slice(at + 1) };
}
