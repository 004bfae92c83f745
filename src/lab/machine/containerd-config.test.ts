import { describe, expect, test } from 'vitest';
import { parseVersion } from './containerd.ts';
import { type ContainerdSettings, containerdConfig, registryHosts } from './containerd-config.ts';

const settings: ContainerdSettings = {
  version: { major: 1, minor: 6 },
  pauseImage: 'flyover/pause:1',
  streamAddress: '10.0.1.4',
  snapshotter: 'overlayfs',
  restrictOomScoreAdj: true,
};

describe("containerd's version", () => {
  test('is read from what it says', () => {
    const says = (version: string) => `containerd github.com/containerd/containerd ${version} 1234\n`;
    expect(parseVersion(says('1.6.20~ds1'))).toEqual({ major: 1, minor: 6 });
    expect(parseVersion(says('v1.7.24'))).toEqual({ major: 1, minor: 7 });
    expect(parseVersion('containerd github.com/containerd/containerd/v2 v2.1.3 abc')).toEqual({
      major: 2,
      minor: 1,
    });
    expect(parseVersion('something else')).toBeUndefined();
  });
});

/** Reads the little TOML that is written here: tables by path, values as JSON. */
function tables(text: string): Record<string, Record<string, unknown>> {
  const found: Record<string, Record<string, unknown>> = { '': {} };
  let current = '';
  for (const line of text.split('\n').filter(Boolean)) {
    const header = /^\[(.*)\]$/.exec(line)?.[1];
    if (header !== undefined) {
      current = (JSON.parse(`[${header.replaceAll('"."', '","')}]`) as string[]).join('|');
      found[current] = {};
      continue;
    }
    const [, key, value] = /^(\w+) = (.*)$/.exec(line) ?? [];
    found[current]![key!] = JSON.parse(value!);
  }
  return found;
}

describe("containerd's configuration", () => {
  test('for 1.x has all in the CRI plugin', () => {
    const all = tables(containerdConfig(settings));
    expect(all['']).toMatchObject({ version: 2, root: '/var/lib/containerd', state: '/run/containerd' });
    expect(all['plugins|io.containerd.grpc.v1.cri']).toMatchObject({
      sandbox_image: 'flyover/pause:1',
      stream_server_address: '10.0.1.4',
      restrict_oom_score_adj: true,
      netns_mounts_under_state_dir: true,
    });
    expect(all['plugins|io.containerd.grpc.v1.cri|containerd']).toMatchObject({ snapshotter: 'overlayfs' });
    expect(all['plugins|io.containerd.grpc.v1.cri|containerd|runtimes|runc|options']).toMatchObject({
      SystemdCgroup: false,
    });
  });

  test('for 2.x is split among its plugins', () => {
    const all = tables(
      containerdConfig({ ...settings, version: { major: 2, minor: 0 }, restrictOomScoreAdj: false }),
    );
    expect(all['']?.version).toBe(3);
    expect(all['plugins|io.containerd.grpc.v1.cri']).toEqual({
      stream_server_address: '10.0.1.4',
      stream_server_port: '0',
      disable_tcp_service: true,
    });
    expect(all['plugins|io.containerd.cri.v1.images']).toMatchObject({ snapshotter: 'overlayfs' });
    expect(all['plugins|io.containerd.cri.v1.images|pinned_images']).toEqual({ sandbox: 'flyover/pause:1' });
    expect(all['plugins|io.containerd.cri.v1.runtime']).toMatchObject({ restrict_oom_score_adj: false });
    expect(all['plugins|io.containerd.cri.v1.runtime|containerd|runtimes|runc|options']).toMatchObject({
      SystemdCgroup: false,
    });
  });

  test('leads every version to the folder with the mirrors, and that to the mirror alone', () => {
    const table = { config_path: '/etc/containerd/certs.d' };
    expect(tables(containerdConfig(settings))['plugins|io.containerd.grpc.v1.cri|registry']).toEqual(table);
    const next = tables(containerdConfig({ ...settings, version: { major: 2, minor: 0 } }));
    expect(next['plugins|io.containerd.cri.v1.images|registry']).toEqual(table);
    expect(tables(registryHosts('http://198.19.0.254:5000'))).toEqual({
      '': {},
      'host|http://198.19.0.254:5000': { capabilities: ['pull', 'resolve'] },
    });
  });

  test('leaves out unneeded plugins, never the one that is used nor the old runtime that 1.6 needs', () => {
    for (const snapshotter of ['overlayfs', 'native'] as const) {
      const disabled = tables(containerdConfig({ ...settings, snapshotter }))['']
        ?.disabled_plugins as string[];
      expect(disabled).not.toContain(`io.containerd.snapshotter.v1.${snapshotter}`);
      expect(disabled).toContain('io.containerd.snapshotter.v1.devmapper');
      expect(disabled).not.toContain('io.containerd.runtime.v1.linux');
    }
  });
});
