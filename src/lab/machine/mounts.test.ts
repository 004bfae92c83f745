import { describe, expect, test } from 'vitest';
import { isWithin, mountsToDetach, mountsToProtect, ownMounts, parseMountinfo } from './mounts.ts';

const host = parseMountinfo(`22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:5 / /proc rw - proc proc rw
24 22 0:6 / /sys rw - sysfs sysfs rw
25 24 0:7 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate
26 22 0:8 / /run rw shared:5 - tmpfs tmpfs rw,size=1g
27 26 0:9 / /run/flyover-lab rw shared:6 - tmpfs tmpfs rw
28 27 0:4 net:[4026532000] /run/flyover-lab/netns/a rw - nsfs nsfs rw
29 22 0:4 net:[4026532001] /srv/pinned\\040here rw - nsfs nsfs rw
30 22 8:2 / /home rw - ext4 /dev/sda2 rw
31 22 7:1 / /snap/node/1 ro - squashfs /dev/loop1 ro
32 22 7:2 / /snap/other/1 ro - squashfs /dev/loop2 ro
33 22 0:30 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw
34 22 0:31 / /mnt/remote rw - fuse.sshfs remote rw
35 22 8:3 / /var/lib/flyover-lab rw - xfs /dev/sda3 rw
36 22 0:32 / /var/libx rw - tmpfs tmpfs rw
not a line of it
`);

describe('mountinfo', () => {
  test('is parsed with its escapes', () => {
    expect(host).toHaveLength(15);
    expect(host[7]).toEqual({
      id: 29,
      parent: 22,
      root: 'net:[4026532001]',
      target: '/srv/pinned here',
      type: 'nsfs',
      options: ['rw'],
    });
    expect(ownMounts().some((mount) => mount.target === '/proc')).toBe(true);
  });

  test('says what a machine lets go: namespaces, hidden trees, foreign file systems', () => {
    const keep = ['/snap/node/1/bin/node', '/var/lib/flyover-lab/nodes/a'];
    expect(mountsToDetach(host, ['/run', '/var/lib'], keep)).toEqual([
      '/run',
      '/srv/pinned here',
      '/snap/other/1',
      '/var/lib/docker/overlay2/x/merged',
      '/mnt/remote',
    ]);
  });

  test("says what of the host's a machine must not write to", () => {
    const detached = ['/run', '/srv/pinned here', '/snap/other/1', '/mnt/remote'];
    expect(mountsToProtect(host, detached)).toEqual(['/', '/home', '/snap/node/1', '/var/libx']);
  });

  test('never keeps a namespace file, whoever asks', () => {
    expect(mountsToDetach(host, [], ['/run/flyover-lab/netns/a'])).toContain('/run/flyover-lab/netns/a');
  });

  test('knows what lies within what', () => {
    expect(isWithin('/run/a', '/run')).toBe(true);
    expect(isWithin('/run', '/run')).toBe(true);
    expect(isWithin('/runner', '/run')).toBe(false);
    expect(isWithin('/', '/run')).toBe(false);
    expect(isWithin('/x', '/')).toBe(true);
  });
});
