import { existsSync, readdirSync } from 'node:fs';
import type { Check } from './check.ts';

/** Software on the machine that works with the same things as the lab. The lab leaves all of it alone. */
const KNOWN: readonly { what: string; paths: readonly string[] }[] = [
  { what: 'containerd', paths: ['/run/containerd/containerd.sock'] },
  { what: 'Docker', paths: ['/run/docker.sock', '/var/run/docker.sock'] },
  { what: 'podman', paths: ['/run/podman/podman.sock', '/usr/bin/podman'] },
  { what: 'CRI-O', paths: ['/run/crio/crio.sock'] },
  { what: 'a kubelet', paths: ['/var/lib/kubelet/config.yaml', '/var/lib/kubelet/kubeconfig'] },
  { what: 'K3s', paths: ['/run/k3s', '/var/lib/rancher/k3s'] },
  { what: 'NetworkManager', paths: ['/run/NetworkManager'] },
  { what: 'systemd-networkd', paths: ['/run/systemd/netif/state'] },
  { what: 'firewalld', paths: ['/run/firewalld'] },
];

export interface Neighbours {
  software: string[];
  /** Configuration lists in /etc/cni/net.d. */
  cni: string[];
}

export function collectNeighbours(): Neighbours {
  const folder = '/etc/cni/net.d';
  return {
    software: KNOWN.filter(({ paths }) => paths.some((path) => existsSync(path))).map(({ what }) => what),
    cni: existsSync(folder) ? readdirSync(folder).filter((name) => /\.(conf|conflist|json)$/.test(name)) : [],
  };
}

export function neighbourChecks({ software, cni }: Neighbours): Check[] {
  return [
    {
      name: 'other software',
      status: 'ok',
      found: software.join(', ') || 'none',
      rule: 'information only: the lab has its own containerd, and leaves these alone',
    },
    {
      name: 'other CNI',
      status: 'ok',
      found: cni.join(', ') || 'none',
      rule: "information only: lab nodes have their own /etc/cni; 'flyover agent install' would come before or after these by name",
    },
  ];
}
