import { join } from 'node:path';

/** Where the lab keeps what lives only while the machine runs: sockets and pinned namespaces. */
export const LAB_RUN = '/run/flyover-lab';
/** Where the lab keeps what outlives a reboot: the resource store and the disks of nodes. */
export const LAB_STATE = '/var/lib/flyover-lab';
/** The disks of nodes, a folder each. */
export const LAB_DISKS = join(LAB_STATE, 'nodes');
/** Where downloaded packages and built images are kept between labs. */
export const LAB_CACHE = '/var/cache/flyover-lab';

/** What `flyover env` writes, a folder for each user, which is that user's own. */
export const LAB_ENV = '/run/flyover-env';

/** The supervisor's HTTP socket, mode 0600. */
export const SUPERVISOR_SOCKET = join(LAB_RUN, 'supervisor.sock');

/** The file that pins a network namespace of the lab; the empty name is the machine's own. */
export function namespacePath(name: string): string {
  return name === '' ? '/proc/self/ns/net' : join(LAB_RUN, 'netns', name);
}
