import { parseCidr } from '../../address/cidr.ts';
import type { Link } from '../../kernel/netlink/link.ts';
import type { Route } from '../../kernel/netlink/route.ts';
import { Rtnl } from '../../kernel/netlink/rtnl.ts';
import { type CounterValue, type Nft, Transaction } from '../../kernel/nft/index.ts';
import type { NodeNetwork } from './model.ts';
import { type Attachment, attachmentKey, attachmentOfAlias, POD_LINK_GROUP } from './names.ts';
import { type PodLink, PodLinks } from './pod-link.ts';
import { checkPodLink } from './pod-link-check.ts';
import { planRouting } from './routing.ts';
import { enableForwarding, removeRouting, syncRouting } from './routing-sync.ts';
import { type PodSource, TABLE, tableModel } from './table.ts';
import { syncTable, type TableFindings } from './table-sync.ts';
import { findUplink } from './uplink.ts';

/** A host end found on the node. */
export interface FoundLink {
  readonly name: string;
  readonly mtu: number;
  /** Undefined when it has no alias of ours: then it was never finished. */
  readonly attachment?: Attachment;
  /** Where the node's routes over it lead. */
  readonly addresses: readonly string[];
}

/** What {@link Dataplane.apply} found and did. */
export interface Applied {
  readonly table: TableFindings;
  readonly routing: readonly string[];
  /** Why pods cannot be served now, one sentence each; empty when they can. */
  readonly problems: readonly string[];
  /** What is not as wished but stops nobody. */
  readonly warnings: readonly string[];
}

/** The kernel side of one node: its table, its routes, its pods' links. */
export class Dataplane {
  readonly #rtnl: Rtnl;
  readonly #nft: Nft;
  readonly #links: PodLinks;
  #podMtu: number | undefined;

  /** @param rtnl bound to the node's namespace, as `nft` is; both are closed with this object */
  constructor(rtnl: Rtnl, nft: Nft) {
    this.#rtnl = rtnl;
    this.#nft = nft;
    this.#links = new PodLinks(rtnl, nft);
  }

  get links(): PodLinks {
    return this.#links;
  }

  /** Bytes, for pods that start now; undefined until {@link apply} found the node's NIC. */
  get podMtu(): number | undefined {
    return this.#podMtu;
  }

  /**
   * Brings table, forwarding, routes and tunnel to the configuration. The table comes first and always, so that
   * nothing is ever forwarded unchecked.
   *
   * @param pods everything that may send, in the node's table
   */
  apply(network: NodeNetwork, pods: readonly PodSource[]): Applied {
    const table = syncTable(this.#nft, tableModel(network, pods));
    const uplink = findUplink(this.#rtnl, network.nodeAddresses);
    if (!uplink) {
      this.#podMtu = undefined;
      const problem = `nodeAddresses[0] '${network.nodeAddresses[0]}' is on no interface of this node; give it to one, or correct node.json`;
      return { table, routing: [], problems: [problem], warnings: [] };
    }
    const families = new Set(network.nodeBlocks.map((block) => parseCidr(block).family));
    enableForwarding(this.#rtnl.netns, families, uplink.name);
    const plan = planRouting(network, uplink);
    const routing = syncRouting(this.#rtnl, plan);
    this.#podMtu = plan.podMtu;
    this.#links.gsoIpv4MaxSize = plan.podGsoIpv4MaxSize;
    const warnings = plan.unreachable.map(({ peer, why }) => `no way to the pods of node ${peer}: ${why}`);
    return { table, routing, problems: [], warnings };
  }

  /** See {@link checkPodLink}. */
  check(link: PodLink): string[] {
    return checkPodLink(link, this.#rtnl, this.#nft);
  }

  /** The MTU of a host end, or undefined when there is none of that name. */
  linkMtu(name: string): number | undefined {
    return this.#rtnl.link(name)?.mtu;
  }

  /** All host ends on the node. */
  foundLinks(): FoundLink[] {
    const links = this.#rtnl.links({ kind: 'veth', group: POD_LINK_GROUP });
    if (links.length === 0) return [];
    const routes = Map.groupBy(this.#rtnl.routes(), (route) => route.linkIndex);
    return links.map((link) => found(link, routes.get(link.index) ?? []));
  }

  /** One of them. */
  foundLink(name: string): FoundLink | undefined {
    const link = this.#rtnl.link(name);
    return link?.group === POD_LINK_GROUP ? found(link, this.#rtnl.routes({ dev: link.index })) : undefined;
  }

  /** The table's named counters; they live as long as the table, over restarts of the agent. */
  counters(): Map<string, CounterValue> {
    return this.#nft.counters(TABLE);
  }

  /** Takes table, routes and tunnel away: for uninstall, when no pod is left. */
  remove(): void {
    this.#nft.commit(new Transaction().deleteTable(TABLE, { ifMissing: 'ignore' }));
    removeRouting(this.#rtnl);
  }

  close(): void {
    this.#rtnl.close();
    this.#nft.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function found({ name, mtu, alias }: Link, routes: readonly Route[]): FoundLink {
  const addresses = routes.flatMap(({ dst, via }) => {
    const [address = '', length] = dst.split('/');
    return via === undefined && (length === '32' || length === '128') ? [address] : [];
  });
  const attachment = attachmentOfAlias(alias);
  return attachment ? { name, mtu, addresses, attachment } : { name, mtu, addresses };
}

/** The attachments that have a link on this node, as `<containerId>/<ifName>`; what uninstall asks. */
export function attachedPods(): string[] {
  using rtnl = Rtnl.open();
  return rtnl.links({ kind: 'veth', group: POD_LINK_GROUP }).map(({ name, alias }) => {
    const attachment = attachmentOfAlias(alias);
    return attachment ? attachmentKey(attachment) : name;
  });
}
