import { expect, it } from 'vitest';
import { readOptions } from './options.ts';

const NEEDED = ['--state', '/s', '--pki', '/p', '--address', '198.19.0.10'];

it('reads what a cluster is told', () => {
  expect(
    readOptions([...NEEDED, '--extra-address', '127.0.0.1', '--extra-address', '198.19.0.10', '--port', '0']),
  ).toEqual({
    state: '/s',
    pki: '/p',
    addresses: ['198.19.0.10', '127.0.0.1'],
    port: 0,
    serviceCidr: '10.0.0.0/16',
    cluster: 'kubernetes',
  });
});

it.each([
  [['--state', '/s', '--address', '127.0.0.1'], '--pki is missing'],
  [[...NEEDED, '--port', '70000'], "--port '70000'"],
  [[...NEEDED, '--extra-address', 'here'], "'here' is not an IP address"],
  [[...NEEDED, '--service-cidr', '10.0.0.0/30'], 'too small'],
  [[...NEEDED, '--service-cidr', '10.0.0.1/16'], '10.0.0.0/16'],
  [[...NEEDED, '--what'], '--what'],
])('refuses %j', (args, message) => {
  expect(() => readOptions(args)).toThrow(message);
});
