import { join } from 'node:path';
import type { Logger } from 'pino';
import { KubeClient } from '../../../kube/client.ts';
import { loadKubeConfig } from '../../../kube/kube-config.ts';
import { installConflist } from '../install.ts';
import { KubernetesSource } from './source.ts';

export interface KubernetesStart {
  /** A file; without it the pod's service account. */
  readonly kubeconfig?: string;
  readonly nodeName: string;
  /** The agent's state folder. */
  readonly state: string;
  /** The runtime's CRI socket. */
  readonly cri: string;
  /** Whether to write the CNI configuration once pods can be served. */
  readonly conflist: boolean;
  readonly log: Logger;
}

/** The name is part of selectors and paths. As Kubernetes checks it. */
const NAME = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;

/** @throws RangeError for what is no node's name, KubeConfigError for a kubeconfig that cannot be used */
export async function startKubernetesSource(options: KubernetesStart): Promise<KubernetesSource> {
  const { kubeconfig, nodeName, state, cri, conflist, log } = options;
  if (!NAME.test(nodeName)) {
    throw new RangeError(
      `--node-name '${nodeName.slice(0, 80)}' is not a node's name (lower-case letters, digits, - and .); give the one that kubectl get nodes shows`,
    );
  }
  const config = loadKubeConfig(kubeconfig === undefined ? { inCluster: true } : { kubeconfig });
  log.info({ api: config.server, from: config.source, nodeName }, 'taking the configuration from Kubernetes');
  return KubernetesSource.start({
    client: new KubeClient(config, { userAgent: 'flyover-agent' }),
    log,
    nodeName,
    saved: join(state, 'kubernetes.json'),
    cri,
    onServing: () => {
      if (!conflist) return;
      const { written, warnings } = installConflist({});
      if (written.length > 0) log.info({ written }, 'runtimes may call the plugin now');
      for (const warning of warnings) log.warn(warning);
    },
  });
}
