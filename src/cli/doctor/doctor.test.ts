import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cgroupChecks, parseCgroups } from './cgroups.ts';
import { type Check, probe, probeCheck } from './check.ts';
import { summary } from './command.ts';
import { type Limits, limitChecks } from './limits.ts';
import { type Machine, machineChecks } from './machine.ts';
import { PROGRAMS, parseVersion, programChecks } from './programs.ts';
import { collectRoutes, type MachineRoute, parseMainTable, rangeChecks } from './ranges.ts';
import { section } from './run.ts';

const byName = (checks: Check[], name: string): Check => {
  const found = checks.find((check) => check.name === name);
  if (!found) throw new Error(`no check '${name}' among ${checks.map((check) => check.name).join(', ')}`);
  return found;
};

const machine: Machine = {
  uid: 0,
  capabilities: (1n << 41n) - 1n,
  uidMap: '0          0 4294967295',
  architecture: 'x64',
  kernel: '6.1.0-18-amd64',
  sysctlReadOnly: false,
  node: '24.21.0',
};

describe('machine', () => {
  const status = (change: Partial<Machine>, name: string): string =>
    byName(machineChecks({ ...machine, ...change }), name).status;

  test('a whole machine passes', () => {
    expect(machineChecks(machine).map((check) => check.status)).toEqual(['ok', 'ok', 'ok', 'ok', 'ok']);
  });

  test.each<[string, Partial<Machine>, string, string]>([
    ['an ordinary user cannot try everything', { uid: 1000 }, 'privileges', 'warn'],
    ['root of a user namespace is not root', { uidMap: '0 100000 65536' }, 'privileges', 'fail'],
    [
      'root without CAP_SYS_ADMIN',
      { capabilities: machine.capabilities & ~(1n << 21n) },
      'privileges',
      'fail',
    ],
    [
      'CAP_SYS_RESOURCE can be spared',
      { capabilities: machine.capabilities & ~(1n << 24n) },
      'privileges',
      'ok',
    ],
    ['32-bit ARM', { architecture: 'arm' }, 'architecture', 'fail'],
    ['arm64', { architecture: 'arm64' }, 'architecture', 'ok'],
    ['a kernel before pipapo', { kernel: '5.4.0-150-generic' }, 'kernel', 'fail'],
    ['the first kernel with pipapo', { kernel: '5.6.0' }, 'kernel', 'ok'],
    ['a later major version with a small minor', { kernel: '6.0.1' }, 'kernel', 'ok'],
    ['an unprivileged container', { sysctlReadOnly: true }, 'sysctls', 'fail'],
    ['an old Node', { node: '20.19.0' }, 'runtime', 'fail'],
  ])('%s', (_, change, name, expected) => {
    expect(status(change, name)).toBe(expected);
  });
});

describe('control groups', () => {
  const V2 = '30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate';
  const v1 = (controllers: string, mode = 'rw'): string =>
    `32 31 0:29 / /sys/fs/cgroup/${controllers} ${mode},relatime - cgroup cgroup ${mode},${controllers}`;
  const HYBRID = [
    '31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755',
    ...['cpu,cpuacct', 'memory', 'devices', 'freezer', 'pids'].map((names) => v1(names)),
    '40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd',
    '41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw',
  ].join('\n');
  const check = (mountinfo: string, controllers = 'cpuset cpu io memory pids\n'): Check =>
    cgroupChecks(parseCgroups(mountinfo, () => controllers))[0]!;

  test('version 2', () => {
    expect(check(V2)).toMatchObject({ status: 'ok', found: 'version 2: cpuset cpu io memory pids' });
  });

  test('version 2 without the memory controller', () => {
    expect(check(V2, 'cpu pids')).toMatchObject({ status: 'fail', fix: expect.stringContaining('memory') });
  });

  test('version 2, read-only, as in a container', () => {
    expect(check(V2.replace('cgroup rw,', 'cgroup ro,'))).toMatchObject({ status: 'fail' });
  });

  test('both side by side; joint controllers count each', () => {
    expect(check(HYBRID, 'hugetlb')).toMatchObject({
      status: 'ok',
      found: 'version 1 and 2 side by side: cpu cpuacct memory devices freezer pids',
    });
  });

  test('version 1 with a controller missing or read-only', () => {
    expect(check(HYBRID.replace(v1('freezer'), '')).found).toContain('without freezer');
    expect(check(HYBRID.replace(v1('pids'), v1('pids', 'ro'))).found).toContain('read-only');
  });

  test('nothing mounted', () => {
    expect(check('27 1 254:0 / / rw - ext4 /dev/vda rw')).toMatchObject({
      status: 'fail',
      found: 'not mounted',
    });
  });
});

describe('address ranges', () => {
  const check = (...routes: MachineRoute[]): Check => rangeChecks(routes)[0]!;

  test('ways out and the link of a running lab are no clash', () => {
    const routes: MachineRoute[] = [
      { dst: '0.0.0.0/0', dev: 'eth0' },
      { dst: '128.0.0.0/1', dev: 'tun0' },
      { dst: '10.0.0.0/8', dev: 'eth0' },
      { dst: '198.19.0.0/24', dev: 'flyover0' },
    ];
    expect(rangeChecks(routes).map(({ status }) => status)).toEqual(['ok', 'ok']);
  });

  test.each([
    ['the same range', '198.19.0.0/24'],
    ['a part of it', '198.19.0.17/32'],
    ['more than it', '198.19.0.0/16'],
  ])('%s on another link is one, and is named', (_, dst) => {
    expect(check({ dst, dev: 'eth1' })).toMatchObject({
      status: 'fail',
      found: `this machine routes ${dst} on eth1`,
      fix: expect.stringContaining('remove that route'),
    });
  });

  test('reads the main table of the kernel', () => {
    const text = [
      'Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT',
      'eth0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0',
      'eth0\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0',
      'tun0\t006433C6\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0',
      '',
    ].join('\n');
    expect(parseMainTable(text)).toEqual([
      { dst: '0.0.0.0/0', dev: 'eth0' },
      { dst: '192.168.0.0/24', dev: 'eth0' },
      { dst: '198.51.100.0/24', dev: 'tun0' },
    ]);
  });

  test('this machine answers, with and without root', () => {
    expect(collectRoutes().every(({ dst }) => /^[\d.]+\/\d+$/.test(dst))).toBe(true);
  });
});

describe('what cannot be looked at', () => {
  test('is a failed check, and the others go on', () => {
    const checks = section('routes', () => {
      throw new Error('no /proc');
    });
    expect(checks).toMatchObject([{ name: 'routes', status: 'fail', found: 'no /proc' }]);
  });
});

describe('programs', () => {
  test('the list is the one that the launcher installs from', () => {
    const launcher = readFileSync(join(import.meta.dirname, '../../../flyover'), 'utf8');
    const sets = [...launcher.matchAll(/^ {6}(lab|build|measure)\)\n((?:.*\n)*?) {8};;/gm)];
    const wanted = sets.flatMap(([, set, body]) =>
      [...body!.matchAll(/^ {8}want (\S+) ([^#\n]*)/gm)].map(([, name, things]) => ({
        set,
        package: name,
        anyOf: things!.trim().split(' '),
      })),
    );
    expect(wanted).toEqual(PROGRAMS.map(({ set, package: name, anyOf }) => ({ set, package: name, anyOf })));
  });

  test.each([
    ['containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u3', '1.6.20~ds1'],
    ['nftables v1.0.6 (Lester Gooch #5)', '1.0.6'],
    ['ip utility, iproute2-6.1.0, libbpf 1.1.2', '6.1.0'],
    ['gcc (Debian 12.2.0-14+deb12u1) 12.2.0', '12.2.0-14+deb12u1'],
    ['pasta unknown version\nCopyright Red Hat\n<https://www.gnu.org/licenses/gpl-3.0.html>', undefined],
  ])('reads the version out of %j', (text, version) => {
    expect(parseVersion(text)).toBe(version);
  });

  test('what is missing blocks only where nothing can install it', () => {
    const needed = PROGRAMS.filter(({ optional }) => !optional);
    const statuses = (apt: boolean, front = false): string[] =>
      programChecks({
        apt,
        front,
        found: needed.map((program) => ({ program, path: undefined, version: undefined })),
      })
        .slice(1)
        .map(({ status }) => status);
    expect(new Set(statuses(true))).toEqual(new Set(['warn']));
    expect(statuses(false)).toEqual(needed.map(({ set }) => (set === 'measure' ? 'warn' : 'fail')));
    expect(statuses(false, true)).toEqual(needed.map(({ set }) => (set === 'lab' ? 'fail' : 'warn')));
  });
});

describe('limits', () => {
  const GiB = 1024 ** 3;
  const limits: Limits = {
    disks: [{ path: '/var/lib/x', free: 20 * GiB }],
    memory: 4 * GiB,
    inotifyInstances: 128,
    inotifyWatches: 65536,
    networkNamespaces: undefined,
    processes: 32768,
    openFiles: Number.POSITIVE_INFINITY,
  };

  test('enough of everything, and what the machine does not say, passes', () => {
    expect(limitChecks(limits).filter((check) => check.status !== 'ok')).toEqual([]);
  });

  test('little warns, next to nothing fails, and both say what to do', () => {
    const check = (change: Partial<Limits>, name: string): Check =>
      byName(limitChecks({ ...limits, ...change }), name);
    expect(check({ memory: 0.5 * GiB }, 'memory')).toMatchObject({ status: 'warn', found: '512 MiB' });
    expect(check({ disks: [{ path: '/var/lib/x', free: 1024 }] }, 'disk space for /var/lib/x')).toMatchObject(
      {
        status: 'fail',
        fix: 'make room',
      },
    );
    expect(check({ networkNamespaces: 0 }, 'network namespaces')).toMatchObject({
      status: 'fail',
      fix: expect.stringContaining('user.max_net_namespaces'),
    });
    expect(check({ inotifyInstances: 64 }, 'inotify instances').status).toBe('warn');
  });
});

test('what was tried and refused says so in the words of the kernel', () => {
  const text = { rule: 'rule', fix: 'fix' };
  const refused = probe(() => {
    throw new Error('create link probe0: EOPNOTSUPP');
  });
  expect(probeCheck('veth', refused, 'fail', text)).toEqual({
    name: 'veth',
    status: 'fail',
    found: 'create link probe0: EOPNOTSUPP',
    ...text,
  });
  expect(
    probeCheck(
      'veth',
      probe(() => {}),
      'fail',
      text,
    ).status,
  ).toBe('ok');
  expect(probeCheck('veth', undefined, 'fail', text)).toMatchObject({ status: 'warn', found: 'not tried' });
});

describe('the verdict', () => {
  const check = (name: string, status: Check['status'], found: string): Check => ({
    name,
    status,
    found,
    rule: 'rule',
    ...(status === 'ok' ? {} : { fix: `mend ${name}` }),
  });

  test('is the last line; above it what to do, the worst first', () => {
    const text = summary([
      check('a', 'ok', 'there'),
      check('b', 'warn', 'little'),
      check('c', 'fail', 'none'),
    ]);
    expect(text.split('\n')).toEqual([
      'fail  c: none. To mend it: mend c.',
      'warn  b: little. To mend it: mend b.',
      '',
      'The lab cannot run here yet: 1 of 3 checks failed.',
      '',
    ]);
    expect(summary([check('a', 'ok', 'there')])).toBe('The lab can run here.\n');
  });

  test('claims nothing about what was not tried', () => {
    expect(summary([check('a', 'warn', 'not tried')])).toMatch(/^Nothing found .* 1 checks need root/);
  });
});
