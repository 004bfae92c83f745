import { expect, test } from 'vitest';
import { isAtLeast, isSupportedVersion, SUPPORTED_VERSIONS, versionJson } from './versions.ts';

test('knows exactly the versions it speaks', () => {
  for (const version of SUPPORTED_VERSIONS) expect(isSupportedVersion(version)).toBe(true);
  for (const other of ['0.2.0', '0.3', '1.1', '1.1.1', '2.0.0', ' 1.1.0', '', undefined, 1, ['1.1.0']]) {
    expect(isSupportedVersion(other)).toBe(false);
  }
});

test('orders versions by age', () => {
  expect(isAtLeast('0.4.0', '0.4.0')).toBe(true);
  expect(isAtLeast('1.0.0', '0.4.0')).toBe(true);
  expect(isAtLeast('0.3.1', '0.4.0')).toBe(false);
  expect(isAtLeast('1.0.0', '1.1.0')).toBe(false);
});

test('VERSION answers in the version asked for, and in the newest when that is not spoken', () => {
  expect(JSON.parse(versionJson('0.3.1'))).toEqual({
    cniVersion: '0.3.1',
    supportedVersions: ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'],
  });
  expect(JSON.parse(versionJson('7.0.0')).cniVersion).toBe('1.1.0');
  expect(JSON.parse(versionJson(undefined)).cniVersion).toBe('1.1.0');
});
