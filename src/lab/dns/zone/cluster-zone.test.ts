import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { service, slice } from '../testing.ts';
import { TYPE } from '../wire/constants.ts';
import { ClusterZone } from './cluster-zone.ts';
import { ServiceDirectory } from './directory.ts';

let directory: ServiceDirectory;
let zone: ClusterZone;

beforeEach(() => {
  directory = new ServiceDirectory();
  zone = new ClusterZone(directory, {
    domain: 'cluster.local',
    ttl: 30,
    nameServer: 'kube-system/kube-dns',
    now: () => 1_700_000_000,
  });
  for (const name of ['default', 'kube-system', 'empty']) directory.setNamespace({ metadata: { name } });
  directory.setService(
    service('kube-system/kube-dns', { clusterIP: '10.0.0.10', ports: ['dns:53/UDP', 'dns-tcp:53/TCP'] }),
  );
  directory.setService(service('default/web', { clusterIP: '10.0.0.20', ports: ['http:80', 'https:443'] }));
  directory.setService(service('default/plain', { clusterIP: '10.0.0.21', ports: ['80'] }));
  directory.setService(
    service('default/dual', { clusterIPs: ['10.0.0.22', 'FD00:0::22'], ports: ['http:80'] }),
  );
  directory.setService(service('default/away', { externalName: 'WWW.Example.com.' }));
  directory.setService(service('default/address', { externalName: '192.0.2.1' }));
  directory.setService(service('default/db', { clusterIP: 'None', ports: ['sql:5432'] }));
  directory.setService(service('default/idle', { clusterIP: 'None', ports: ['sql:5432'] }));
  directory.setService(service('default/portless', { clusterIP: 'None' }));
  directory.setSlice(
    slice(
      'default/db',
      [
        { addresses: ['10.244.0.5'], hostname: 'db-0', ready: true },
        { addresses: ['10.244.0.6'], hostname: 'db-1' },
        { addresses: ['10.244.0.7'] },
        { addresses: ['10.244.0.8'], hostname: 'db-3', ready: false },
      ],
      [{ name: 'sql', port: 5432, protocol: 'TCP' }],
    ),
  );
  // The same endpoints once more, as for a moment while they move from one slice to another; and other addresses.
  directory.setSlice(
    slice(
      'default/db',
      [{ addresses: ['10.244.0.5'], hostname: 'db-0' }],
      [{ name: 'sql', port: 5432 }],
      'b',
    ),
  );
  directory.setSlice(
    slice('default/db', [{ addresses: ['fd00::5'], hostname: 'db-0' }], [{ name: 'sql', port: 5432 }], 'c'),
  );
  directory.setSlice(
    slice('default/idle', [{ addresses: ['10.244.0.9'], hostname: 'idle-0', ready: false }], []),
  );
  directory.setSlice(slice('default/portless', [{ addresses: ['10.244.0.10'] }]));
  directory.setSlice(
    slice('default/web', [{ addresses: ['10.244.0.11'], hostname: 'w' }], [{ name: 'http', port: 8080 }]),
  );
});

/** As `TYPE DATA`, sorted; or what there is instead. */
function ask(name: string, type: keyof typeof TYPE): string[] | string {
  const found = zone.lookup(name, TYPE[type]);
  if (found.kind === 'alias') return `alias ${found.target}`;
  if (found.kind !== 'records') return found.kind;
  const all = (records: typeof found.records): string[] =>
    records.map(({ type, data, ttl, name: owner }) => {
      expect(ttl).toBe(30);
      const own = owner === name ? '' : `${owner} `;
      if (typeof data !== 'object' || Array.isArray(data) || Buffer.isBuffer(data))
        return `${own}${type} ${data}`;
      const { port, target, weight } = data as { port: number; target: string; weight: number };
      return `${own}${type} ${weight} ${port} ${target}`;
    });
  return [...all(found.records), ...all(found.additionals ?? []).map((text) => `+ ${text}`)].sort();
}

const S = 'svc.cluster.local';

describe('names', () => {
  test.each<[string, keyof typeof TYPE, string[] | string]>([
    // The schema's version (2.2).
    ['dns-version.cluster.local', 'TXT', ['TXT 1.1.0']],
    ['dns-version.cluster.local', 'A', 'nodata'],
    ['x.dns-version.cluster.local', 'TXT', 'nxdomain'],
    // Services with an address (2.3).
    [`web.default.${S}`, 'A', ['A 10.0.0.20']],
    [`web.default.${S}`, 'AAAA', 'nodata'],
    [`web.default.${S}`, 'TXT', 'nodata'],
    [`dual.default.${S}`, 'A', ['A 10.0.0.22']],
    [`dual.default.${S}`, 'AAAA', ['AAAA fd00::22']],
    [`_http._tcp.web.default.${S}`, 'SRV', [`+ web.default.${S} A 10.0.0.20`, `SRV 100 80 web.default.${S}`]],
    [
      `_http._tcp.dual.default.${S}`,
      'SRV',
      [
        `+ dual.default.${S} A 10.0.0.22`,
        `+ dual.default.${S} AAAA fd00::22`,
        `SRV 100 80 dual.default.${S}`,
      ],
    ],
    [`_http._tcp.web.default.${S}`, 'A', ['A 10.0.0.20']],
    [`_http._udp.web.default.${S}`, 'SRV', 'nxdomain'],
    [`_ftp._tcp.web.default.${S}`, 'SRV', 'nxdomain'],
    [`_tcp.web.default.${S}`, 'SRV', 'nodata'],
    [`_udp.web.default.${S}`, 'SRV', 'nxdomain'],
    // A port without a name has no name.
    [`_._tcp.plain.default.${S}`, 'SRV', 'nxdomain'],
    [`_tcp.plain.default.${S}`, 'SRV', 'nxdomain'],
    [
      `web.default.${S}`,
      'SRV',
      ['+ A 10.0.0.20', `SRV 50 443 web.default.${S}`, `SRV 50 80 web.default.${S}`],
    ],
    ['20.0.0.10.in-addr.arpa', 'PTR', [`PTR web.default.${S}`]],
    ['20.0.0.10.in-addr.arpa', 'A', 'nodata'],
    ['99.0.0.10.in-addr.arpa', 'PTR', 'elsewhere'],
    ['0.0.10.in-addr.arpa', 'PTR', 'elsewhere'],
    [`${'2.2.0.0.'}${'0.'.repeat(24)}0.0.d.f.ip6.arpa`, 'PTR', [`PTR dual.default.${S}`]],
    // Headless ones (2.4).
    [`db.default.${S}`, 'A', ['A 10.244.0.5', 'A 10.244.0.6', 'A 10.244.0.7']],
    [`db.default.${S}`, 'AAAA', ['AAAA fd00::5']],
    [`db-0.db.default.${S}`, 'A', ['A 10.244.0.5']],
    [`db-0.db.default.${S}`, 'AAAA', ['AAAA fd00::5']],
    [`db-1.db.default.${S}`, 'AAAA', 'nodata'],
    [`10-244-0-7.db.default.${S}`, 'A', ['A 10.244.0.7']],
    [`10-244-0-5.db.default.${S}`, 'A', 'nxdomain'],
    [`db-3.db.default.${S}`, 'A', 'nxdomain'],
    [
      `_sql._tcp.db.default.${S}`,
      'SRV',
      [
        `+ 10-244-0-7.db.default.${S} A 10.244.0.7`,
        `+ db-0.db.default.${S} A 10.244.0.5`,
        `+ db-0.db.default.${S} AAAA fd00::5`,
        `+ db-1.db.default.${S} A 10.244.0.6`,
        `SRV 33 5432 10-244-0-7.db.default.${S}`,
        `SRV 33 5432 db-0.db.default.${S}`,
        `SRV 33 5432 db-1.db.default.${S}`,
      ],
    ],
    ['5.0.244.10.in-addr.arpa', 'PTR', [`PTR db-0.db.default.${S}`]],
    ['7.0.244.10.in-addr.arpa', 'PTR', 'elsewhere'],
    ['8.0.244.10.in-addr.arpa', 'PTR', 'elsewhere'],
    [`idle.default.${S}`, 'A', 'nxdomain'],
    [`portless.default.${S}`, 'A', ['A 10.244.0.10']],
    [`portless.default.${S}`, 'SRV', 'nodata'],
    // Names of endpoints also below a Service with an address, as CoreDNS has them.
    [`w.web.default.${S}`, 'A', ['A 10.244.0.11']],
    // Other names for others (2.5).
    [`away.default.${S}`, 'A', 'alias www.example.com'],
    [`away.default.${S}`, 'TXT', 'alias www.example.com'],
    [`x.away.default.${S}`, 'A', 'nxdomain'],
    [`address.default.${S}`, 'A', 'nxdomain'],
    // Names for the address of any pod (2.6).
    ['10-244-0-5.default.pod.cluster.local', 'A', ['A 10.244.0.5']],
    ['10-244-0-5.default.pod.cluster.local', 'AAAA', 'nodata'],
    ['fd00--5.default.pod.cluster.local', 'AAAA', ['AAAA fd00::5']],
    ['10-244-0-256.default.pod.cluster.local', 'A', 'nxdomain'],
    ['10-244-0-5.nowhere.pod.cluster.local', 'A', 'nxdomain'],
    ['default.pod.cluster.local', 'A', 'nodata'],
    // What lies above names that exist, exists (RFC 8020).
    ['cluster.local', 'A', 'nodata'],
    ['svc.cluster.local', 'A', 'nodata'],
    ['pod.cluster.local', 'A', 'nodata'],
    ['dns.cluster.local', 'A', 'nodata'],
    [`empty.${S}`, 'A', 'nodata'],
    [`nowhere.${S}`, 'A', 'nxdomain'],
    ['nothing.cluster.local', 'A', 'nxdomain'],
    [`nothing.default.${S}`, 'A', 'nxdomain'],
    [`a.b.c.web.default.${S}`, 'A', 'nxdomain'],
    // Itself.
    ['ns.dns.cluster.local', 'A', ['A 10.0.0.10']],
    ['cluster.local', 'NS', ['+ ns.dns.cluster.local A 10.0.0.10', 'NS ns.dns.cluster.local']],
    // Everybody else's.
    ['example.com', 'A', 'elsewhere'],
    ['local', 'A', 'elsewhere'],
    ['notcluster.local', 'A', 'elsewhere'],
    ['', 'A', 'elsewhere'],
  ])('%s %s', (name, type, answer) => {
    expect(ask(name, type)).toEqual(answer);
  });
});

test('denials carry the zone, with a serial number that changes with its content', () => {
  expect(zone.authority('x.cluster.local')).toMatchObject({
    name: 'cluster.local',
    type: 'SOA',
    data: { mname: 'ns.dns.cluster.local', serial: 1_700_000_000, minimum: 30 },
  });
  expect(zone.authority('20.0.0.10.in-addr.arpa').name).toBe('in-addr.arpa');
});

test('what changes nothing that names depend on, changes no generation', () => {
  const before = zone.generation;
  directory.setService(service('default/web', { clusterIP: '10.0.0.20', ports: ['http:80', 'https:443'] }));
  directory.setSlice(slice('default/portless', [{ addresses: ['10.244.0.10'], ready: true }]));
  directory.setNamespace({ metadata: { name: 'default' } });
  directory.removeSlice(slice('default/unknown', []));
  expect(zone.generation).toBe(before);
  directory.setSlice(slice('default/portless', [{ addresses: ['10.244.0.10'], ready: false }]));
  expect(zone.generation).toBe(before + 1);
  expect(ask(`portless.default.${S}`, 'A')).toBe('nxdomain');
});

test('what has gone is not found by any way', () => {
  directory.removeService(service('default/web'));
  expect(ask(`web.default.${S}`, 'A')).toBe('nxdomain');
  expect(ask('20.0.0.10.in-addr.arpa', 'PTR')).toBe('elsewhere');
  directory.removeNamespace({ metadata: { name: 'empty' } });
  expect(ask(`empty.${S}`, 'A')).toBe('nxdomain');
  directory.setService(service('default/dual', { clusterIP: '10.0.0.23' }));
  expect(ask('22.0.0.10.in-addr.arpa', 'PTR')).toBe('elsewhere');
  expect(ask('23.0.0.10.in-addr.arpa', 'PTR')).toEqual([`PTR dual.default.${S}`]);
});

test('a directory after any changes is the one that was filled with what is left', () => {
  const change = fc.record({
    what: fc.constantFrom('service', 'slice'),
    gone: fc.boolean(),
    name: fc.constantFrom('a', 'b'),
    address: fc.integer({ min: 1, max: 3 }),
    suffix: fc.constantFrom('x', 'y'),
  });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
      const services = new Map<string, ReturnType<typeof service>>();
      const slices = new Map<string, ReturnType<typeof slice>>();
      const changed = new ServiceDirectory();
      for (const { what, gone, name, address, suffix } of changes) {
        const key = `n/${name}`;
        if (what === 'service') {
          const object = service(key, { clusterIP: `10.0.0.${address}`, ports: ['p:80'] });
          if (gone) changed.removeService(object);
          else changed.setService(object);
          if (gone) services.delete(key);
          else services.set(key, object);
        } else {
          const at = [{ addresses: [`10.1.0.${address}`], hostname: `h${address}` }];
          const object = slice(key, at, [{ name: 'p', port: 1 }], suffix);
          if (gone) changed.removeSlice(object);
          else changed.setSlice(object);
          if (gone) slices.delete(key + suffix);
          else slices.set(key + suffix, object);
        }
      }
      const fresh = new ServiceDirectory();
      for (const object of services.values()) fresh.setService(object);
      for (const object of slices.values()) fresh.setSlice(object);
      const view = (of: ServiceDirectory): unknown =>
        ['1', '2', '3'].map((last) => [
          of
            .servicesAt(`10.0.0.${last}`)
            .map(({ name }) => name)
            .sort(),
          of
            .namedEndpointsAt(`10.1.0.${last}`)
            .map(({ service, endpoint }) => service + endpoint.label)
            .sort(),
          of
            .endpoints('n/a')
            .map(({ address }) => address)
            .sort(),
          of.counts,
        ]);
      expect(view(changed)).toEqual(view(fresh));
    }),
  );
});

test('no name, however odd, makes it fail', () => {
  const label = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 12 }),
    fc.constantFrom('svc', 'pod', 'default', 'db', 'web', '_tcp', '_http', '_', 'dns', 'ns', '10-0-0-1', '-'),
  );
  const end = fc.constantFrom('cluster.local', 'svc.cluster.local', 'in-addr.arpa', 'ip6.arpa', 'org', '');
  fc.assert(
    fc.property(fc.array(label, { maxLength: 8 }), end, fc.nat(65_535), (labels, suffix, type) => {
      const name = [...labels, suffix].join('.');
      expect(zone.lookup(name, type).kind).toMatch(/^(records|alias|nodata|nxdomain|elsewhere)$/);
    }),
  );
});
