import { isIP } from 'node:net';
import { parseArgs } from 'node:util';
import { parseQuantity } from '../../kube/quantity.ts';

export interface KubeletOptions {
  /** Undefined: no API server, static pods only. */
  readonly kubeconfig: string | undefined;
  readonly nodeName: string;
  readonly nodeIps: readonly string[];
  readonly maxPods: number;
  /** The folder with `kubelet.crt`, `kubelet.key` and `ca.crt` for the kubelet's own server. */
  readonly pki: string | undefined;
  readonly cri: string;
  readonly root: string;
  /** On a file system in memory, for secrets, and for the kubelet's own socket. */
  readonly memoryRoot: string;
  readonly clusterDns: readonly string[];
  readonly clusterDomain: string;
  readonly requestedPodCidrs: string | undefined;
  readonly nodeLabels: Readonly<Record<string, string>>;
  readonly staticPods: string | undefined;
  readonly port: number;
  /** What the node offers instead of all that the machine has: `cpu`, `memory`. */
  readonly capacity: Readonly<Record<string, string>>;
}

export class OptionError extends Error {
  override readonly name = 'OptionError';
}

const NAME = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;

/** `a=1,b=2` as a map. */
function pairs(option: string, text: string | undefined): Record<string, string> {
  const result: Record<string, string> = {};
  for (const part of (text ?? '').split(',').filter(Boolean)) {
    const at = part.indexOf('=');
    if (at <= 0) throw new OptionError(`--${option}: "${part}" must be KEY=VALUE`);
    result[part.slice(0, at)] = part.slice(at + 1);
  }
  return result;
}

function addresses(option: string, text: string | undefined): string[] {
  const list = (text ?? '').split(',').filter(Boolean);
  for (const each of list)
    if (isIP(each) === 0) throw new OptionError(`--${option}: "${each}" must be an address`);
  return list;
}

function number(option: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new OptionError(`--${option}: "${text}" must be a whole number from ${least} to ${most}`);
}

/** @throws OptionError naming the option, the value and the rule */
export function parseOptions(args: readonly string[]): KubeletOptions {
  const text = { type: 'string' } as const;
  let values: Record<string, string | undefined>;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        kubeconfig: text,
        'node-name': text,
        'node-ip': text,
        'max-pods': { ...text, default: '110' },
        pki: text,
        cri: { ...text, default: '/run/containerd/containerd.sock' },
        root: { ...text, default: '/var/lib/kubelet' },
        'memory-root': { ...text, default: '/run/kubelet' },
        'cluster-dns': text,
        'cluster-domain': { ...text, default: 'cluster.local' },
        'requested-pod-cidrs': text,
        'node-labels': text,
        'static-pods': text,
        port: { ...text, default: '10250' },
        capacity: text,
      },
      strict: true,
    }));
  } catch (error) {
    throw new OptionError((error as Error).message);
  }
  const nodeName = values['node-name'] ?? '';
  if (!NAME.test(nodeName))
    throw new OptionError(`--node-name: "${nodeName}" must be a DNS name in lower case`);
  const nodeIps = addresses('node-ip', values['node-ip']);
  if (nodeIps.length === 0)
    throw new OptionError('--node-ip is missing; name the address that pods and the API server reach');
  const capacity = pairs('capacity', values.capacity);
  for (const [name, amount] of Object.entries(capacity)) {
    if (name !== 'cpu' && name !== 'memory')
      throw new OptionError(`--capacity: "${name}" must be cpu or memory`);
    parseQuantity(amount);
  }
  if (!values.kubeconfig && !values['static-pods'])
    throw new OptionError('--kubeconfig is missing; without it --static-pods names the only source of pods');
  return {
    kubeconfig: values.kubeconfig,
    nodeName,
    nodeIps,
    maxPods: number('max-pods', values['max-pods']!, 1, 10_000),
    pki: values.pki,
    cri: values.cri!,
    root: values.root!,
    memoryRoot: values['memory-root']!,
    clusterDns: addresses('cluster-dns', values['cluster-dns']),
    clusterDomain: values['cluster-domain']!,
    requestedPodCidrs: values['requested-pod-cidrs'],
    nodeLabels: pairs('node-labels', values['node-labels']),
    staticPods: values['static-pods'],
    port: number('port', values.port!, 0, 65_535),
    capacity,
  };
}
