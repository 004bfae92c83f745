import koffi from 'koffi';
import { KernelError } from './errno.ts';

// Both glibc and musl answer to this soname on the machines we support (Debian, Ubuntu).
const libc = koffi.load('libc.so.6');

const fns = {
  open: libc.func('int open(const char *path, int flags, int mode)'),
  close: libc.func('int close(int fd)'),
  setns: libc.func('int setns(int fd, int nstype)'),
  unshare: libc.func('int unshare(int flags)'),
  mount: libc.func(
    'int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)',
  ),
  umount2: libc.func('int umount2(const char *target, int flags)'),
  socket: libc.func('int socket(int domain, int type, int protocol)'),
  bind: libc.func('int bind(int fd, const void *address, unsigned int length)'),
  send: libc.func('long send(int fd, const void *buffer, size_t length, int flags)'),
  recv: libc.func('long recv(int fd, void *buffer, size_t length, int flags)'),
  setsockopt: libc.func(
    'int setsockopt(int fd, int level, int name, const void *value, unsigned int length)',
  ),
  poll: libc.func('int poll(void *fds, unsigned long count, int timeout)'),
  if_nametoindex: libc.func('unsigned int if_nametoindex(const char *name)'),
};

/** Runs one call and turns a negative result into a {@link KernelError}. */
function checked(result: number, operation: string, object: string): number {
  if (result < 0) throw new KernelError(operation, object, koffi.errno());
  return result;
}

export const O_RDONLY = 0;
export const O_CLOEXEC = 0o2000000;
export const CLONE_NEWNS = 0x00020000;
export const CLONE_NEWNET = 0x40000000;
export const MNT_DETACH = 2;
export const MS_BIND = 4096;
export const MS_REC = 16384;
export const MS_PRIVATE = 1 << 18;
export const MS_SLAVE = 1 << 19;
export const MS_SHARED = 1 << 20;
export const AF_NETLINK = 16;
export const SOCK_RAW = 3;
export const SOCK_CLOEXEC = 0o2000000;
export const SOCK_NONBLOCK = 0o4000;
export const MSG_DONTWAIT = 0x40;
export const SOL_NETLINK = 270;

export function open(path: string, flags = O_RDONLY | O_CLOEXEC): number {
  return checked(fns.open(path, flags, 0), 'open', path);
}

export function close(fd: number): void {
  fns.close(fd);
}

/** Moves the calling thread into the namespace behind `fd`. `nstype` 0 accepts any kind. */
export function setns(fd: number, nstype: number, object: string): void {
  checked(fns.setns(fd, nstype), 'setns', object);
}

export function unshare(flags: number): void {
  checked(fns.unshare(flags), 'unshare', `flags 0x${flags.toString(16)}`);
}

export function mount(
  source: string,
  target: string,
  type: string | null,
  flags: number,
  data: string | null = null,
): void {
  checked(fns.mount(source, target, type, flags, data), 'mount', target);
}

export function umount(target: string, flags = 0): void {
  checked(fns.umount2(target, flags), 'unmount', target);
}

export function socket(domain: number, type: number, protocol: number): number {
  return checked(fns.socket(domain, type, protocol), 'socket', `domain ${domain} protocol ${protocol}`);
}

export function bind(fd: number, address: Uint8Array, object: string): void {
  checked(fns.bind(fd, address, address.length), 'bind', object);
}

export function send(fd: number, buffer: Uint8Array, object: string): number {
  return checked(Number(fns.send(fd, buffer, buffer.length, 0)), 'send', object);
}

/**
 * Reads one datagram. Returns its length, or -1 when `flags` holds `MSG_DONTWAIT` and nothing waits.
 * A return above `buffer.length` (with MSG_TRUNC) means that the datagram was cut.
 */
export function recv(fd: number, buffer: Uint8Array, flags: number, object: string): number {
  const got = Number(fns.recv(fd, buffer, buffer.length, flags));
  if (got < 0) {
    const errno = koffi.errno();
    if (errno === 11) return -1;
    throw new KernelError('receive', object, errno);
  }
  return got;
}

export function setsockopt(fd: number, level: number, name: number, value: number, object: string): void {
  const buffer = Buffer.alloc(4);
  buffer.writeInt32LE(value);
  checked(fns.setsockopt(fd, level, name, buffer, 4), 'setsockopt', object);
}

/** Waits until `fd` is readable; false when `timeoutMs` passed first (-1: for ever). Blocks the thread. */
export function pollReadable(fd: number, timeoutMs: number): boolean {
  const entry = Buffer.alloc(8);
  entry.writeInt32LE(fd, 0);
  entry.writeInt16LE(1, 4);
  return checked(fns.poll(entry, 1, timeoutMs), 'poll', `fd ${fd}`) > 0;
}

/** The same wait on libuv's thread pool, so that the event loop goes on. */
export function pollReadableAsync(fd: number, timeoutMs: number): Promise<boolean> {
  const entry = Buffer.alloc(8);
  entry.writeInt32LE(fd, 0);
  entry.writeInt16LE(1, 4);
  return new Promise((resolve, reject) => {
    fns.poll.async(entry, 1, timeoutMs, (error: Error | null, result: number) => {
      if (error) reject(error);
      else resolve(result > 0);
    });
  });
}

/** Runs one blocking netlink exchange's receive on the thread pool. See {@link recv}. */
export function recvAsync(fd: number, buffer: Uint8Array, object: string): Promise<number> {
  return new Promise((resolve, reject) => {
    fns.recv.async(fd, buffer, buffer.length, 0, (error: Error | null, result: number | bigint) => {
      if (error) reject(error);
      else if (Number(result) < 0) reject(new KernelError('receive', object, 5));
      else resolve(Number(result));
    });
  });
}

/** Runs `send` on the thread pool: the kernel works off a netlink request inside it. */
export function sendAsync(fd: number, buffer: Uint8Array, object: string): Promise<number> {
  return new Promise((resolve, reject) => {
    fns.send.async(fd, buffer, buffer.length, 0, (error: Error | null, result: number | bigint) => {
      if (error) reject(error);
      else if (Number(result) < 0) reject(new KernelError('send', object, 5));
      else resolve(Number(result));
    });
  });
}
