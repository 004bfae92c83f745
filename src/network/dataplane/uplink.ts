import type { Rtnl } from '../../kernel/netlink/rtnl.ts';
import type { Uplink } from './model.ts';

/**
 * The interface that carries the node's first address, with all its addresses.
 *
 * @returns undefined when no interface has the address (yet)
 */
export function findUplink(rtnl: Rtnl, nodeAddresses: readonly string[]): Uplink | undefined {
  const addresses = rtnl.addresses();
  const holder = addresses.find(({ address }) => address === nodeAddresses[0]);
  const link = holder && rtnl.link(holder.linkIndex);
  if (!link) return undefined;
  return {
    name: link.name,
    index: link.index,
    mtu: link.mtu,
    ...(link.gsoIpv4MaxSize === undefined ? {} : { gsoIpv4MaxSize: link.gsoIpv4MaxSize }),
    addresses: addresses
      .filter(({ linkIndex }) => linkIndex === link.index)
      .map(({ address, prefixLength }) => ({ address, prefixLength })),
  };
}
