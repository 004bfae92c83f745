import { parseAddress } from '../../address/ip.ts';
import { isKernelError } from '../../kernel/errno.ts';
import { Rtnl } from '../../kernel/netlink/rtnl.ts';
import { inNamespace, setNetSysctl } from '../../kernel/netns.ts';
import { type Nft, Transaction } from '../../kernel/nft/index.ts';
import {
  type Attachment,
  attachmentKey,
  hostLinkName,
  linkAlias,
  linkMacs,
  POD_GATEWAY,
  POD_GATEWAY6,
  POD_LINK_GROUP,
  ROUTE_PROTOCOL,
} from './names.ts';
import { PodLinkError } from './pod-link-error.ts';
import { orEmpty, type PodSource, SOURCES, sourceElement, TABLE, TRACKED } from './table.ts';

/** Everything that makes a pod link, and what its CNI result is made of. */
export interface PodLink extends Attachment {
  /** Path of the pod's namespace. */
  readonly netns: string;
  /** The pod's addresses, at most one a family. */
  readonly addresses: readonly string[];
  /** Bytes, for both ends. */
  readonly mtu: number;
  /** See {@link PodSource.tracked}. */
  readonly tracked?: boolean;
}

/** The points of attach and detach at which a test may kill the process. */
export type PodLinkStep =
  | 'link-created'
  | 'sources-admitted'
  | 'pod-configured'
  | 'host-configured'
  | 'sources-withdrawn'
  | 'link-deleted';

export type StepListener = (step: PodLinkStep) => void;

/**
 * Pod links in Azure CNI's transparent mode. The pod has its address as a /32 and a default route to a next hop
 * that is on no interface; the node has a /32 route to the pod. Both know each other's MAC by permanent entries,
 * so no ARP is ever sent, and the node answers (proxy_arp) whatever a pod may still ask for.
 *
 * All work in the pod's namespace goes through a socket opened there; this process stays where it is.
 */
export class PodLinks {
  readonly #rtnl: Rtnl;
  readonly #nft: Nft;
  /**
   * Bytes of the largest unsegmented IPv4 packet of links that are made or repaired from now on; undefined leaves the
   * kernel's default. It decides how often a large transfer pays for its way through the node: with what the NIC
   * takes, pods are as fast as the node itself.
   */
  gsoIpv4MaxSize: number | undefined;

  /** @param rtnl bound to the node's namespace, as `nft` is */
  constructor(rtnl: Rtnl, nft: Nft) {
    this.#rtnl = rtnl;
    this.#nft = nft;
  }

  /**
   * Makes and configures the link. Nothing is left of it when this throws.
   *
   * @throws PodLinkError `exists` when the pod has such an interface (or the node such a link), `no-namespace`,
   *   `route-exists` when the pod has a default route or the node a route to the address
   */
  async attach(link: PodLink, reached: StepListener = () => {}): Promise<void> {
    if (this.#rtnl.linkIndex(hostLinkName(link)) !== undefined) throw nodeExists(link);
    using pod = this.enter(link.netns, link.ifName);
    this.create(link, reached);
    await this.complete(link, pod, reached);
  }

  /**
   * The pod's side of a link that is to be made; to be closed.
   *
   * @throws PodLinkError `exists` when the pod has such an interface, `no-namespace`
   */
  enter(netns: string, ifName: string): Rtnl {
    let pod: Rtnl;
    try {
      pod = Rtnl.open({ netns });
    } catch (error) {
      throw isKernelError(error) ? noNamespace(netns) : error;
    }
    if (pod.linkIndex(ifName) === undefined) return pod;
    pod.close();
    throw podExists(netns, ifName);
  }

  /**
   * Makes both ends, down and without an address: nothing can pass, so it may be done while the addresses are still
   * being written down. The host end says from now on whose it is.
   *
   * @throws PodLinkError `exists`, `no-namespace`; then nothing was made
   */
  create(link: Omit<PodLink, 'addresses'>, reached: StepListener = () => {}): void {
    this.#create(link);
    reached('link-created');
  }

  /**
   * Gives a link that {@link create} made its addresses, and lets it carry packets. Nothing is left of it when this
   * throws.
   *
   * @throws PodLinkError `route-exists`
   */
  async complete(link: PodLink, pod: Rtnl, reached: StepListener = () => {}): Promise<void> {
    try {
      this.#admit(link);
      reached('sources-admitted');
      this.#configurePod(link, 'add', pod);
      reached('pod-configured');
      this.#configureHost(link, 'add');
      reached('host-configured');
    } catch (error) {
      this.#withdraw(hostLinkName(link), link.addresses);
      await this.#rtnl.deleteLinkAsync(hostLinkName(link), { ifMissing: 'ignore' });
      throw error;
    }
  }

  /**
   * Removes the link, with the routes and neighbours that hang on it, and what its table elements admit. Nothing
   * there is no error.
   *
   * @param addresses what the pod had; undefined when unknown: then the table is searched
   */
  async detach(
    attachment: Attachment,
    addresses: readonly string[] | undefined,
    reached: StepListener = () => {},
  ): Promise<void> {
    await this.remove(hostLinkName(attachment), addresses, reached);
  }

  /** {@link detach} for a host end of which only the name is known. */
  async remove(
    name: string,
    addresses: readonly string[] | undefined = this.#admitted(name),
    reached: StepListener = () => {},
  ): Promise<void> {
    this.#withdraw(name, addresses);
    reached('sources-withdrawn');
    if (this.#rtnl.linkIndex(name) !== undefined) {
      await this.#rtnl.deleteLinkAsync(name, { ifMissing: 'ignore' });
    }
    reached('link-deleted');
  }

  /** Addresses in conntrack although pod traffic is not (see `tracked_pods`); none while there is no table. */
  trackedAddresses(): Set<string> {
    const read = (family: 4 | 6) => orEmpty(() => this.#nft.listElements(TABLE, TRACKED[family].name));
    return new Set([...read(4), ...read(6)].map(({ key }) => String(key)));
  }

  #admitted(name: string): string[] {
    return this.sources()
      .filter(({ link }) => link === name)
      .map(({ address }) => address);
  }

  /**
   * Puts back whatever is missing of an existing link, on both sides.
   *
   * @throws PodLinkError or KernelError when that is impossible, for instance because one end is gone
   */
  repair(link: PodLink): void {
    this.#admit(link);
    using pod = Rtnl.open({ netns: link.netns });
    this.#configurePod(link, 'replace', pod);
    this.#configureHost(link, 'replace');
  }

  /** What the node's table admits now; nothing while there is no table. */
  sources(): PodSource[] {
    return ([4, 6] as const).flatMap((family) =>
      orEmpty(() => this.#nft.listElements(TABLE, SOURCES[family].name)).map(({ key }) => {
        const [link = '', address = ''] = key as readonly string[];
        return { link, address };
      }),
    );
  }

  #create(link: Omit<PodLink, 'addresses'>): void {
    const { netns, ifName, mtu } = link;
    const { host, pod } = linkMacs(link);
    try {
      this.#rtnl.createVeth({
        name: hostLinkName(link),
        alias: linkAlias(link),
        group: POD_LINK_GROUP,
        queues: 1,
        mac: host,
        mtu,
        peer: { name: ifName, queues: 1, mac: pod, mtu, netns },
      });
    } catch (error) {
      if (isKernelError(error, 'EEXIST')) {
        throw this.#rtnl.linkIndex(hostLinkName(link)) === undefined
          ? podExists(netns, ifName)
          : nodeExists(link);
      }
      // A path that is there but no namespace: a leftover of a mount.
      if (isKernelError(error, 'ENOENT', 'EINVAL', 'EBADF', 'EACCES') && !isNamespace(netns)) {
        throw noNamespace(netns);
      }
      throw error;
    }
  }

  #configurePod(link: PodLink, verb: 'add' | 'replace', pod: Rtnl): void {
    const { netns, ifName, mtu, addresses } = link;
    const { host } = linkMacs(link);
    const dev = pod.linkIndex(ifName);
    if (dev === undefined) {
      throw new PodLinkError('missing', `interface ${ifName} is not in ${netns}`, 'send DEL, then ADD');
    }
    const configure = (): void =>
      pod.batch((batch) => {
        batch.setLink('lo', { up: true });
        batch.setLink(dev, { up: true, mtu, gsoIpv4MaxSize: this.gsoIpv4MaxSize });
        for (const address of addresses) {
          const via = address.includes(':') ? POD_GATEWAY6 : POD_GATEWAY;
          batch.addAddress(dev, { address, prefixLength: fullLength(address) }, { ifExists: 'ignore' });
          batch.setNeighbour({ dev, address: via, mac: host });
          batch[`${verb}Route`]({ dst: 'default', via, dev, onlink: true });
        }
      });
    try {
      configure();
    } catch (error) {
      if (isTakenRoute(error)) {
        const fix = 'attach one default network to a pod';
        throw new PodLinkError('route-exists', `${netns} already has a default route`, fix);
      }
      // Some runtimes switch IPv6 off in new namespaces. What is there by now stays.
      if (!isKernelError(error, 'EACCES') || !addresses.some((one) => one.includes(':'))) throw error;
      setNetSysctl(netns, `ipv6/conf/${ifName}/disable_ipv6`, 0);
      this.#configurePod(link, 'replace', pod);
    }
  }

  #configureHost(link: PodLink, verb: 'add' | 'replace'): void {
    const name = hostLinkName(link);
    const { pod } = linkMacs(link);
    const dev = this.#rtnl.linkIndex(name);
    if (dev === undefined) {
      const message = `interface ${name} of ${attachmentKey(link)} is not on the node`;
      throw new PodLinkError('missing', message, 'send DEL, then ADD');
    }
    try {
      this.#rtnl.batch((batch) => {
        // Before it is up, or the kernel has made its link-local address already.
        batch.setLink(dev, { linkLocal: false });
        // The source check in the node's table is stricter than rp_filter, and counts.
        const ipv4 = { proxyArp: true, rpFilter: 0 } as const;
        const alias = linkAlias(link);
        const { gsoIpv4MaxSize } = this;
        batch.setLink(dev, { up: true, mtu: link.mtu, gsoIpv4MaxSize, alias, group: POD_LINK_GROUP, ipv4 });
        for (const address of link.addresses) {
          batch.setNeighbour({ dev, address, mac: pod });
          // Two pods with one address would be the worst of all faults: the kernel is asked to refuse it.
          batch[`${verb}Route`]({ dst: prefixed(address), dev, protocol: ROUTE_PROTOCOL });
        }
      });
    } catch (error) {
      if (!isTakenRoute(error)) throw error;
      const message = `the node already has a route to ${link.addresses.join(' or ')}`;
      throw new PodLinkError('route-exists', message, 'find what it leads to with: ip route');
    }
  }

  #admit(link: PodLink): void {
    const tx = new Transaction();
    for (const [set, elements] of elementsOf(hostLinkName(link), link.addresses, link.tracked)) {
      tx.addElements({ table: TABLE, set, elements });
    }
    this.#nft.commit(tx);
  }

  #withdraw(link: string, addresses: readonly string[]): void {
    if (addresses.length === 0) return;
    // Looked up, because the kernel waits 8 ms for its readers when it has to refuse a transaction.
    const tracked = this.trackedAddresses();
    const elements = addresses.flatMap((one) => elementsOf(link, [one], tracked.has(one)));
    const remove = (some: typeof elements): boolean => {
      const tx = new Transaction();
      for (const [set, entries] of some) tx.deleteElements({ table: TABLE, set, elements: entries });
      try {
        this.#nft.commit(tx);
        return true;
      } catch (error) {
        if (isKernelError(error, 'ENOENT')) return false;
        throw error;
      }
    };
    // One missing element refuses them all (before Linux 6.3 it cannot be ignored): then one by one.
    if (!remove(elements)) for (const one of elements) remove([one]);
  }
}

function elementsOf(link: string, addresses: readonly string[], tracked: boolean | undefined) {
  return addresses.flatMap((address) => {
    const { family } = parseAddress(address);
    const source = [SOURCES[family], [sourceElement({ link, address })]] as const;
    return tracked ? [source, [TRACKED[family], [{ key: address }]] as const] : [source];
  });
}

/** The address as a prefix of its full length. */
export function prefixed(address: string): string {
  return `${address}/${fullLength(address)}`;
}

function fullLength(address: string): 32 | 128 {
  return address.includes(':') ? 128 : 32;
}

function isTakenRoute(error: unknown): boolean {
  return isKernelError(error, 'EEXIST') && error.operation === 'add route';
}

function podExists(netns: string, ifName: string): PodLinkError {
  const message = `interface ${ifName} already exists in ${netns}`;
  return new PodLinkError('exists', message, 'send DEL first, or use another CNI_IFNAME');
}

function nodeExists(link: Attachment): PodLinkError {
  const message = `interface ${hostLinkName(link)} of ${attachmentKey(link)} already exists on the node`;
  return new PodLinkError('exists', message, 'send DEL first');
}

function noNamespace(netns: string): PodLinkError {
  const message = `${netns} is not a network namespace`;
  return new PodLinkError('no-namespace', message, 'the sandbox is gone; make a new one');
}

function isNamespace(path: string): boolean {
  try {
    inNamespace(path, () => {});
    return true;
  } catch {
    return false;
  }
}
