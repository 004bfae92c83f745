import { describe, expect, test } from 'vitest';
import { errnoName, isKernelError, KernelError } from './errno.ts';

describe('errnoName', () => {
  test.each([
    [1, 'EPERM'],
    [2, 'ENOENT'],
    [3, 'ESRCH'],
    [11, 'EAGAIN'],
    [16, 'EBUSY'],
    [17, 'EEXIST'],
    [19, 'ENODEV'],
    [22, 'EINVAL'],
    [34, 'ERANGE'],
    [95, 'EOPNOTSUPP'],
    [99, 'EADDRNOTAVAIL'],
    [101, 'ENETUNREACH'],
    [105, 'ENOBUFS'],
    [107, 'ENOTCONN'],
    [524, 'ENOTSUPP'],
    [4000, 'E4000'],
  ])('%i is %s, also as the negative number that netlink sends', (errno, name) => {
    expect(errnoName(errno)).toBe(name);
    expect(errnoName(-errno)).toBe(name);
  });
});

describe('KernelError', () => {
  test('says what was attempted, on what, and why it was refused', () => {
    const error = new KernelError('add route', '10.0.0.1/24 in /run/x', -22, 'Invalid prefix');
    expect(error.message).toBe('add route 10.0.0.1/24 in /run/x: EINVAL (Invalid prefix)');
    expect(error).toMatchObject({ operation: 'add route', errno: 22, code: 'EINVAL' });
    expect(new KernelError('close', 'fd 3', 9).message).toBe('close fd 3: EBADF');
  });

  test('is told apart by its code', () => {
    const error = new KernelError('create link', 'veth a', 17);
    expect(isKernelError(error)).toBe(true);
    expect(isKernelError(error, 'ENOENT', 'EEXIST')).toBe(true);
    expect(isKernelError(error, 'ENOENT')).toBe(false);
    expect(isKernelError(Object.assign(new Error('x'), { code: 'EEXIST' }), 'EEXIST')).toBe(false);
  });
});
