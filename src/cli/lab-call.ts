import { call, type Method } from '../lab/supervisor/client.ts';
import { EXIT } from './exit.ts';
import { type Progress, startProgress } from './progress.ts';

/**
 * Long work of the supervisor, with its progress on stderr. It is the supervisor's work: Ctrl-C ends the waiting alone.
 * @param look - the command that shows how far it is
 */
export async function callWithProgress<T>(
  title: string,
  look: string,
  method: Method,
  path: string,
  body?: unknown,
): Promise<T> {
  return await withProgress(title, `the lab goes on with it; ${look} shows how far it is`, (progress) =>
    call<T>(method, path, body, progress.step),
  );
}

/**
 * Shows progress while something is done.
 * @param afterInterrupt - what to know when Ctrl-C has ended the waiting
 */
export async function withProgress<T>(
  title: string,
  afterInterrupt: string,
  work: (progress: Progress) => Promise<T>,
): Promise<T> {
  const progress = startProgress(title);
  const interrupted = (): void => {
    progress.end();
    process.stderr.write(`flyover: interrupted; ${afterInterrupt}\n`);
    process.exit(EXIT.interrupted);
  };
  process.once('SIGINT', interrupted);
  try {
    return await work(progress);
  } finally {
    process.off('SIGINT', interrupted);
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
