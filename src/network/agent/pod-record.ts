import type { CniResult } from '../cni/types.ts';
import { attachmentKey, linkMacs, POD_GATEWAY, POD_GATEWAY6 } from '../dataplane/names.ts';
import type { PodLink } from '../dataplane/pod-link.ts';
import type { PodSource } from '../dataplane/table.ts';
import type { IpamRecord } from './ipam/record.ts';

/** What a pod may send, for the node's table. */
export function sourcesOf(record: IpamRecord, tracked: ReadonlySet<string>): PodSource[] {
  return record.addresses.map((address) => ({
    link: record.hostLink,
    address,
    tracked: record.tracked ?? tracked.has(address),
  }));
}

/** The pod's link as it has to be. */
export function linkOf(record: IpamRecord, mtu: number, tracked: boolean): PodLink {
  const { containerId, ifName, netns, addresses } = record;
  return { containerId, ifName, netns, addresses, mtu, tracked };
}

/** The CNI result of a pod link: the node's end first, then the pod's, which the addresses belong to. */
export function resultOf(link: PodLink, hostLink: string): CniResult {
  const { host, pod } = linkMacs(link);
  const gatewayOf = (address: string): string => (address.includes(':') ? POD_GATEWAY6 : POD_GATEWAY);
  return {
    interfaces: [
      { name: hostLink, mac: host, mtu: link.mtu },
      { name: link.ifName, mac: pod, mtu: link.mtu, sandbox: link.netns },
    ],
    ips: link.addresses.map((address) => ({
      address: `${address}/${address.includes(':') ? 128 : 32}`,
      gateway: gatewayOf(address),
      interface: 1,
    })),
    routes: link.addresses.map((address) => ({
      dst: address.includes(':') ? '::/0' : '0.0.0.0/0',
      gw: gatewayOf(address),
    })),
    dns: {},
  };
}

/**
 * What in the runtime's memory of an ADD (`prevResult`) is not what the record says; empty when nothing. Plugins
 * after us may have added to it, so only what is ours is compared.
 */
export function resultDifferences(link: PodLink, hostLink: string, previous: CniResult): string[] {
  const differ: string[] = [];
  const addresses = new Set(previous.ips.map((ip) => ip.address.split('/')[0]));
  for (const address of link.addresses) {
    if (!addresses.has(address)) differ.push(`prevResult.ips: lacks ${address} of ${attachmentKey(link)}`);
  }
  const { host, pod } = linkMacs(link);
  for (const [name, mac] of [
    [hostLink, host],
    [link.ifName, pod],
  ] as const) {
    const found = previous.interfaces.find((one) => one.name === name);
    if (!found) differ.push(`prevResult.interfaces: lacks ${name}`);
    else if (found.mac !== undefined && found.mac.toLowerCase() !== mac) {
      differ.push(`prevResult.interfaces: ${name} has MAC ${found.mac}, the link has ${mac}`);
    }
  }
  return differ;
}
