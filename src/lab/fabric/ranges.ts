/** Address ranges that the lab takes for itself on the machine it runs on. `flyover doctor` checks them. */

/**
 * Public addresses of the lab: what virtual networks wear on the lab's internet, and the only range of which the
 * machine gets a route. From RFC 2544's range and not from the documentation ranges (RFC 5737), which machines
 * behind a NAT of their own really use: a route to one of those once hid a machine's package mirror.
 */
export const PUBLIC_RANGE = '198.19.0.0/24';
/** The lab's image registry, on its internet. */
export const REGISTRY_ADDRESS = '198.19.0.254';
/** Hosts on the lab's internet (RFC 5737 TEST-NET-3). Inside the lab only: the machine has no route there. */
export const INTERNET_HOST_RANGE = '203.0.113.0/24';
/** The link between the machine and the lab (RFC 2544): .1 is the machine, .2 the lab's internet. */
export const MACHINE_LINK_RANGE = '198.18.0.0/30';
export const MACHINE_LINK_ADDRESS = '198.18.0.1';
export const LAB_LINK_ADDRESS = '198.18.0.2';
/** The tap of the user-mode uplink, inside the lab's internet. */
export const UPLINK_RANGE = '198.18.1.0/30';
export const UPLINK_GATEWAY = '198.18.1.1';
export const UPLINK_ADDRESS = '198.18.1.2';
/** All of IPv4. */
export const ANYWHERE = '0.0.0.0/0';
/** Azure's own address in every virtual network: names are asked there, and load balancers probe from it. */
export const DNS_ADDRESS = '168.63.129.16';
/** What no internet routes: the lab's drops and counts it, and nothing of it reaches the uplink. */
export const PRIVATE_RANGES = [
  '10.0.0.0/8',
  '100.64.0.0/10',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.168.0.0/16',
];
/** Ranges of the lab itself: refused on its internet unless somebody holds the address. */
export const LAB_RANGES = ['198.18.0.0/15', PUBLIC_RANGE, INTERNET_HOST_RANGE];
/** Next hop on links that carry no addresses of their own; each end has a permanent neighbour entry for it. */
export const TRANSIT_GATEWAY = '169.254.0.1';
/** MTU of every NIC, Azure's default, in bytes. */
export const MTU = 1500;
/**
 * Bytes of the largest IPv4 packet that a NIC takes unsegmented ("BIG TCP", Linux 6.3): a physical network's
 * offloads make a hop's price a matter of packets on the wire, here it is one of packets in the kernel.
 */
export const GSO_IPV4_MAX_SIZE = 196_608;
