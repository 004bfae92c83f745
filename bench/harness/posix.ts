import koffi from 'koffi';
import { KernelError } from '../../src/kernel/errno.ts';

// What the benches need of libc beyond src/kernel: children and sockets that Node's event loop has no part in.
const libc = koffi.load('libc.so.6');

const fns = {
  pipe2: libc.func('int pipe2(_Out_ int *ends, int flags)'),
  close: libc.func('int close(int fd)'),
  read: libc.func('long read(int fd, void *buffer, size_t length)'),
  write: libc.func('long write(int fd, const void *buffer, size_t length)'),
  poll: libc.func('int poll(void *fds, unsigned long count, int timeout)'),
  waitpid: libc.func('int waitpid(int pid, _Out_ int *status, int options)'),
  actionsInit: libc.func('int posix_spawn_file_actions_init(void *actions)'),
  actionsDup2: libc.func('int posix_spawn_file_actions_adddup2(void *actions, int from, int to)'),
  actionsDestroy: libc.func('int posix_spawn_file_actions_destroy(void *actions)'),
  spawn: libc.func(
    'int posix_spawn(_Out_ int *pid, const char *path, const void *actions, const void *attributes, const char **argv, const char **envp)',
  ),
};

const O_CLOEXEC = 0o2000000;
const EINTR = 4;
const POLLIN = 1;
const POLLFD_LENGTH = 8;
/** More than glibc's and musl's `posix_spawn_file_actions_t` (80 bytes). */
const FILE_ACTIONS_LENGTH = 256;

function checked(result: number, operation: string, object: string): number {
  if (result < 0) throw new KernelError(operation, object, koffi.errno());
  return result;
}

export function close(fd: number): void {
  fns.close(fd);
}

/** A pipe whose ends no child inherits: `[to read from, to write to]`. */
export function pipe(): [read: number, write: number] {
  const ends = [0, 0];
  checked(fns.pipe2(ends, O_CLOEXEC), 'make', 'pipe');
  return ends as [number, number];
}

/** Bytes read, 0 at the end. */
export function read(fd: number, buffer: Uint8Array): number {
  for (;;) {
    const got = Number(fns.read(fd, buffer, buffer.length));
    if (got >= 0) return got;
    if (koffi.errno() !== EINTR) throw new KernelError('read', `fd ${fd}`, koffi.errno());
  }
}

/** All of `bytes`, which must fit into what the descriptor takes without waiting (a pipe: 64 KB). */
export function write(fd: number, bytes: Uint8Array): void {
  const put = checked(Number(fns.write(fd, bytes, bytes.length)), 'write', `fd ${fd}`);
  if (put !== bytes.length) throw new RangeError(`write fd ${fd}: only ${put} of ${bytes.length} bytes`);
}

/** Waits until one of the descriptors can be read or is at its end; which ones. */
export function waitReadable(fds: readonly number[]): number[] {
  const entries = Buffer.alloc(fds.length * POLLFD_LENGTH);
  for (const [i, fd] of fds.entries()) {
    entries.writeInt32LE(fd, i * POLLFD_LENGTH);
    entries.writeInt16LE(POLLIN, i * POLLFD_LENGTH + 4);
  }
  while (fns.poll(entries, fds.length, -1) < 0) {
    if (koffi.errno() !== EINTR) throw new KernelError('poll', `${fds.length} fds`, koffi.errno());
  }
  return fds.filter((_, i) => entries.readInt16LE(i * POLLFD_LENGTH + 6) !== 0);
}

/**
 * Starts a program (no shell, no fork of this large process: posix_spawn) with these descriptors as its stdin and
 * stdout; stderr is ours. It lives in the namespaces of the calling thread.
 */
export function spawn(
  path: string,
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
  stdin: number,
  stdout: number,
): number {
  const actions = Buffer.alloc(FILE_ACTIONS_LENGTH);
  fns.actionsInit(actions);
  try {
    fns.actionsDup2(actions, stdin, 0);
    fns.actionsDup2(actions, stdout, 1);
    const pid = [0];
    const envp = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    const errno = fns.spawn(pid, path, actions, null, [path, ...argv, null], [...envp, null]);
    if (errno !== 0) throw new KernelError('spawn', path, errno);
    return pid[0]!;
  } finally {
    fns.actionsDestroy(actions);
  }
}

/** Waits for a child and returns its exit code; 128 and the signal's number when one killed it. */
export function waitFor(pid: number): number {
  const status = [0];
  while (fns.waitpid(pid, status, 0) < 0) {
    if (koffi.errno() !== EINTR) throw new KernelError('wait', `process ${pid}`, koffi.errno());
  }
  const signal = status[0]! & 0x7f;
  return signal === 0 ? (status[0]! >> 8) & 0xff : 128 + signal;
}

const sockets = {
  socket: libc.func('int socket(int domain, int type, int protocol)'),
  bind: libc.func('int bind(int fd, const void *address, unsigned int length)'),
  listen: libc.func('int listen(int fd, int backlog)'),
  accept: libc.func('int accept(int fd, void *address, void *length)'),
  connect: libc.func('int connect(int fd, const void *address, unsigned int length)'),
  setsockopt: libc.func(
    'int setsockopt(int fd, int level, int name, const void *value, unsigned int length)',
  ),
};
const AF_INET = 2;
const SOCK_STREAM = 1;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;

/** `struct sockaddr_in` */
function socketAddress(address: string, port: number): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt16LE(AF_INET, 0);
  bytes.writeUInt16BE(port, 2);
  for (const [i, part] of address.split('.').entries()) bytes.writeUInt8(Number(part), 4 + i);
  return bytes;
}

/** A TCP socket that waits for connections. */
export function listen(address: string, port: number): number {
  const fd = checked(sockets.socket(AF_INET, SOCK_STREAM, 0), 'make', 'socket');
  checked(sockets.bind(fd, socketAddress(address, port), 16), 'bind', `${address}:${port}`);
  checked(sockets.listen(fd, 16), 'listen on', `${address}:${port}`);
  return fd;
}

/** Waits for the next connection. */
export function accept(fd: number): number {
  return withoutDelay(checked(sockets.accept(fd, null, null), 'accept on', `fd ${fd}`));
}

export function connect(address: string, port: number): number {
  const fd = checked(sockets.socket(AF_INET, SOCK_STREAM, 0), 'make', 'socket');
  checked(sockets.connect(fd, socketAddress(address, port), 16), 'connect to', `${address}:${port}`);
  return withoutDelay(fd);
}

/** Small messages go at once. */
function withoutDelay(fd: number): number {
  const on = Buffer.from([1, 0, 0, 0]);
  checked(sockets.setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, on, 4), 'set TCP_NODELAY of', `fd ${fd}`);
  return fd;
}
