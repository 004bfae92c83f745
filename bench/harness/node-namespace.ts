import { Rtnl } from '../../src/kernel/netlink/index.ts';
import type { Scratch } from './scratch.ts';

/** A node's namespace with an `eth0` that carries its address and leads nowhere. Returns its path. */
export function nodeNamespace(scratch: Scratch, name: string, address: string): string {
  const node = scratch.namespace(name);
  const wire = scratch.namespace(`${name}-wire`);
  using rtnl = Rtnl.open({ netns: node });
  using other = Rtnl.open({ netns: wire });
  rtnl.createVeth({ name: 'eth0', mtu: 1500, peer: { name: 'wire', mtu: 1500, netns: wire } });
  for (const link of ['lo', 'eth0']) rtnl.setLink(link, { up: true });
  other.setLink('wire', { up: true });
  rtnl.addAddress('eth0', { address, prefixLength: 24 });
  return node;
}
