import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConfigError } from './config-error.ts';
import { InstallError, type InstallOptions, install, uninstall } from './install.ts';
import { unitFile } from './install-files.ts';

let root: string;
let options: InstallOptions;

function put(path: string, content: string): string {
  const full = join(root, path);
  mkdirSync(dirname(full), { recursive: true });
  writeFileSync(full, content);
  return full;
}
const node = (path: string): string => readFileSync(join(root, path), 'utf8');
const conflist = (): { plugins: { type: string }[] } =>
  JSON.parse(node('/etc/cni/net.d/10-flyover.conflist')) as { plugins: { type: string }[] };

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'fly-test-install-'));
  const config = put(
    'src/node.json',
    JSON.stringify({
      nodeName: 'n1',
      nodeAddresses: ['10.0.1.4'],
      nodeBlocks: ['10.244.0.0/24'],
      podCIDRs: ['10.244.0.0/16'],
    }),
  );
  options = {
    root,
    config,
    front: put('src/front', 'ELF 1'),
    command: ['/usr/bin/node', '/opt/fly over/agent.js'],
  };
});
afterEach(() => rmSync(root, { recursive: true }));

describe('install', () => {
  it('writes front, configuration, unit and conflist, the conflist last', () => {
    const { written, warnings } = install(options);
    expect(written).toEqual([
      '/etc/flyover/node.json',
      '/opt/cni/bin/flyover',
      '/etc/systemd/system/flyover-agent.service',
      '/etc/cni/net.d/10-flyover.conflist',
    ]);
    expect(warnings).toEqual([]);
    expect(lstatSync(join(root, '/opt/cni/bin/flyover')).mode & 0o777).toBe(0o755);
    expect(conflist()).toEqual({
      cniVersion: '1.0.0',
      name: 'flyover',
      plugins: [{ type: 'flyover', capabilities: { portMappings: true } }],
    });
    expect(node('/etc/systemd/system/flyover-agent.service')).toContain(
      'ExecStart=/usr/bin/node "/opt/fly over/agent.js"\n',
    );
  });

  it('chains what is installed, wherever it is, and is found in both folders', () => {
    for (const name of ['portmap', 'bandwidth', 'loopback']) put(`/usr/lib/cni/${name}`, name);
    install({ ...options, cniVersion: '1.1.0' });
    expect(conflist()).toMatchObject({
      cniVersion: '1.1.0',
      plugins: [
        { type: 'flyover' },
        { type: 'portmap', capabilities: { portMappings: true } },
        { type: 'bandwidth', capabilities: { bandwidth: true } },
      ],
    });
    expect(readlinkSync(join(root, '/opt/cni/bin/portmap'))).toBe('/usr/lib/cni/portmap');
    expect(readlinkSync(join(root, '/opt/cni/bin/loopback'))).toBe('/usr/lib/cni/loopback');
    expect(readlinkSync(join(root, '/usr/lib/cni/flyover'))).toBe('/opt/cni/bin/flyover');
  });

  it('leaves plugins of the machine alone, and chains none when told so', () => {
    put('/usr/lib/cni/portmap', 'debian');
    put('/opt/cni/bin/portmap', 'upstream');
    install({ ...options, chain: false });
    expect(node('/opt/cni/bin/portmap')).toBe('upstream');
    expect(conflist().plugins).toHaveLength(1);
  });

  it('changes only what differs the second time, without leaving temporary files', () => {
    install(options);
    expect(install(options).written).toEqual([]);
    writeFileSync(options.front, 'ELF 2');
    expect(install(options).written).toEqual(['/opt/cni/bin/flyover']);
    expect(readdirSync(join(root, '/opt/cni/bin'))).toEqual(['flyover']);
  });

  it('warns of a configuration that runtimes prefer', () => {
    put('/etc/cni/net.d/05-other.conflist', '{}');
    put('/etc/cni/net.d/99-late.conflist', '{}');
    expect(install(options).warnings).toEqual([
      '/etc/cni/net.d/05-other.conflist comes before 10-flyover.conflist and would be used instead; remove it',
    ]);
  });

  it('refuses a bad node.json, a missing one and a missing front before it writes', () => {
    const bad = { ...options, config: put('src/bad.json', '{"nodeName":"n1"}') };
    expect(() => install(bad)).toThrow(ConfigError);
    const { config: _, ...none } = options;
    expect(() => install(none)).toThrow(/node.json' does not exist/);
    expect(() => install({ ...options, front: '/nonexistent' })).toThrow(InstallError);
    expect(existsSync(join(root, '/etc'))).toBe(false);
    expect(existsSync(join(root, '/opt'))).toBe(false);
  });
});

describe('uninstall', () => {
  it('removes exactly what was written', () => {
    put('/usr/lib/cni/portmap', 'debian');
    put('/etc/cni/net.d/99-late.conflist', '{}');
    put('/var/lib/flyover/agent/journal', 'x');
    install(options);
    const { removed, left } = uninstall({ root, attached: [] });
    expect(removed[0]).toBe('/etc/cni/net.d/10-flyover.conflist');
    expect(left).toEqual([]);
    for (const path of removed) expect(existsSync(join(root, path))).toBe(false);
    expect(node('/usr/lib/cni/portmap')).toBe('debian');
    expect(readdirSync(join(root, '/usr/lib/cni'))).toEqual(['portmap']);
    expect(readdirSync(join(root, '/etc/cni/net.d'))).toEqual(['99-late.conflist']);
    expect(node('/var/lib/flyover/agent/journal')).toBe('x');
    expect(uninstall({ root, attached: [] })).toEqual({ removed: [], left: [] });
  });

  it('leaves a file that was changed since, and says so', () => {
    install(options);
    put('/etc/flyover/node.json', '{"mine":true}');
    expect(uninstall({ root, attached: [] }).left).toEqual(['/etc/flyover/node.json']);
    expect(node('/etc/flyover/node.json')).toBe('{"mine":true}');
  });

  it('refuses while pods are attached unless forced, and keeps their state even then', () => {
    install(options);
    put('/var/lib/flyover/agent/journal', 'x');
    expect(() => uninstall({ root, attached: ['c1/eth0'] })).toThrow(
      /1 pod interfaces are attached \(c1\/eth0\); drain/,
    );
    expect(existsSync(join(root, '/opt/cni/bin/flyover'))).toBe(true);
    uninstall({ root, attached: ['c1/eth0'], force: true, purge: true });
    expect(existsSync(join(root, '/opt/cni/bin/flyover'))).toBe(false);
    expect(node('/var/lib/flyover/agent/journal')).toBe('x');
  });

  it('purges the state of an empty node when asked', () => {
    install(options);
    put('/var/lib/flyover/agent/journal', 'x');
    expect(uninstall({ root, attached: [], purge: true }).removed).toContain('/var/lib/flyover/agent');
    expect(existsSync(join(root, '/var/lib/flyover/agent'))).toBe(false);
  });
});

it('quotes arguments for systemd', () => {
  expect(unitFile(['/a', '100%', '$x', 'a "b"\\'])).toContain('ExecStart=/a 100%% $$x "a \\"b\\"\\\\"\n');
});
