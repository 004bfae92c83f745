import type { ConnectHandler } from '../server/types.ts';
import { nodeProxy, podProxy, serviceProxy } from './http-proxy.ts';
import { Kubelets } from './kubelet.ts';
import { commandHandler, logHandler, portForwardHandler } from './streams.ts';

/**
 * The subresources behind which stands a kubelet or a pod, for `Plugins.connect`: logs, exec, attach, port-forward, proxies. What is
 * upgraded is passed on raw; kubelets speak the protocols.
 *
 * @param pki - the folder that `ensurePki` made
 */
export function proxyHandlers({ pki }: { pki: string }): Map<string, ConnectHandler> {
  const kubelets = new Kubelets(pki);
  return new Map([
    ['pods/log', logHandler(kubelets)],
    ['pods/exec', commandHandler(kubelets, 'exec')],
    ['pods/attach', commandHandler(kubelets, 'attach')],
    ['pods/portforward', portForwardHandler(kubelets)],
    ['nodes/proxy', nodeProxy(kubelets)],
    ['pods/proxy', podProxy],
    ['services/proxy', serviceProxy],
  ]);
}
