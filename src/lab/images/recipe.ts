import type { ImageDefaults } from './oci.ts';
import { addDirectory, addFile, addLink, type Tree } from './tree.ts';

/** Where programs are looked for in our images. */
export const PATH_VARIABLE = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** One layer: the named packages whole, and of what they depend on only the shared libraries they load. */
export interface LayerRecipe {
  readonly packages: readonly string[];
  /** Files of this host besides: target path in the image by host path. Programs bring no libraries along. */
  readonly hostFiles?: Readonly<Record<string, string>>;
  /** Programs of this host that are put in when the image runs: what they load is taken from this host, not they. */
  readonly hostLibrariesOf?: readonly string[];
  /** Files of the recipe's own by path, over those of packages. */
  readonly files?: Readonly<Record<string, { readonly content: string; readonly mode?: number }>>;
  /** Empty folders that programs expect; without a leading slash. */
  readonly folders?: readonly string[];
  /** The certificates of ca-certificates, which must be among the packages, in the one file where programs look. */
  readonly certificates?: boolean;
  /** Lay out Debian's merged /usr, accounts and the folders that programs expect. */
  readonly skeleton?: boolean;
  /** Links that Debian's alternatives would set up: target by path. */
  readonly links?: Readonly<Record<string, string>>;
  /** Commands of busybox under their own names, where no package brings its own; with `all` also the unwanted. */
  readonly applets?: boolean | 'all';
}

export interface Recipe {
  /** As users write it: `flyover/toolbox`, `flyover/pause:1`. */
  readonly name: string;
  /** Lowest first. */
  readonly layers: readonly LayerRecipe[];
  readonly defaults: ImageDefaults;
}

/**
 * The process that holds a pod's namespaces: this machine's own catatonit, which is static, and as `-P` only waits and
 * reaps. No package is fetched for it, so that a first node needs no network.
 */
export const PAUSE: Recipe = {
  name: 'flyover/pause:1',
  layers: [{ packages: [], hostFiles: { '/usr/bin/catatonit': 'pause' } }],
  defaults: { entrypoint: ['/pause', '-P'] },
};

/** The layer that workload images share: a shell, the C library and the small commands. */
export const BASE_LAYER: LayerRecipe = {
  packages: ['dash', 'busybox-static', 'catatonit'],
  skeleton: true,
  applets: true,
};

/** What one tries a network with. */
export const TOOLBOX_LAYER: LayerRecipe = {
  // Debian's curl looks up the container's own name when it starts (libldap does): without myhostname that takes
  // five seconds wherever no DNS answers.
  packages: [
    'curl',
    'iperf3',
    'iproute2',
    'iputils-ping',
    'libnss-myhostname',
    'netcat-openbsd',
    'socat',
    'tcpdump',
  ],
  links: { 'usr/bin/nc': 'nc.openbsd' },
};

/**
 * Small, to be on every node at once. Its shell is dash and not busybox's, which prefers its own applets to what is on
 * PATH. It waits when it is started without a command.
 */
export const TOOLBOX: Recipe = {
  name: 'localhost/flyover/toolbox',
  layers: [BASE_LAYER, TOOLBOX_LAYER],
  defaults: {
    command: ['/usr/bin/catatonit', '-P'],
    env: [PATH_VARIABLE, 'LANG=C.UTF-8'],
  },
};

/**
 * Applets that stay out: `wget -T` crashes in the static build and curl is there; the network tools have better
 * packages; the rest would end or take over the container instead of doing what their names promise.
 */
export const UNWANTED_APPLETS: ReadonlySet<string> = new Set([
  'wget',
  'ip',
  'nc',
  'ping',
  'ping6',
  'ss',
  'tc',
  'init',
  'linuxrc',
  'halt',
  'poweroff',
  'reboot',
  'sh',
  'ash',
  'hush',
  'busybox',
]);

/** Folders, links and accounts that Debian's base-files and base-passwd would set up. */
export function addSkeleton(tree: Tree): void {
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) {
    addDirectory(tree, `usr/${name}`);
    addLink(tree, name, `usr/${name}`);
  }
  const folders = [
    'dev',
    'etc',
    'home',
    'mnt',
    'opt',
    'proc',
    'run',
    'srv',
    'sys',
    'usr/local/bin',
    'usr/share',
  ];
  for (const folder of [...folders, 'var/lib', 'var/log', 'var/cache']) addDirectory(tree, folder);
  addDirectory(tree, 'root', 0o700);
  addDirectory(tree, 'tmp', 0o1777);
  addDirectory(tree, 'var/tmp', 0o1777);
  addLink(tree, 'var/run', '/run');
  // tcpdump of Debian becomes `tcpdump` before it writes a file.
  addFile(
    tree,
    'etc/passwd',
    'root:x:0:0:root:/root:/bin/sh\ntcpdump:x:72:72::/:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n',
  );
  addFile(tree, 'etc/group', 'root:x:0:\ntcpdump:x:72:\nnogroup:x:65534:\n');
  addFile(tree, 'etc/nsswitch.conf', 'passwd: files\ngroup: files\nhosts: files myhostname dns\n');
}
