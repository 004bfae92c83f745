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
import { type PodSource, SOURCES, sourceElement, TABLE, TRACKED } from './table.ts';

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
  | 'sources-admitted'
  | 'link-created'
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
    this.#refuseExisting(link);
    let created = false;
    try {
      this.#admit(link);
      reached('sources-admitted');
      this.#create(link);
      created = true;
      reached('link-created');
      this.#configurePod(link, 'add');
      reached('pod-configured');
      this.#configureHost(link, 'add');
      reached('host-configured');
    } catch (error) {
      this.#withdraw(link, link.addresses);
      if (created) await this.#rtnl.deleteLinkAsync(hostLinkName(link), { ifMissing: 'ignore' });
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
    const name = hostLinkName(attachment);
    this.#withdraw(
      attachment,
      addresses ??
        this.sources()
          .filter((s) => s.link === name)
          .map((s) => s.address),
    );
    reached('sources-withdrawn');
    if (this.#rtnl.link(name)) await this.#rtnl.deleteLinkAsync(name, { ifMissing: 'ignore' });
    reached('link-deleted');
  }

  /**
   * Puts back whatever is missing of an existing link, on both sides.
   *
   * @throws PodLinkError or KernelError when that is impossible, for instance because one end is gone
   */
  repair(link: PodLink): void {
    this.#admit(link);
    this.#configurePod(link, 'replace');
    this.#configureHost(link, 'replace');
  }

  /** What the node's table admits now. */
  sources(): PodSource[] {
    return ([4, 6] as const).flatMap((family) =>
      this.#nft.listElements(TABLE, SOURCES[family].name).map(({ key }) => {
        const [link = '', address = ''] = key as readonly string[];
        return { link, address };
      }),
    );
  }

  #refuseExisting(link: PodLink): void {
    const name = hostLinkName(link);
    if (this.#rtnl.link(name)) {
      throw new PodLinkError(
        'exists',
        `interface ${name} of ${attachmentKey(link)} already exists on the node`,
        'send DEL first',
      );
    }
  }

  #create(link: PodLink): void {
    const { netns, ifName, mtu } = link;
    const { host, pod } = linkMacs(link);
    try {
      this.#rtnl.createVeth({
        name: hostLinkName(link),
        group: POD_LINK_GROUP,
        mac: host,
        mtu,
        peer: { name: ifName, mac: pod, mtu, netns },
      });
    } catch (error) {
      if (isKernelError(error, 'EEXIST')) {
        throw new PodLinkError(
          'exists',
          `interface ${ifName} already exists in ${netns}`,
          'send DEL first, or use another CNI_IFNAME',
        );
      }
      // A path that is there but no namespace: a leftover of a mount.
      if (isKernelError(error, 'ENOENT', 'EINVAL', 'EBADF', 'EACCES') && !isNamespace(netns)) {
        throw new PodLinkError(
          'no-namespace',
          `${netns} is not a network namespace`,
          'the sandbox is gone; make a new one',
        );
      }
      throw error;
    }
  }

  #configurePod(link: PodLink, verb: 'add' | 'replace'): void {
    const { netns, ifName } = link;
    const { host } = linkMacs(link);
    using pod = Rtnl.open({ netns });
    const index = pod.link(ifName)?.index;
    if (index === undefined) {
      throw new PodLinkError('missing', `interface ${ifName} is not in ${netns}`, 'send DEL, then ADD');
    }
    pod.setLink('lo', { up: true });
    pod.setLink(index, { up: true, mtu: link.mtu });
    for (const address of link.addresses) {
      const v6 = address.includes(':');
      const gateway = v6 ? POD_GATEWAY6 : POD_GATEWAY;
      this.#addAddress(pod, link, index, address);
      pod.setNeighbour({ dev: index, address: gateway, mac: host });
      const route = { dst: 'default', via: gateway, dev: index, onlink: true } as const;
      if (verb === 'replace') pod.replaceRoute(route);
      else
        orExists(
          () => pod.addRoute(route),
          `${netns} already has a default route`,
          'attach one default network to a pod',
        );
    }
  }

  #addAddress(pod: Rtnl, link: PodLink, index: number, address: string): void {
    const spec = { address, prefixLength: address.includes(':') ? 128 : 32 };
    try {
      pod.addAddress(index, spec, { ifExists: 'ignore' });
    } catch (error) {
      // Some runtimes switch IPv6 off in new namespaces.
      if (!address.includes(':') || !isKernelError(error, 'EACCES', 'EPERM')) throw error;
      setNetSysctl(link.netns, `ipv6/conf/${link.ifName}/disable_ipv6`, 0);
      pod.addAddress(index, spec, { ifExists: 'ignore' });
    }
  }

  #configureHost(link: PodLink, verb: 'add' | 'replace'): void {
    const name = hostLinkName(link);
    const { pod } = linkMacs(link);
    const index = this.#rtnl.link(name)?.index;
    if (index === undefined) {
      throw new PodLinkError(
        'missing',
        `interface ${name} of ${attachmentKey(link)} is not on the node`,
        'send DEL, then ADD',
      );
    }
    this.#rtnl.setLink(index, {
      up: true,
      mtu: link.mtu,
      alias: linkAlias(link),
      // The source check in the node's table is stricter than rp_filter, and counts.
      ipv4: { proxyArp: true, rpFilter: 0 },
      linkLocal: false,
    });
    for (const address of link.addresses) {
      this.#rtnl.setNeighbour({ dev: index, address, mac: pod });
      const route = { dst: prefixed(address), dev: index, protocol: ROUTE_PROTOCOL } as const;
      if (verb === 'replace') this.#rtnl.replaceRoute(route);
      // Two pods with one address would be the worst of all faults: the kernel is asked to refuse it.
      else
        orExists(
          () => this.#rtnl.addRoute(route),
          `the node already has a route to ${address}`,
          'find its owner with: ip route',
        );
    }
  }

  #admit(link: PodLink): void {
    const tx = new Transaction();
    for (const [set, elements] of elementsOf(link, link.addresses, link.tracked)) {
      tx.addElements({ table: TABLE, set, elements });
    }
    this.#nft.commit(tx);
  }

  #withdraw(attachment: Attachment, addresses: readonly string[]): void {
    for (const [set, elements] of elementsOf(attachment, addresses, true)) {
      // One transaction each: kernels before 6.3 cannot ignore what is missing, and refuse all.
      const tx = new Transaction().deleteElements({ table: TABLE, set, elements });
      try {
        this.#nft.commit(tx);
      } catch (error) {
        if (!isKernelError(error, 'ENOENT')) throw error;
      }
    }
  }
}

function elementsOf(attachment: Attachment, addresses: readonly string[], tracked: boolean | undefined) {
  const link = hostLinkName(attachment);
  return addresses.flatMap((address) => {
    const { family } = parseAddress(address);
    const source = [SOURCES[family], [sourceElement({ link, address })]] as const;
    return tracked ? [source, [TRACKED[family], [{ key: address }]] as const] : [source];
  });
}

/** The address as a prefix of its full length. */
export function prefixed(address: string): string {
  return `${address}/${address.includes(':') ? 128 : 32}`;
}

function orExists(add: () => void, message: string, fix: string): void {
  try {
    add();
  } catch (error) {
    if (isKernelError(error, 'EEXIST')) throw new PodLinkError('route-exists', message, fix);
    throw error;
  }
}

function isNamespace(path: string): boolean {
  try {
    inNamespace(path, () => {});
    return true;
  } catch {
    return false;
  }
}
