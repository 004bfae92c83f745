/** The host that container runtimes read into names without one; nothing is ever fetched from there by this room. */
const DEFAULT_HOST = 'docker.io';

/**
 * An image's full name as container runtimes look it up: `flyover/toolbox` stands for
 * `docker.io/flyover/toolbox:latest`, `debian` for `docker.io/library/debian:latest`. Names by digest stay as they are.
 */
export function normalizedName(name: string): string {
  const slash = name.indexOf('/');
  const first = name.slice(0, Math.max(slash, 0));
  const hasHost = first.includes('.') || first.includes(':') || first === 'localhost';
  const hosted = hasHost ? name : `${DEFAULT_HOST}/${slash < 0 ? 'library/' : ''}${name}`;
  const last = hosted.slice(hosted.lastIndexOf('/') + 1);
  return last.includes(':') || last.includes('@') ? hosted : `${hosted}:latest`;
}
