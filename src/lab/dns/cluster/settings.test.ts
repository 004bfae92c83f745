import { expect, test } from 'vitest';
import { readSettings } from './settings.ts';

test('by default it is as a cluster wants it', () => {
  expect(readSettings([])).toMatchObject({
    domain: 'cluster.local',
    ttl: 30,
    hosts: ['0.0.0.0'],
    port: 53,
    pages: { health: 8080, ready: 8181, metrics: 9153 },
    lameduckMs: 5000,
    logQueries: false,
  });
  expect(readSettings(['--help'])).toBeUndefined();
});

test('queries are logged by option or variable', () => {
  expect(readSettings(['--log', 'queries'])?.logQueries).toBe(true);
  expect(readSettings([], { FLYOVER_DNS_LOG: 'queries' })?.logQueries).toBe(true);
  expect(readSettings(['--log', 'errors'], { FLYOVER_DNS_LOG: 'queries' })?.logQueries).toBe(false);
});

test.each([
  [['--port', '70000'], /--port '70000' is not a whole number from 0 to 65535/],
  [['--ttl', '-1'], /ttl/],
  [['--ttl', '3601'], /0 to 3600/],
  [['--lameduck', 'x'], /--lameduck 'x'/],
  [['--listen', 'localhost'], /'localhost' is not an IP address/],
  [['--domain', '.'], /--domain '\.'/],
  [['--log', 'all'], /none of errors, queries/],
  [['--what'], /--what/],
])('%j is refused', (argv, message) => {
  expect(() => readSettings(argv)).toThrow(message);
});
