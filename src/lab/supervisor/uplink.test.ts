import { expect, test } from 'vitest';
import { pickResolver, uplinkArgv } from './uplink.ts';

const OLD = 'Usage: pasta --dns ADDR --dns-forward ADDR';
const NEW = `${OLD} --dns-host ADDR`;
const remote = '10.0.0.53';

test.each([
  ['the first', [`nameserver ${remote}\nnameserver 10.0.0.54\n`], OLD, { address: remote, told: 'itself' }],
  ['of IPv4', [`# me\nnameserver fd00::53\nnameserver\t${remote}`], OLD, { address: remote, told: 'itself' }],
  [
    'behind systemd-resolved',
    ['nameserver 127.0.0.53', `nameserver ${remote}`],
    OLD,
    { address: remote, told: 'file' },
  ],
  [
    'on the loopback, for who can',
    ['nameserver 127.0.0.53', `nameserver ${remote}`],
    NEW,
    { address: '127.0.0.53', told: 'option' },
  ],
  ['none on the loopback, for who cannot', ['nameserver 127.0.0.1', ''], OLD, undefined],
  ['none', ['', `search example.org\n#nameserver ${remote}`], NEW, undefined],
])('the resolver: %s', (_what, files, help, resolver) => {
  expect(pickResolver(files, help)).toEqual(resolver);
});

test('names are forwarded to who was picked, and without one not at all', () => {
  const argv = (told: 'itself' | 'option' | undefined): string =>
    uplinkArgv('/usr/bin/pasta', '/x', told && { address: remote, told }, '/nowhere').join(' ');
  expect(argv(undefined)).not.toContain('dns');
  expect(argv('itself')).toMatch(/^\/usr\/bin\/pasta .*--dns-forward 168.63.129.16/);
  expect(argv('itself')).not.toContain(remote);
  expect(argv('option')).toContain(`--dns-host ${remote}`);
});
