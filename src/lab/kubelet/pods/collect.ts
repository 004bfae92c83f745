import { existsSync, readdirSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { CriClient } from '../cri.ts';
import type { KubeletPod } from '../model.ts';
import { containerLogPath, type PodPaths, podLogFolder } from '../paths.ts';
import type { ContainerState, PodRuntime, SandboxState } from '../runtime-state.ts';

/** Ended containers that stay beside the current one, for `logs --previous`. */
const KEPT = 1;

/** What of a living pod nobody needs any more: older containers, and old sandboxes without containers. */
export function garbage(runtime: PodRuntime): { containers: ContainerState[]; sandboxes: SandboxState[] } {
  const seen = new Map<string, number>();
  const containers = runtime.containers.filter((container) => {
    const count = seen.get(container.name) ?? 0;
    seen.set(container.name, count + 1);
    return count > KEPT && container.state === 'exited';
  });
  const kept = new Set(
    runtime.containers.filter((each) => !containers.includes(each)).map((each) => each.sandboxId),
  );
  const sandboxes = runtime.sandboxes.filter((each, index) => index > 0 && !each.ready && !kept.has(each.id));
  return { containers, sandboxes };
}

/** Removes a living pod's {@link garbage}. @returns whether there was any */
export async function collect(
  cri: CriClient,
  paths: PodPaths,
  pod: KubeletPod,
  runtime: PodRuntime,
): Promise<boolean> {
  const { containers, sandboxes } = garbage(runtime);
  for (const { id, name, restartCount } of containers) {
    await cri.removeContainer(id);
    removeLogs(join(podLogFolder(pod), containerLogPath(name, restartCount)));
    rmSync(paths.terminationMessage(pod.uid, name, restartCount), { force: true });
  }
  for (const { id } of sandboxes) await cri.removePodSandbox(id);
  return containers.length + sandboxes.length > 0;
}

/** A log and what was put aside of it. */
function removeLogs(path: string): void {
  const folder = dirname(path);
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder)) {
    if (name === basename(path) || name.startsWith(`${basename(path)}.`))
      rmSync(join(folder, name), { force: true });
  }
}
