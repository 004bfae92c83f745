import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** dist/, whether this code runs from there or from its source. */
export const DIST =
  basename(import.meta.dirname) === 'dist'
    ? import.meta.dirname
    : join(dirname(dirname(import.meta.dirname)), 'dist');

/** What this program is started by once more: the bundle, or the source it is running from. */
export const SELF = process.argv[1]!;

/** A built file. @throws Error that says how to build it */
export function artifact(name: string): string {
  const path = join(DIST, name);
  if (!existsSync(path)) throw new Error(`${path} is missing; build it: node scripts/build.ts`);
  return path;
}

/** The folder of Debian's or somebody else's reference plugins. @throws Error when there is none */
export function referencePlugins(): string {
  const folder = ['/usr/lib/cni', '/opt/cni/bin'].find((one) =>
    ['ptp', 'host-local'].every((name) => existsSync(join(one, name))),
  );
  if (!folder) {
    throw new Error(
      'the reference plugins ptp and host-local are neither in /usr/lib/cni nor in /opt/cni/bin; install them: apt-get install containernetworking-plugins',
    );
  }
  return folder;
}
