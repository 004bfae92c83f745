import type { KubeletPod } from './model.ts';

/** A map as downward API files have it: `key="value"` lines in the keys' order. */
function lines(map: Readonly<Record<string, string>> | undefined): string {
  return Object.entries(map ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join('\n');
}

/**
 * A field of a pod for variables and downward API files: `metadata.labels['app']`, `status.podIP`.
 *
 * @returns undefined for a path that Kubernetes does not offer
 */
export function podField(
  pod: KubeletPod,
  path: string,
  addresses: { readonly podIps: readonly string[]; readonly nodeIps: readonly string[] },
): string | undefined {
  const metadata = pod.object.metadata ?? {};
  const subscript = /^metadata\.(labels|annotations)\['(.*)'\]$/.exec(path);
  if (subscript) return metadata[subscript[1] as 'labels' | 'annotations']?.[subscript[2]!] ?? '';
  switch (path) {
    case 'metadata.name':
      return pod.name;
    case 'metadata.namespace':
      return pod.namespace;
    case 'metadata.uid':
      return pod.uid;
    case 'metadata.labels':
      return lines(metadata.labels);
    case 'metadata.annotations':
      return lines(metadata.annotations);
    case 'spec.nodeName':
      return pod.spec.nodeName ?? '';
    case 'spec.serviceAccountName':
      return pod.spec.serviceAccountName ?? '';
    case 'status.hostIP':
      return addresses.nodeIps[0] ?? '';
    case 'status.hostIPs':
      return addresses.nodeIps.join(',');
    case 'status.podIP':
      return addresses.podIps[0] ?? '';
    case 'status.podIPs':
      return addresses.podIps.join(',');
    default:
      return undefined;
  }
}
