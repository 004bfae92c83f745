import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import koffi from 'koffi';
import { KernelError } from '../../../kernel/errno.ts';
import { IpamError } from './error.ts';

const flock = koffi.load('libc.so.6').func('int flock(int fd, int operation)');
const LOCK_EX = 2;
const LOCK_NB = 4;
const EWOULDBLOCK = 11;

/**
 * Locks a file for this process (flock: the kernel gives it back however the process ends, so a stale lock cannot
 * be). The file stays when the lock goes, since removing it would let two processes lock two files of one name.
 * @returns how to unlock
 * @throws IpamError `locked` that names the process which has it; KernelError
 */
export async function lockFile(path: string): Promise<() => Promise<void>> {
  const handle = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  try {
    if (flock(handle.fd, LOCK_EX | LOCK_NB) !== 0) {
      const errno = koffi.errno();
      if (errno !== EWOULDBLOCK) throw new KernelError('lock', path, errno);
      const owner = (await handle.readFile('utf8')).trim();
      throw new IpamError('locked', {
        field: 'state',
        value: path,
        rule: `is locked by another agent${/^[0-9]{1,10}$/.test(owner) ? `, process ${owner}` : ''}`,
        fix: 'stop that one first; one agent serves a node',
      });
    }
    await handle.truncate(0);
    await handle.write(`${process.pid}\n`, 0);
    return () => handle.close();
  } catch (error) {
    await handle.close();
    throw error;
  }
}
