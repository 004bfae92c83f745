import { setTimeout as delay } from 'node:timers/promises';
import { Rtnl } from '../../kernel/netlink/index.ts';
import { NftSocket, Transaction } from '../../kernel/nft/index.ts';
import { attachedPods, Dataplane } from '../dataplane/dataplane.ts';
import { type UninstallOptions, uninstall } from './install.ts';

/** Translated Services have a table of their own. */
const SERVICES = { family: 'inet', name: 'flyover-services' } as const;
const LOOK_MS = 1000;

/**
 * Takes the network off a node: the files that install has written and, on this node itself (`root` is `/`), tables, routes
 * and tunnel. While pods are attached, which needs `force`, these stay: the pods would be cut off, or let loose unchecked.
 *
 * @throws InstallError while pods are attached, unless forced
 */
export function removeFromNode(options: Omit<UninstallOptions, 'attached'>): ReturnType<typeof uninstall> {
  const here = (options.root ?? '/') === '/';
  const attached = here ? attachedPods() : [];
  const files = uninstall({ ...options, attached });
  if (here && attached.length === 0) {
    const nft = NftSocket.open();
    using dataplane = new Dataplane(Rtnl.open(), nft);
    dataplane.remove();
    nft.commit(new Transaction().deleteTable(SERVICES, { ifMissing: 'ignore' }));
  }
  return files;
}

/** Resolves when no pod of this network is attached any more. @param waiting - told of the attachments, when they change */
export async function noMorePods(waiting: (attached: readonly string[]) => void): Promise<void> {
  for (let told = ''; ; await delay(LOOK_MS)) {
    const attached = attachedPods();
    if (attached.length === 0) return;
    if (attached.join() !== told) waiting(attached);
    told = attached.join();
  }
}
