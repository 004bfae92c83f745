import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createNamespace, deleteNamespace } from '../../kernel/netns.ts';
import { childCgroups, hierarchies } from './cgroup.ts';
import { execInMachine } from './exec.ts';
import { identify } from './identity.ts';
import { stopMachine } from './machine.ts';
import { ownMounts } from './mounts.ts';
import type { Machine, MachineSpec } from './types.ts';

/*
 * What the root tests of this room share: a place of their own with namespaces, disks and cgroups under one name,
 * and a look at what is left of it.
 */

export interface TestPlace {
  /** Begins with `fly-test-`; also the parent cgroup. */
  readonly name: string;
  /** A folder on disk. */
  readonly folder: string;
  /** Makes a namespace and a specification for a machine in it. */
  spec(id: string): MachineSpec;
  /** Makes a namespace; it goes with the place. */
  netns(name: string): string;
  /** Removes everything, whatever state it is in. */
  clear(): Promise<void>;
}

export function testPlace(topic: string): TestPlace {
  const name = `fly-test-${topic}-${process.pid}`;
  // /tmp may be a tmpfs, on which containerd's overlays work as well; /var/tmp is like the real place.
  const folder = mkdtempSync(join(process.env.TMPDIR ? tmpdir() : '/var/tmp', `${name}-`));
  const run = `/run/${name}`;
  mkdirSync(run, { recursive: true });
  const namespaces: string[] = [];
  const specs: MachineSpec[] = [];
  const netns = (label: string): string => {
    const path = join(run, 'netns', label);
    createNamespace(path);
    namespaces.push(path);
    return path;
  };
  return {
    name,
    folder,
    netns,
    spec(id) {
      const spec: MachineSpec = {
        id,
        hostname: `host-${id}`,
        netns: netns(id),
        addresses: ['192.0.2.10'],
        stateDir: join(folder, id),
        runDir: join(run, id),
        cgroupParent: name,
      };
      specs.push(spec);
      return spec;
    },
    async clear() {
      for (const spec of specs) await stopMachine(spec, { removeDisk: true });
      for (const path of namespaces) deleteNamespace(path);
      rmSync(folder, { recursive: true, force: true });
      rmSync(run, { recursive: true, force: true });
    },
  };
}

/** The mount namespace of a process, as a name that can be compared. */
export function mountNamespace(pid: number): string {
  return readlinkSync(`/proc/${pid}/ns/mnt`);
}

/** What is still there of a place's machines: cgroups, processes, mounts. */
export function leftovers(place: TestPlace, mountNamespaces: readonly string[] = []): string[] {
  const found = childCgroups(hierarchies(ownMounts()), place.name).map((name) => `cgroup ${name}`);
  for (const pid of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    // What has ended and only waits for pid 1 to notice is gone.
    if (!identify(Number(pid))) continue;
    try {
      if (readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(place.name))
        found.push(`process ${pid} (cgroup)`);
      if (mountNamespaces.includes(readlinkSync(`/proc/${pid}/ns/mnt`)))
        found.push(`process ${pid} (mounts)`);
    } catch {
      // Ended, or a kernel thread.
    }
  }
  for (const { target } of ownMounts()) if (target.startsWith(place.folder)) found.push(`mount ${target}`);
  return found;
}

/** Polls until `check` holds; for what the kernel clears away in its own time. */
export async function eventually(what: string, check: () => boolean, timeoutMs = 10_000): Promise<void> {
  for (const deadline = Date.now() + timeoutMs; !check(); ) {
    if (Date.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await delay(10);
  }
}

/** Runs a program in a machine to its end. */
export async function output(
  machine: Machine,
  ...argv: string[]
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = execInMachine(machine, argv);
  return { ...(await collect(child)) };
}

async function collect(
  child: ChildProcess,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const text = { stdout: '', stderr: '' };
  child.stdin?.end();
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (chunk: string) => {
      text[name] += chunk;
    });
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  return { code, ...text };
}

/** Starts `testing-supervisor.ts`, which starts this machine; resolves with it at its first line of output. */
export async function testSupervisor(
  spec: MachineSpec,
  mode: 'machine' | 'containerd',
): Promise<ChildProcess> {
  const script = join(import.meta.dirname, 'testing-supervisor.ts');
  const child = spawn(process.execPath, [script, mode, JSON.stringify(spec)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve());
    child.once('exit', (code) => reject(new Error(`the test's supervisor ended with ${code}`)));
  });
  return child;
}

/** Kills a test supervisor as a crash would, and waits until it is gone. */
export async function crash(child: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
}
