import { readFileSync } from 'node:fs';
import { isKernelError } from '../../kernel/errno.ts';
import type { Link } from '../../kernel/netlink/link.ts';
import type { Route } from '../../kernel/netlink/route.ts';
import { Rtnl } from '../../kernel/netlink/rtnl.ts';
import { inNamespace } from '../../kernel/netns.ts';
import type { Nft } from '../../kernel/nft/index.ts';
import { hostLinkName, linkAlias, linkMacs, POD_GATEWAY, POD_GATEWAY6 } from './names.ts';
import { type PodLink, prefixed } from './pod-link.ts';
import { orEmpty, SOURCES, TABLE, TRACKED } from './table.ts';

/**
 * Compares a pod link with the kernel, on both sides and in the node's table. Each entry names one thing that
 * differs, as `what: is X, must be Y`; none means that everything is as attach made it. Changes nothing.
 *
 * @param rtnl bound to the node's namespace, as `nft` is
 */
export function checkPodLink(link: PodLink, rtnl: Rtnl, nft: Nft): string[] {
  return [...checkHost(link, rtnl), ...checkTable(link, nft), ...checkPod(link)];
}

function checkHost(link: PodLink, rtnl: Rtnl): string[] {
  const name = hostLinkName(link);
  const found = rtnl.link(name);
  if (!found) return [`interface ${name}: is missing on the node`];
  const { host, pod } = linkMacs(link);
  const differ = checkLink(`interface ${name}`, found, host, link.mtu);
  if (found.alias !== linkAlias(link)) {
    differ.push(`interface ${name}: alias is '${found.alias ?? ''}', must be '${linkAlias(link)}'`);
  }
  const proxy = sysctl(rtnl.netns, `ipv4/conf/${name}/proxy_arp`);
  if (proxy !== '1') differ.push(`proxy_arp of ${name}: is ${proxy}, must be 1`);
  const neighbours = rtnl.neighbours({ dev: found.index });
  const routes = rtnl.routes();
  for (const address of link.addresses) {
    differ.push(...checkNeighbour(`node's neighbour ${address}`, neighbours, address, pod));
    const dst = prefixed(address);
    const route = routes.find((one) => one.dst === dst);
    if (!route) differ.push(`node's route to ${dst}: is missing`);
    else if (route.linkIndex !== found.index) {
      const dev = rtnl.link(route.linkIndex ?? 0)?.name ?? 'nowhere';
      differ.push(`node's route to ${dst}: leads to ${dev}, must lead to ${name}`);
    }
  }
  return differ;
}

function checkTable(link: PodLink, nft: Nft): string[] {
  const name = hostLinkName(link);
  return link.addresses.flatMap((address) => {
    const family = address.includes(':') ? 6 : 4;
    const differ: string[] = [];
    if (!has(nft, SOURCES[family].name, `${name} . ${address}`)) {
      differ.push(
        `set ${SOURCES[family].name}: ${name} . ${address} is missing, the pod's packets are dropped`,
      );
    }
    if (link.tracked && !has(nft, TRACKED[family].name, address)) {
      differ.push(`set ${TRACKED[family].name}: ${address} is missing, its host ports do not work for pods`);
    }
    return differ;
  });
}

function has(nft: Nft, set: string, wanted: string): boolean {
  return orEmpty(() => nft.listElements(TABLE, set)).some(({ key }) => {
    return (Array.isArray(key) ? key.join(' . ') : String(key)) === wanted;
  });
}

function checkPod(link: PodLink): string[] {
  const { netns, ifName } = link;
  let pod: Rtnl;
  try {
    pod = Rtnl.open({ netns });
  } catch (error) {
    if (!isKernelError(error)) throw error;
    return [`namespace ${netns}: cannot be entered (${error.code})`];
  }
  try {
    const found = pod.link(ifName);
    if (!found) return [`interface ${ifName}: is missing in ${netns}`];
    const { host, pod: mac } = linkMacs(link);
    const differ = checkLink(`interface ${ifName} in the pod`, found, mac, link.mtu);
    const addresses = pod.addresses(found.index);
    const neighbours = pod.neighbours({ dev: found.index });
    const defaults = pod.routes().filter((route) => route.dst === 'default');
    for (const address of link.addresses) {
      const family = address.includes(':') ? 6 : 4;
      if (!addresses.some((one) => prefixOf(one) === prefixed(address))) {
        const others = addresses
          .filter((one) => one.family === family && one.scope === 'global')
          .map(prefixOf);
        const is = others.length > 0 ? `is ${others.join(', ')}` : 'is missing';
        differ.push(`address of ${ifName} in the pod: ${is}, must be ${prefixed(address)}`);
      }
      const gateway = family === 6 ? POD_GATEWAY6 : POD_GATEWAY;
      differ.push(...checkNeighbour(`pod's neighbour ${gateway}`, neighbours, gateway, host));
      differ.push(...checkDefault(defaults, family, gateway, found.index));
    }
    return differ;
  } finally {
    pod.close();
  }
}

function prefixOf({ address, prefixLength }: { address: string; prefixLength: number }): string {
  return `${address}/${prefixLength}`;
}

function checkLink(what: string, found: Link, mac: string, mtu: number): string[] {
  const differ: string[] = [];
  if (!found.up) differ.push(`${what}: is down, must be up`);
  if (found.kind !== 'veth') differ.push(`${what}: is of kind ${found.kind ?? 'none'}, must be veth`);
  if (found.mac !== mac) differ.push(`${what}: MAC is ${found.mac}, must be ${mac}`);
  if (found.mtu !== mtu) differ.push(`${what}: MTU is ${found.mtu}, must be ${mtu}`);
  return differ;
}

function checkNeighbour(
  what: string,
  neighbours: readonly { address: string; mac?: string; state: string }[],
  address: string,
  mac: string,
): string[] {
  const found = neighbours.find((one) => one.address === address);
  if (!found) return [`${what}: is missing`];
  if (found.state !== 'permanent') return [`${what}: is ${found.state}, must be permanent`];
  return found.mac === mac ? [] : [`${what}: has MAC ${found.mac ?? 'none'}, must have ${mac}`];
}

function checkDefault(defaults: readonly Route[], family: 4 | 6, gateway: string, index: number): string[] {
  const what = `pod's IPv${family} default route`;
  const found = defaults.filter((route) => route.family === family);
  if (found.length === 0) return [`${what}: is missing`];
  if (found.some((route) => route.via === gateway && route.linkIndex === index)) return [];
  return [`${what}: goes via ${found[0]?.via ?? 'nothing'}, must go via ${gateway}`];
}

function sysctl(netns: string | undefined, name: string): string {
  const read = (): string => readFileSync(`/proc/sys/net/${name}`, 'utf8').trim();
  return netns === undefined ? read() : inNamespace(netns, read);
}
