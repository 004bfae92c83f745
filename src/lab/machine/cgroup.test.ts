import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  cgroupPids,
  childCgroups,
  createCgroups,
  type Hierarchy,
  hierarchies,
  hierarchyMount,
  removeCgroups,
} from './cgroup.ts';
import { parseMountinfo } from './mounts.ts';

const line = (id: number, target: string, type: string, options: string): string =>
  `${id} 1 0:${id} / ${target} rw - ${type} ${type} ${options}\n`;

describe('the hierarchies of a host', () => {
  test('v2 alone', () => {
    const found = hierarchies(parseMountinfo(line(3, '/sys/fs/cgroup', 'cgroup2', 'rw,nsdelegate')));
    expect(found).toEqual([{ path: '/sys/fs/cgroup', version: 2, controllers: [] }]);
    expect(hierarchyMount(found[0]!)).toEqual({
      target: '/sys/fs/cgroup',
      type: 'cgroup2',
      options: 'rw',
      links: [],
    });
  });

  test('v1 with v2 beside it, and joined controllers under all their names', () => {
    const found = hierarchies(
      parseMountinfo(
        line(2, '/sys/fs/cgroup', 'tmpfs', 'rw') +
          line(3, '/sys/fs/cgroup/unified', 'cgroup2', 'rw') +
          line(4, '/sys/fs/cgroup/systemd', 'cgroup', 'rw,xattr,release_agent=/lib/agent,name=systemd') +
          line(5, '/sys/fs/cgroup/cpu,cpuacct', 'cgroup', 'rw,cpu,cpuacct') +
          line(6, '/sys/fs/cgroup/memory', 'cgroup', 'rw,memory') +
          line(7, '/elsewhere/memory', 'cgroup', 'rw,memory'),
      ),
    );
    expect(found.map(hierarchyMount)).toEqual([
      { target: '/sys/fs/cgroup/unified', type: 'cgroup2', options: 'rw', links: [] },
      { target: '/sys/fs/cgroup/systemd', type: 'cgroup', options: 'none,name=systemd', links: [] },
      {
        target: '/sys/fs/cgroup/cpu,cpuacct',
        type: 'cgroup',
        options: 'cpu,cpuacct',
        links: ['cpu', 'cpuacct'],
      },
      { target: '/sys/fs/cgroup/memory', type: 'cgroup', options: 'memory', links: [] },
    ]);
  });
});

describe('cgroups', () => {
  let folder: string;
  let all: Hierarchy[];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'fly-test-cgroup-'));
    all = [
      { path: join(folder, 'cpuset'), version: 1, controllers: ['cpuset'] },
      { path: join(folder, 'v2'), version: 2, controllers: [] },
    ];
    for (const { path } of all) mkdirSync(path);
    writeFileSync(join(folder, 'v2/cgroup.controllers'), 'cpu memory\n');
    writeFileSync(join(folder, 'cpuset/cpuset.cpus'), '0-1\n');
    writeFileSync(join(folder, 'cpuset/cpuset.mems'), '0\n');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  test('are made in every hierarchy, with processors to run on and controllers to hand down', () => {
    createCgroups(all, 'lab/n1');
    createCgroups(all, 'lab/n1');
    expect(readFileSync(join(folder, 'cpuset/lab/n1/cpuset.cpus'), 'utf8')).toBe('0-1');
    expect(readFileSync(join(folder, 'cpuset/lab/n1/cgroup.clone_children'), 'utf8')).toBe('1');
    expect(readFileSync(join(folder, 'v2/cgroup.subtree_control'), 'utf8')).toBe('+memory');
    expect(childCgroups(all, 'lab')).toEqual(['n1']);
    expect(childCgroups(all, 'other')).toEqual([]);
  });

  test('tell their processes once, from all depths', () => {
    createCgroups(all, 'lab/n1/system');
    mkdirSync(join(folder, 'v2/lab/n1/k8s.io/x'), { recursive: true });
    writeFileSync(join(folder, 'cpuset/lab/n1/system/cgroup.procs'), '12\n13\n');
    writeFileSync(join(folder, 'v2/lab/n1/system/cgroup.procs'), '12\n0\n');
    writeFileSync(join(folder, 'v2/lab/n1/k8s.io/x/cgroup.procs'), '14\n');
    expect(cgroupPids(all, 'lab/n1').sort()).toEqual([12, 13, 14]);
    expect(cgroupPids(all, 'lab/none')).toEqual([]);
  });

  test('are removed bottom-up, and the parent with the last of them', () => {
    const v2 = all.filter((hierarchy) => hierarchy.version === 2);
    for (const name of ['n1', 'n2']) mkdirSync(join(folder, 'v2/lab', name, 'k8s.io/x'), { recursive: true });
    expect(removeCgroups(v2, 'lab/n1')).toEqual([]);
    expect(childCgroups(v2, 'lab')).toEqual(['n2']);
    expect(removeCgroups(v2, 'lab/n2')).toEqual([]);
    expect(existsSync(join(folder, 'v2/lab'))).toBe(false);
    expect(existsSync(join(folder, 'v2'))).toBe(true);
    expect(removeCgroups(v2, 'lab/n2')).toEqual([]);
  });
});
