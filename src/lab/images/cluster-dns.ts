import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { PATH_VARIABLE, type Recipe } from './recipe.ts';

const REPOSITORY = 'localhost/flyover/dns';

/** Where in a container the folder with the runtime is put; see {@link clusterDnsRecipe}. */
export const RUNTIME_FOLDER = '/opt/node';
const PROGRAM = 'opt/flyover/dns.js';

/** What runs in a container of the image. */
export const CLUSTER_DNS_COMMAND: readonly string[] = [
  join(RUNTIME_FOLDER, basename(process.execPath)),
  `/${PROGRAM}`,
];

/** The folder with our bundles, both for a bundle and for the sources. */
function distFolder(): string {
  const here = import.meta.dirname;
  return basename(here) === 'dist' ? here : join(dirname(dirname(dirname(here))), 'dist');
}

/**
 * The DNS server of clusters: its program, and the libraries that the runtime loads. The runtime itself (125 MB) is not
 * in it: nodes of the lab have one, on which their kubelet and agent run, and put it into the container. So the image is
 * small, is built without a network, and all share the runtime's memory.
 */
export function clusterDnsRecipe(): Recipe {
  return {
    name: REPOSITORY,
    layers: [
      {
        packages: [],
        skeleton: true,
        hostLibrariesOf: [process.execPath],
        folders: [RUNTIME_FOLDER.slice(1)],
      },
      {
        packages: [],
        hostFiles: { [join(distFolder(), 'dns.js')]: PROGRAM },
        files: { 'opt/flyover/package.json': { content: '{"type":"module"}\n' } },
      },
    ],
    defaults: {
      entrypoint: CLUSTER_DNS_COMMAND,
      // One heap: each packet is a piece of it for a moment, and with several they are spread over all.
      env: [PATH_VARIABLE, 'NODE_ENV=production', 'MALLOC_ARENA_MAX=1'],
      ports: ['53/udp', '53/tcp', '9153/tcp'],
    },
  };
}

/** The image's name, with a tag that changes with the program: a new one is rolled out, an old one is not pulled again. */
export function clusterDnsImage(dist = distFolder()): string {
  const program = createHash('sha256').update(readFileSync(join(dist, 'dns.js')));
  return `${REPOSITORY}:${program.digest('hex').slice(0, 12)}`;
}
