import { join } from 'node:path';
import type { Logger } from 'pino';
import { Rtnl, RtnlMonitor } from '../../kernel/netlink/index.ts';
import { namespaceExists } from '../../kernel/netns.ts';
import { readInventory } from '../azure/door/inventory.ts';
import { ResourceStore } from '../azure/store.ts';
import { serversIn } from '../dns/forward/resolv-conf.ts';
import { LabDns } from '../dns/platform/lab-dns.ts';
import { servedNetworks } from '../dns/platform/served-networks.ts';
import { Fabric } from '../fabric/apply.ts';
import { refusedPackets } from '../fabric/filter-sync.ts';
import { MACHINE_LINK, namespaceOf } from '../fabric/names.ts';
import { snatUsage } from '../fabric/snat-usage.ts';
import { ProcessWatch } from '../machine/index.ts';
import { LAB_RUN, LAB_STATE, namespacePath } from '../paths.ts';
import { cloudOnThisMachine } from './cloud-parts.ts';
import { controlPlaneDriver, machineDriver } from './driver.ts';
import type { LabOptions } from './lab.ts';
import type { Programs } from './machine-files.ts';
import { nodePoolDoors } from './node-pools.ts';
import { LabRegistry } from './registry.ts';
import { Uplink } from './uplink.ts';

/** What the lab is built of on a real machine. */
export function labOnThisMachine(programs: Programs, log: Logger): LabOptions {
  const watch = new ProcessWatch();
  const store = new ResourceStore(join(LAB_STATE, 'lab.sqlite'));
  const fabric = new Fabric({ folder: join(LAB_RUN, 'netns'), pathOf: namespacePath });
  const dns = new LabDns({
    networks: () => servedNetworks(readInventory(store)),
    upstreams: serversIn('/etc/resolv.conf'),
    log,
  });
  return {
    store,
    log,
    watch,
    nodes: machineDriver(programs, log),
    controlPlanes: controlPlaneDriver(programs, log),
    fabric: {
      apply: (plan) => {
        fabric.apply(plan);
        // Networks have their names and their server as soon as they have their router.
        void dns.follow();
      },
      forget: () => fabric.forget(),
    },
    machineAddresses,
    uplink: new Uplink(namespacePath(namespaceOf.internet()), watch, log),
    nodePools: nodePoolDoors(log),
    registry: new LabRegistry(namespacePath(namespaceOf.internet()), join(programs.dist, 'registry.js'), log),
    cloud: cloudOnThisMachine(log),
    snatUsage: (virtualNetwork) => snatUsage(namespacePath(namespaceOf.virtualNetwork(virtualNetwork))),
    isThere: (namespace) => namespaceExists(namespacePath(namespace)),
    refused: (namespace) => refusedPackets(namespacePath(namespace)),
  };
}

/** The machine's own IPv4 addresses, sorted; without the loopback's, which nobody can route, and the lab's link. */
function machineAddresses(): string[] {
  using socket = Rtnl.open();
  const lab = socket.linkIndex(MACHINE_LINK);
  const addresses = socket
    .addresses(undefined, { family: 4 })
    .filter(({ linkIndex, address }) => linkIndex !== lab && !address.startsWith('127.'))
    .map(({ address }) => address);
  return [...new Set(addresses)].sort();
}

/** Calls `changed` whenever the machine gets or loses an address. */
export function watchMachineAddresses(changed: () => void): void {
  RtnlMonitor.open({ groups: ['address'] }).on('event', changed);
}
