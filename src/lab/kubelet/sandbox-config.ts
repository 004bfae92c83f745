import { hostname as ownHostname } from 'node:os';
import type { CriRequest } from './cri-schema.ts';
import type { DnsConfig } from './dns.ts';
import { podLabels } from './labels.ts';
import { allContainers, type KubeletPod } from './model.ts';
import { podLogFolder } from './paths.ts';
import { podCgroup } from './resources.ts';
import { sandboxSecurity } from './security.ts';

const PROTOCOLS: Record<string, number> = { TCP: 0, UDP: 1, SCTP: 2 };
/** The kernel's limit for a host name. */
const LONGEST_HOSTNAME = 63;

/** The name that a pod's programs know their machine by. */
export function podHostname(pod: KubeletPod): string {
  if (pod.spec.hostNetwork) return ownHostname();
  return (pod.spec.hostname ?? pod.name).slice(0, LONGEST_HOSTNAME).replace(/[-.]+$/, '');
}

/** The pod's name among its service's, when it has one: `web-0.web.shop.svc.cluster.local`. */
export function podDomainName(pod: KubeletPod, clusterDomain: string): string | undefined {
  const { subdomain } = pod.spec;
  return subdomain ? `${podHostname(pod)}.${subdomain}.${pod.namespace}.svc.${clusterDomain}` : undefined;
}

/** What the runtime makes a pod's sandbox from. @param attempt - how many sandboxes the pod had before */
export function sandboxConfig(
  pod: KubeletPod,
  attempt: number,
  settings: { readonly dns: DnsConfig; readonly clusterDomain: string },
): CriRequest<'PodSandboxConfig'> {
  const { servers, searches, options } = settings.dns;
  const domain = pod.spec.setHostnameAsFQDN ? podDomainName(pod, settings.clusterDomain) : undefined;
  const ports = allContainers(pod).flatMap((container) => container.ports ?? []);
  return {
    metadata: { name: pod.name, namespace: pod.namespace, uid: pod.uid, attempt },
    // In the node's own UTS namespace there is nothing to set, and runc refuses to.
    hostname: pod.spec.hostNetwork ? '' : (domain ?? podHostname(pod)),
    logDirectory: podLogFolder(pod),
    dnsConfig: { servers, searches, options },
    portMappings: pod.spec.hostNetwork
      ? []
      : ports.map((port) => ({
          protocol: PROTOCOLS[port.protocol ?? 'TCP'] ?? 0,
          containerPort: port.containerPort,
          hostPort: port.hostPort ?? 0,
          hostIp: port.hostIP ?? '',
        })),
    labels: podLabels(pod),
    annotations: pod.object.metadata?.annotations ?? {},
    linux: {
      cgroupParent: podCgroup(pod),
      securityContext: sandboxSecurity(pod),
      sysctls: Object.fromEntries(
        (pod.spec.securityContext?.sysctls ?? []).map(({ name, value }) => [name, value]),
      ),
    },
  };
}
