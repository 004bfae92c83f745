import { accessSync, constants } from 'node:fs';
import { MachineError } from './error.ts';

/** Where programs are looked for, here and inside machines; sbin first as runc lies there on Debian. */
export const SEARCH_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * The absolute path of a program of the host.
 *
 * @throws MachineError naming the Debian package when it is missing.
 */
export function programPath(name: string, debianPackage: string): string {
  for (const folder of SEARCH_PATH.split(':')) {
    const path = `${folder}/${name}`;
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Next folder.
    }
  }
  throw new MachineError('find', name, `not found in ${SEARCH_PATH}; install the package ${debianPackage}`);
}

/** The environment that a machine's programs start with; nothing of the supervisor's own leaks in. */
export const CLEAN_ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: SEARCH_PATH,
  HOME: '/root',
  LANG: 'C.UTF-8',
};
