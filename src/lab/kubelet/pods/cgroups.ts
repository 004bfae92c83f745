import { mkdirSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Hierarchy, hierarchies } from '../../machine/cgroup.ts';
import { ownMounts } from '../../machine/mounts.ts';
import { allContainers, type KubeletPod } from '../model.ts';
import { amount, cpuQuota, cpuShares, podCgroup, podRequest } from '../resources.ts';

const PARENTS = ['kubepods', 'kubepods/besteffort', 'kubepods/burstable'];
const code = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

function tryWrite(file: string, value: number): void {
  try {
    writeFileSync(file, String(value));
  } catch {
    // Not every kernel and container allows every setting; the containers' own limits hold all the same.
  }
}

/** The cgroups of pods, in which the runtime makes those of their containers. */
export class PodCgroups {
  readonly #all: readonly Hierarchy[] = hierarchies(ownMounts());

  #with(controller: string): Hierarchy | undefined {
    return this.#all.find((each) => each.version === 1 && each.controllers.includes(controller));
  }

  /** Gives the pod its weight and limits as a whole. The runtime makes the other hierarchies itself. */
  create(pod: KubeletPod): void {
    const relative = podCgroup(pod).slice(1);
    const limited = (name: string): boolean =>
      allContainers(pod).every((each) => amount(each, 'limits', name) !== undefined);
    const cpu = this.#with('cpu');
    if (cpu) {
      const folder = join(cpu.path, relative);
      mkdirSync(folder, { recursive: true });
      tryWrite(join(cpu.path, 'kubepods/besteffort/cpu.shares'), 2);
      tryWrite(join(folder, 'cpu.shares'), cpuShares(podRequest(pod, 'cpu').milliValue()));
      const limit = podRequest(pod, 'cpu', 'limits').milliValue();
      if (limited('cpu') && limit > 0) tryWrite(join(folder, 'cpu.cfs_quota_us'), cpuQuota(limit));
    }
    const memory = this.#with('memory');
    const limit = podRequest(pod, 'memory', 'limits').value();
    if (memory && limited('memory') && limit > 0) {
      const folder = join(memory.path, relative);
      mkdirSync(folder, { recursive: true });
      tryWrite(join(folder, 'memory.limit_in_bytes'), limit);
    }
  }

  /** Removes what the runtime left of a pod's, whatever its class was. @returns whether all is gone */
  remove(uid: string): boolean {
    let gone = true;
    for (const { path } of this.#all) {
      for (const parent of PARENTS) gone = removeTree(join(path, parent, `pod${uid}`)) && gone;
    }
    return gone;
  }
}

function removeTree(folder: string): boolean {
  let names: string[];
  try {
    names = readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch (error) {
    if (code(error) === 'ENOENT' || code(error) === 'ENODEV') return true;
    throw error;
  }
  for (const name of names) removeTree(join(folder, name));
  try {
    rmdirSync(folder);
    return true;
  } catch (error) {
    return code(error) === 'ENOENT';
  }
}
