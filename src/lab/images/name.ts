/** The host of images that were built here: a runtime takes `localhost` for a registry's name and looks no further. */
const OWN_HOST = 'localhost';

/**
 * An image's full name as container runtimes look it up: `flyover/toolbox` stands for
 * `localhost/flyover/toolbox:latest`. Names with a host of their own, and names by digest, stay as they are.
 */
export function normalizedName(name: string): string {
  const first = name.slice(0, Math.max(name.indexOf('/'), 0));
  const hasHost = first.includes('.') || first.includes(':') || first === OWN_HOST;
  const hosted = hasHost ? name : `${OWN_HOST}/${name}`;
  const last = hosted.slice(hosted.lastIndexOf('/') + 1);
  return last.includes(':') || last.includes('@') ? hosted : `${hosted}:latest`;
}
