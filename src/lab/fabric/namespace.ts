import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MS_BIND, mount } from '../../kernel/libc.ts';
import { createNamespace, deleteNamespace, inNamespace, setNetSysctl } from '../../kernel/netns.ts';
import type { NamespacePlan } from './plan.ts';

export interface FabricLocation {
  /** The folder that namespaces are pinned in. */
  folder: string;
  /** The file behind a namespace; for `MACHINE` the machine's own. */
  pathOf(name: string): string;
}

/** The name of a namespace that is being made. No namespace of a plan begins with a dot. */
const UNFINISHED = '.new';

/** Names of the namespaces that are pinned, finished or not. */
export function pinnedNamespaces(at: FabricLocation): string[] {
  try {
    return readdirSync(at.folder);
  } catch {
    return [];
  }
}

/**
 * Makes a namespace. It gets its name last, so that one that is found has its settings, whenever its maker was
 * killed. Later they are not touched: on a node they belong to the agent.
 */
export function makeNamespace(namespace: NamespacePlan, at: FabricLocation): void {
  const unfinished = join(at.folder, UNFINISHED);
  deleteNamespace(unfinished);
  createNamespace(unfinished);
  inNamespace(unfinished, () => prepare(namespace.role === 'router'));
  const path = at.pathOf(namespace.name);
  writeFileSync(path, '', { mode: 0o444 });
  mount(unfinished, path, null, MS_BIND);
  deleteNamespace(unfinished);
}

/** Settings that a namespace inherits from the machine, or gets from the kernel, and that the fabric needs otherwise. */
function prepare(router: boolean): void {
  const set = (name: string, value: number): void => setNetSysctl(undefined, name, value);
  for (const scope of ['all', 'default']) {
    // Sources are checked per port by the filter, which also counts; reverse-path checks would drop silently.
    set(`ipv4/conf/${scope}/rp_filter`, 0);
    set(`ipv4/conf/${scope}/send_redirects`, 0);
    set(`ipv4/conf/${scope}/accept_redirects`, 0);
    // The fabric is IPv4 so far: its routers neither carry IPv6 nor take it in.
    set(`ipv6/conf/${scope}/${router ? 'disable_ipv6' : 'accept_ra'}`, router ? 1 : 0);
  }
  set('ipv4/ip_forward', router ? 1 : 0);
}

/** Unpins every namespace of the lab; their links, routes and tables die with them. */
export function removeFabric(at: FabricLocation): void {
  for (const name of pinnedNamespaces(at)) deleteNamespace(at.pathOf(name));
}
