import type { KubeletPod } from './model.ts';
import { podDomainName, podHostname } from './sandbox-config.ts';

const HEADER = '# Kubernetes-managed hosts file.\n';
const HEADER_OF_NODE = '# Kubernetes-managed hosts file (host network).\n';
const LOOPBACK = [
  '127.0.0.1\tlocalhost',
  '::1\tlocalhost ip6-localhost ip6-loopback',
  'fe00::0\tip6-localnet',
  'fe00::0\tip6-mcastprefix',
  'fe00::1\tip6-allnodes',
  'fe00::2\tip6-allrouters',
];

/** The text of a pod's /etc/hosts. @param nodeFile - the node's own, which pods in its network build upon */
export function hostsFile(
  pod: KubeletPod,
  podIps: readonly string[],
  clusterDomain: string,
  nodeFile: string,
): string {
  const aliases = (pod.spec.hostAliases ?? []).map(
    ({ ip, hostnames = [] }) => `${ip}\t${hostnames.join('\t')}`,
  );
  const added = aliases.length === 0 ? '' : `\n# Entries added by HostAliases.\n${aliases.join('\n')}\n`;
  if (pod.spec.hostNetwork) return HEADER_OF_NODE + nodeFile + added;
  const domain = podDomainName(pod, clusterDomain);
  const names = domain ? `${domain}\t${podHostname(pod)}` : podHostname(pod);
  const own = podIps.map((ip) => `${ip}\t${names}`);
  return `${HEADER}${[...LOOPBACK, ...own].join('\n')}\n${added}`;
}
