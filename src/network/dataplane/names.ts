import { createHash } from 'node:crypto';

/** What names one pod link: the runtime's container (sandbox) id and the interface inside the pod. */
export interface Attachment {
  readonly containerId: string;
  readonly ifName: string;
}

/** Every host end begins with this, so one wildcard in a rule covers all pods. */
export const HOST_LINK_PREFIX = 'azv';
/** The pod's next hop: link-local, on no interface, answered by a permanent neighbour entry only. */
export const POD_GATEWAY = '169.254.1.1';
/** The same for IPv6. Both addresses are those of Azure CNI's transparent mode. */
export const POD_GATEWAY6 = 'fe80::1234:5678:9abc';
/** Marks the routes that belong to us (`rtm_protocol`), so that stale ones are recognised after a crash. */
export const ROUTE_PROTOCOL = 70;
/** Marks host ends as ours from the moment they exist (`IFLA_GROUP`, the letters `FLYP`): other plugins say `azv` too. */
export const POD_LINK_GROUP = 0x46_4c_59_50;
/** The tunnel device of the `vxlan` and `auto` routing modes. */
export const VXLAN_DEVICE = 'flyover.vxlan';

const ALIAS_PREFIX = 'flyover:';

/** The last one: names and MACs of one attachment are asked for again and again while it is made. */
let latest = { key: '', digest: Buffer.alloc(0) };

function digest(attachment: Attachment): Buffer {
  const key = `${attachment.containerId}/${attachment.ifName}`;
  if (latest.key !== key) latest = { key, digest: createHash('sha256').update(key).digest() };
  return latest.digest;
}

/** The key of an attachment in maps and logs: `<containerId>/<ifName>`. */
export function attachmentKey(attachment: Attachment): string {
  return `${attachment.containerId}/${attachment.ifName}`;
}

/** The host end's name: `azv` and 11 hex digits, 14 characters of the kernel's 15. */
export function hostLinkName(attachment: Attachment): string {
  return HOST_LINK_PREFIX + digest(attachment).toString('hex').slice(0, 11);
}

/** The host end's alias, which keeps the full ids where the name holds only a digest. */
export function linkAlias(attachment: Attachment): string {
  return ALIAS_PREFIX + attachmentKey(attachment);
}

/** The attachment behind an alias written by {@link linkAlias}; undefined for any other link. */
export function attachmentOfAlias(alias: string | undefined): Attachment | undefined {
  if (!alias?.startsWith(ALIAS_PREFIX)) return undefined;
  const rest = alias.slice(ALIAS_PREFIX.length);
  const slash = rest.indexOf('/');
  if (slash <= 0 || slash === rest.length - 1) return undefined;
  return { containerId: rest.slice(0, slash), ifName: rest.slice(slash + 1) };
}

/**
 * The MAC addresses of both ends, derived from the attachment: no query is needed to set the permanent
 * neighbours, and CHECK can tell a replaced interface from ours. Locally administered, unicast.
 */
export function linkMacs(attachment: Attachment): { host: string; pod: string } {
  const bytes = digest(attachment);
  const mac = (kind: number, offset: number): string =>
    [kind, ...bytes.subarray(offset, offset + 5)].map((b) => b.toString(16).padStart(2, '0')).join(':');
  return { host: mac(0x02, 8), pod: mac(0x06, 16) };
}

/** The MAC of a node's tunnel device, derived from the address its peers reach it by: nothing to announce. */
export function vxlanMac(nodeAddress: string): string {
  const bytes = createHash('sha256').update(`vxlan/${nodeAddress}`).digest();
  return ['02', ...[...bytes.subarray(0, 5)].map((b) => b.toString(16).padStart(2, '0'))].join(':');
}
