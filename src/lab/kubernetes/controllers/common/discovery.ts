// What resources the API server has: for the controllers that deal with all of them.
import type { KubeClient } from '../../../../kube/client.ts';
import { isKubeError } from '../../../../kube/error.ts';
import { type ResourceType, resourceType } from '../../../../kube/resources.ts';
import { messageOf } from './message.ts';

export interface DiscoveredResource {
  type: ResourceType<unknown>;
  verbs: string[];
}

export interface Discovery {
  resources: DiscoveredResource[];
  /** Group versions that could not be asked, with the reason. */
  failures: Map<string, string>;
}

interface ApiGroups {
  groups?: {
    name: string;
    versions?: { version: string }[];
    preferredVersion?: { version: string };
  }[];
}

interface ApiResources {
  resources?: { name: string; kind: string; namespaced: boolean; verbs?: string[] }[];
}

/** Every resource in its preferred version, without subresources. */
export async function discover(client: KubeClient): Promise<Discovery> {
  const failures = new Map<string, string>();
  const found = new Map<string, DiscoveredResource>();
  const groups = JSON.parse(await client.raw('GET', '/apis')) as ApiGroups;
  const wanted: [group: string, version: string][] = [['', 'v1']];
  for (const { name, versions = [], preferredVersion } of groups.groups ?? []) {
    const all = versions.map(({ version }) => version);
    const first = preferredVersion?.version ?? all[0];
    // The preferred one first: a resource that only another version has is still seen.
    for (const version of new Set([first, ...all])) if (version) wanted.push([name, version]);
  }
  for (const [group, version] of wanted) {
    const path = group ? `/apis/${group}/${version}` : `/api/${version}`;
    try {
      const { resources = [] } = JSON.parse(await client.raw('GET', path)) as ApiResources;
      for (const { name, kind, namespaced, verbs = [] } of resources) {
        if (name.includes('/') || found.has(`${group}/${name}`)) continue;
        const type = resourceType<unknown>(group, version, name, kind, namespaced);
        found.set(`${group}/${name}`, { type, verbs });
      }
    } catch (error) {
      // A group whose CustomResourceDefinition went while we asked is no failure.
      if (!isKubeError(error, 404)) failures.set(group ? `${group}/${version}` : version, messageOf(error));
    }
  }
  return { resources: [...found.values()], failures };
}
