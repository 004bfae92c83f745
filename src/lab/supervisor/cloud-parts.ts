import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { namespaceOf } from '../fabric/names.ts';
import { DNS_ADDRESS } from '../fabric/ranges.ts';
import { replaceFile } from '../files.ts';
import { askFrom } from '../load-balancer/probe.ts';
import { LAB_RUN, namespacePath } from '../paths.ts';
import { adminClient } from './kube-access.ts';
import type { CloudParts } from './load-balancers.ts';

const HEALTH_FILE = join(LAB_RUN, 'load-balancer-health.json');

/** What load balancers need of a real machine. */
export function cloudOnThisMachine(log: Logger): CloudParts {
  return {
    client: adminClient,
    askFrom: (virtualNetwork) =>
      askFrom({
        netns: namespacePath(namespaceOf.virtualNetwork(virtualNetwork)),
        address: DNS_ADDRESS,
        onTrouble: (error) => log.debug({ virtualNetwork, err: error }, 'a probe was not sent'),
      }),
    health: { load: loadHealth, save: (healthy) => replaceFile(HEALTH_FILE, JSON.stringify(healthy), 0o600) },
  };
}

/** It is a memory only: one that cannot be read is none. */
function loadHealth(): Record<string, string[]> {
  if (!existsSync(HEALTH_FILE)) return {};
  try {
    return JSON.parse(readFileSync(HEALTH_FILE, 'utf8')) as Record<string, string[]>;
  } catch {
    return {};
  }
}
