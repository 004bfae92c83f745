import { constants } from 'node:os';

const names = new Map<number, string>(
  Object.entries(constants.errno).map(([name, value]) => [value as number, name]),
);
// Codes that Node's table lacks or knows by another name of the same number, such as EWOULDBLOCK
// (include/uapi/asm-generic/errno.h). Those from 512 on never should leave the kernel, but some do.
for (const [errno, name] of [
  [11, 'EAGAIN'],
  [49, 'EUNATCH'],
  [94, 'ESOCKTNOSUPPORT'],
  [95, 'EOPNOTSUPP'],
  [96, 'EPFNOSUPPORT'],
  [106, 'EISCONN'],
  [117, 'EUCLEAN'],
  [120, 'EISNAM'],
  [123, 'ENOMEDIUM'],
  [129, 'EKEYREJECTED'],
  [524, 'ENOTSUPP'],
] as const)
  names.set(errno, name);

/** The symbolic name of a Linux errno, such as `EEXIST`; `E<number>` when it has none here. */
export function errnoName(errno: number): string {
  return names.get(Math.abs(errno)) ?? `E${Math.abs(errno)}`;
}

/** A refusal by the kernel: what was attempted, on which object, and the errno's name. */
export class KernelError extends Error {
  override readonly name = 'KernelError';
  /** What was attempted, as a verb: `create link`, `setns`. */
  readonly operation: string;
  /** What it was attempted on: `azv12ab in /run/netns/x`, `table inet flyover`. */
  readonly object: string;
  /** Positive Linux errno. */
  readonly errno: number;
  /** The errno's name, such as `EEXIST`. */
  readonly code: string;

  constructor(operation: string, object: string, errno: number, detail?: string) {
    const code = errnoName(errno);
    super(`${operation} ${object}: ${code}${detail ? ` (${detail})` : ''}`);
    this.operation = operation;
    this.object = object;
    this.errno = Math.abs(errno);
    this.code = code;
  }
}

/** Whether `error` is a kernel refusal with one of these errno names. */
export function isKernelError(error: unknown, ...codes: string[]): error is KernelError {
  return error instanceof KernelError && (codes.length === 0 || codes.includes(error.code));
}
