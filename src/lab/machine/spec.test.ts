import { describe, expect, test } from 'vitest';
import { MachineError } from './error.ts';
import { checkRef, checkSpec, hostsFile, resolvConf } from './spec.ts';
import type { MachineSpec } from './types.ts';

const sound: MachineSpec = {
  id: 'n1',
  hostname: 'node-1',
  netns: '/run/x/netns/n1',
  addresses: ['10.0.1.4', 'fd00::4'],
  stateDir: '/var/lib/x/n1',
  runDir: '/run/x/n1',
};

describe('the specification of a machine', () => {
  test('is taken when it is sound', () => {
    checkSpec(sound);
    checkSpec({
      ...sound,
      id: 'a'.repeat(40),
      cgroupParent: 'lab/one',
      nameservers: ['1.2.3.4'],
      keep: ['/home/my projects/y', '/var/lib/..y/.z'],
    });
  });

  const bad: [string, Partial<MachineSpec>, RegExp][] = [
    ['an empty id', { id: '' }, /id must be 1 to 40/],
    ['an id that leads elsewhere', { id: '../n1' }, /id must be/],
    ['a long id', { id: 'a'.repeat(41) }, /id must be/],
    ['a parent that leads elsewhere', { cgroupParent: 'lab/..' }, /cgroupParent must be/],
    ['a relative disk', { stateDir: 'disk' }, /stateDir "disk" must be an absolute path/],
    ['a disk that overlayfs would cut', { stateDir: '/var/lib/a:b' }, /stateDir .* overlayfs cannot take/],
    ['a disk with dots', { stateDir: '/var/lib/../etc' }, /stateDir/],
    ['the root as disk', { stateDir: '/' }, /stateDir/],
    ['a disk in /etc', { stateDir: '/etc/x' }, /lies in \/etc.*choose one elsewhere/],
    ['a disk in /run', { stateDir: '/run/x' }, /lies in \/run/],
    ['a namespace that is an option', { netns: '--help' }, /netns/],
    ['a bad host name', { hostname: 'Node_1' }, /hostname "Node_1"/],
    ['no address', { addresses: [] }, /at least one address/],
    ['a bad address', { addresses: ['10.0.0.256'] }, /"10.0.0.256" is not/],
    ['a bad name server', { nameservers: ['dns'] }, /"dns" is not/],
    ['a bad path to keep', { keep: ['x'] }, /keep/],
    ['a path to keep with dots', { keep: ['/var/lib/./x'] }, /keep/],
  ];
  for (const [what, change, message] of bad) {
    test(`is refused for ${what}`, () => {
      expect(() => checkSpec({ ...sound, ...change })).toThrow(message);
      expect(() => checkSpec({ ...sound, ...change })).toThrow(MachineError);
    });
  }

  test('is checked before anything is removed, too', () => {
    expect(() => checkRef('stop', { ...sound, stateDir: '/var/lib/../..' })).toThrow(MachineError);
  });

  test('gives hosts and name servers', () => {
    expect(hostsFile(sound)).toBe(
      '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n10.0.1.4\tnode-1\nfd00::4\tnode-1\n',
    );
    expect(resolvConf(sound)).toBe('nameserver 168.63.129.16\n');
    expect(resolvConf({ ...sound, nameservers: ['1.1.1.1', '::1'] })).toBe(
      'nameserver 1.1.1.1\nnameserver ::1\n',
    );
  });
});
