import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Gate } from '../../gate.ts';
import { containerConfig } from '../container-config.ts';
import type { CriClient } from '../cri.ts';
import type { CriRequest } from '../cri-schema.ts';
import { type ClusterDns, parseResolvConf, podDns } from '../dns.ts';
import { containerEnvironment } from '../environment.ts';
import { type PodEvents, WaitingError } from '../events.ts';
import { hostsFile } from '../hosts-file.ts';
import { type Container, initContainers, type KubeletPod, type Service } from '../model.ts';
import { asText, type ObjectCache } from '../objects.ts';
import { type PodPaths, podLogFolder } from '../paths.ts';
import { ask } from '../probes/handlers.ts';
import type { NodeResources } from '../resources.ts';
import type { PodRuntime, SandboxState } from '../runtime-state.ts';
import { sandboxConfig } from '../sandbox-config.ts';
import { nextRestartCount } from '../status/container-statuses.ts';
import type { Mounted, PodVolumes } from '../volumes/pod-volumes.ts';
import type { Images } from './images.ts';

export interface StarterParts {
  readonly cri: CriClient;
  readonly images: Images;
  readonly volumes: PodVolumes;
  readonly objects: ObjectCache;
  readonly events: PodEvents;
  readonly paths: PodPaths;
  readonly node: NodeResources;
  readonly nodeIps: readonly string[];
  readonly dns: ClusterDns;
  services(namespace: string): readonly Service[];
}

/** Sandboxes and containers made at a time: more do not start sooner on a node's few processors. */
const AT_ONCE = 8;

/** Makes sandboxes and containers from pods. */
export class Starter {
  readonly #parts: StarterParts;
  readonly #gate = new Gate(AT_ONCE);

  constructor(parts: StarterParts) {
    this.#parts = parts;
  }

  #config(pod: KubeletPod, attempt: number): CriRequest<'PodSandboxConfig'> {
    const { dns } = this.#parts;
    const node = parseResolvConf(readFileSync('/etc/resolv.conf', 'utf8'));
    return sandboxConfig(pod, attempt, { dns: podDns(pod, dns, node), clusterDomain: dns.domain });
  }

  /** @throws CriError what the runtime or the network's plugin refused */
  async sandbox(pod: KubeletPod, attempt: number): Promise<void> {
    mkdirSync(podLogFolder(pod), { recursive: true, mode: 0o755 });
    await this.#gate.run(() => this.#parts.cri.runPodSandbox(this.#config(pod, attempt)));
  }

  #podIps(pod: KubeletPod, sandbox: SandboxState): readonly string[] {
    return pod.spec.hostNetwork ? this.#parts.nodeIps : sandbox.addresses;
  }

  /**
   * Makes and starts one container and runs its postStart hook.
   *
   * @param ending - aborted when the pod is to end: then a pull is not waited for
   * @throws WaitingError with the reason why it does not run
   */
  async container(
    pod: KubeletPod,
    container: Container,
    sandbox: SandboxState,
    runtime: PodRuntime,
    mounted: Mounted,
    ending: AbortSignal,
  ): Promise<void> {
    const { cri, images, events } = this.#parts;
    const about = { name: container.name, isInit: initContainers(pod).includes(container) };
    const failed = (reason: string, error: unknown): WaitingError => {
      const message = (error as { detail?: string }).detail ?? (error as Error).message;
      events.event(pod, 'Warning', 'Failed', `Error: ${message}`, about);
      return new WaitingError(reason, message, { cause: error });
    };
    const image = await unlessAborted(images.ensure(pod, container), ending).catch((error: unknown) => {
      const reason = error instanceof WaitingError ? error.reason : 'ImageInspectError';
      if (reason !== 'InvalidImageName') events.event(pod, 'Warning', 'Failed', `Error: ${reason}`, about);
      throw error instanceof WaitingError ? error : new WaitingError(reason, (error as Error).message);
    });
    const id = await this.#gate.run(async () => {
      let config: CriRequest<'ContainerConfig'>;
      try {
        const restartCount = nextRestartCount(pod, container, runtime);
        const podIps = this.#podIps(pod, sandbox);
        const environment = await this.#environment(pod, container, podIps);
        const mounts = [
          ...(await this.#parts.volumes.mounts(pod, container, mounted, environment)),
          ...this.#ownMounts(pod, container, podIps, restartCount),
        ];
        config = containerConfig(pod, container, {
          restartCount,
          image,
          environment,
          mounts,
          node: this.#parts.node,
        });
      } catch (error) {
        throw failed('CreateContainerConfigError', error);
      }
      const created = await cri
        .createContainer(sandbox.id, config, this.#config(pod, sandbox.attempt))
        .catch((error: unknown) => {
          throw failed('CreateContainerError', error);
        });
      events.event(pod, 'Normal', 'Created', `Created container: ${container.name}`, about);
      await cri.startContainer(created).catch((error: unknown) => {
        throw failed('RunContainerError', error);
      });
      events.event(pod, 'Normal', 'Started', `Started container ${container.name}`, about);
      return created;
    });
    await this.#postStart(pod, container, id, this.#podIps(pod, sandbox)[0] ?? '');
  }

  async #environment(
    pod: KubeletPod,
    container: Container,
    podIps: readonly string[],
  ): Promise<Map<string, string>> {
    const { objects, nodeIps, node } = this.#parts;
    const data = {
      configMap: async (name: string) => asText(await objects.configMapData(pod.namespace, name)),
      secret: async (name: string) => asText(await objects.secretData(pod.namespace, name)),
    };
    const services = this.#parts.services(pod.namespace);
    return await containerEnvironment(pod, container, { data, services, podIps, nodeIps, node });
  }

  /** The hosts file and the file for the termination message, unless the container has something else there. */
  #ownMounts(
    pod: KubeletPod,
    container: Container,
    podIps: readonly string[],
    restartCount: number,
  ): CriRequest<'Mount'>[] {
    const { paths, dns } = this.#parts;
    const result: CriRequest<'Mount'>[] = [];
    const taken = (path: string): boolean =>
      (container.volumeMounts ?? []).some((mount) => mount.mountPath === path);
    if (!taken('/etc/hosts')) {
      const file = paths.hostsFile(pod.uid);
      const nodeFile = pod.spec.hostNetwork ? readFileSync('/etc/hosts', 'utf8') : '';
      mkdirSync(dirname(file), { recursive: true, mode: 0o750 });
      writeFileSync(file, hostsFile(pod, podIps, dns.domain, nodeFile), { mode: 0o644 });
      result.push({ containerPath: '/etc/hosts', hostPath: file });
    }
    const messagePath = container.terminationMessagePath ?? '/dev/termination-log';
    if (messagePath !== '' && !taken(messagePath)) {
      const file = paths.terminationMessage(pod.uid, container.name, restartCount);
      mkdirSync(dirname(file), { recursive: true, mode: 0o750 });
      writeFileSync(file, '');
      // Whoever the container runs as must be able to write it.
      chmodSync(file, 0o666);
      result.push({ containerPath: messagePath, hostPath: file });
    }
    return result;
  }

  async #postStart(pod: KubeletPod, container: Container, id: string, podIp: string): Promise<void> {
    const hook = container.lifecycle?.postStart;
    if (!hook) return;
    const { cri, events } = this.#parts;
    if (hook.sleep) {
      await delay(hook.sleep.seconds * 1000);
      return;
    }
    const { success, output } = await ask(cri, hook, { container, containerId: id, podIp }, 120_000);
    if (success) return;
    const about = { name: container.name, isInit: initContainers(pod).includes(container) };
    const message = `PostStartHook failed: ${output}`.slice(0, 1000);
    events.event(pod, 'Warning', 'FailedPostStartHook', message, about);
    events.event(pod, 'Normal', 'Killing', 'FailedPostStartHook', about);
    await cri.stopContainer(id, pod.spec.terminationGracePeriodSeconds ?? 30);
    throw new WaitingError('PostStartHookError', message);
  }
}

async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let abort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = (): void => reject(new WaitingError('ContainerCreating', 'the pod is being ended'));
    signal.addEventListener('abort', abort);
    if (signal.aborted) abort();
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    if (abort) signal.removeEventListener('abort', abort);
    // The pull goes on for others; nobody is left to hear of its failure.
    work.catch(() => undefined);
  }
}
