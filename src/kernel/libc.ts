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
  eventfd: libc.func('int eventfd(unsigned int initial, int flags)'),
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
const EFD_CLOEXEC = 0o2000000;
const EFD_NONBLOCK = 0o4000;
const EINTR = 4;
const EIO = 5;
const EAGAIN = 11;

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
    if (errno === EAGAIN) return -1;
    if (errno === EINTR) return recv(fd, buffer, flags, object);
    throw new KernelError('receive', object, errno);
  }
  return got;
}

export function setsockopt(fd: number, level: number, name: number, value: number, object: string): void {
  const buffer = Buffer.alloc(4);
  buffer.writeInt32LE(value);
  checked(fns.setsockopt(fd, level, name, buffer, 4), 'setsockopt', object);
}

/** Bytes of one `struct pollfd`: the descriptor (32 bits), what is awaited and what happened (16 bits each). */
export const POLLFD_LENGTH = 8;
export const POLLIN = 1;

function pollEntry(fd: number): Buffer {
  const entry = Buffer.alloc(POLLFD_LENGTH);
  entry.writeInt32LE(fd, 0);
  entry.writeInt16LE(POLLIN, 4);
  return entry;
}

/**
 * Waits until `fd` is readable; false when `timeoutMs` passed first (-1: for ever). Blocks the thread. A signal
 * begins the wait anew.
 */
export function pollReadable(fd: number, timeoutMs: number): boolean {
  const entry = pollEntry(fd);
  for (;;) {
    const ready = fns.poll(entry, 1, timeoutMs);
    if (ready >= 0) return ready > 0;
    if (koffi.errno() !== EINTR) throw new KernelError('poll', `fd ${fd}`, koffi.errno());
  }
}

/** The same wait on libuv's thread pool, so that the event loop goes on. A signal may end it early as false. */
export function pollReadableAsync(fd: number, timeoutMs: number): Promise<boolean> {
  return pollAsync(pollEntry(fd), 1, timeoutMs).then((ready) => ready > 0);
}

/**
 * Waits on the thread pool for `count` descriptors: `entries` is an array of `struct pollfd`, filled in when the
 * promise resolves with the number that are ready, 0 after the timeout, or -1 (a signal; the errno of a call on
 * another thread is not to be had). One of the pool's four threads is taken for as long.
 */
export function pollAsync(entries: Buffer, count: number, timeoutMs: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fns.poll.async(entries, count, timeoutMs, (error: Error | null, result: number) => {
      if (error) reject(error);
      else resolve(result);
    });
  });
}

/** A descriptor that becomes readable when 8 bytes (a number) are written to it. */
export function eventfd(): number {
  return checked(fns.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), 'eventfd', '');
}

/**
 * {@link recv} on the thread pool. A failure there is told as EIO: the errno of a call on another thread is not
 * to be had.
 */
export function recvAsync(fd: number, buffer: Uint8Array, object: string): Promise<number> {
  return new Promise((resolve, reject) => {
    fns.recv.async(fd, buffer, buffer.length, 0, (error: Error | null, result: number | bigint) => {
      if (error) reject(error);
      else if (Number(result) < 0) reject(new KernelError('receive', object, EIO, 'on another thread'));
      else resolve(Number(result));
    });
  });
}

/**
 * {@link send} on the thread pool: the kernel works off a netlink request inside it. A failure is told as EIO, as
 * above. `buffer` must stay as it is until then.
 */
export function sendAsync(fd: number, buffer: Uint8Array, object: string): Promise<number> {
  return new Promise((resolve, reject) => {
    fns.send.async(fd, buffer, buffer.length, 0, (error: Error | null, result: number | bigint) => {
      if (error) reject(error);
      else if (Number(result) < 0) reject(new KernelError('send', object, EIO, 'on another thread'));
      else resolve(Number(result));
    });
  });
}
