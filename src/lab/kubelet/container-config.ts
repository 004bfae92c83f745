import type { CriReply, CriRequest } from './cri-schema.ts';
import { ConfigError } from './environment.ts';
import { expand } from './expand.ts';
import { containerAnnotations, containerLabels } from './labels.ts';
import type { Container, KubeletPod } from './model.ts';
import { containerLogPath } from './paths.ts';
import { linuxResources, type NodeResources } from './resources.ts';
import { containerSecurity } from './security.ts';

export interface ContainerInputs {
  readonly restartCount: number;
  /** The image as the node has it. */
  readonly image: CriReply<'Image'>;
  readonly environment: ReadonlyMap<string, string>;
  /** Volumes, the hosts file and the file for the termination message. */
  readonly mounts: readonly CriRequest<'Mount'>[];
  readonly node: NodeResources;
}

/**
 * What the runtime makes a container from.
 *
 * @throws ConfigError for what the specification asks for and must not have
 */
export function containerConfig(
  pod: KubeletPod,
  container: Container,
  inputs: ContainerInputs,
): CriRequest<'ContainerConfig'> {
  const { restartCount, image, environment, mounts, node } = inputs;
  const expanded = (text: string): string => expand(text, (name) => environment.get(name));
  for (const name of environment.keys()) {
    if (name === '') throw new ConfigError(`container ${container.name} has a variable without a name`);
  }
  return {
    metadata: { name: container.name, attempt: restartCount },
    image: { image: image.id },
    command: (container.command ?? []).map(expanded),
    args: (container.args ?? []).map(expanded),
    workingDir: container.workingDir ?? '',
    envs: [...environment].map(([key, value]) => ({ key, value })),
    mounts,
    labels: containerLabels(pod, container),
    annotations: containerAnnotations(pod, container, restartCount),
    logPath: containerLogPath(container.name, restartCount),
    stdin: container.stdin ?? false,
    stdinOnce: container.stdinOnce ?? false,
    tty: container.tty ?? false,
    linux: {
      resources: linuxResources(pod, container, node),
      securityContext: containerSecurity(pod, container, {
        uid: Number(image.uid?.value ?? 0),
        username: image.username,
      }),
    },
  };
}
