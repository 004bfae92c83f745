/** The one folder in which containerd 1.x looks for CNI plugins. */
export const CNI_FOLDER = '/opt/cni/bin';

/** Where containerd looks up the mirrors of a registry, a folder for each; `_default` is that of all others. */
export const REGISTRY_FOLDER = '/etc/containerd/certs.d';

/** What a node's containerd is told; the rest is its default. */
export interface ContainerdSettings {
  /** Of containerd itself: 1.6 and 1.7 read configuration version 2, 2.x reads version 3. */
  readonly version: { readonly major: number; readonly minor: number };
  /** The pod's own container, already imported. */
  readonly pauseImage: string;
  /** Where exec, attach and port-forward streams are served: the node's address. */
  readonly streamAddress: string;
  /** `native` copies files and works where overlayfs cannot (a disk that is itself an overlay). */
  readonly snapshotter: 'overlayfs' | 'native';
  /** CAP_SYS_RESOURCE is missing: without this runc dies when a pod asks for a lower oom_score_adj. */
  readonly restrictOomScoreAdj: boolean;
}

const SNAPSHOTTERS = ['aufs', 'blockfile', 'btrfs', 'devmapper', 'erofs', 'native', 'overlayfs', 'zfs'];

/**
 * Plugins that a node has no use for. `io.containerd.runtime.v1.linux` looks like one, but the tasks service of 1.6
 * does not start without it. Names that this containerd does not know are no error to it.
 */
function disabledPlugins(snapshotter: string): string[] {
  return [
    ...SNAPSHOTTERS.filter((name) => name !== snapshotter).map(
      (name) => `io.containerd.snapshotter.v1.${name}`,
    ),
    'io.containerd.internal.v1.opt',
    'io.containerd.internal.v1.restart',
    'io.containerd.internal.v1.tracing',
    'io.containerd.tracing.processor.v1.otlp',
    'io.containerd.nri.v1.nri',
    'io.containerd.monitor.container.v1.restart',
  ];
}

/** A value as TOML writes it; JSON's strings, numbers, booleans and lists of them are also TOML's. */
type Value = string | number | boolean | readonly string[];
type Table = Readonly<Record<string, Value>>;

function section(path: readonly string[], table: Table): string {
  const header = path.length === 0 ? '' : `[${path.map((part) => JSON.stringify(part)).join('.')}]\n`;
  const lines = Object.entries(table).map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`);
  return header + lines.join('');
}

const RUNC_TYPE = 'io.containerd.runc.v2';
/** On cgroup v1 hybrid hosts runc's systemd driver has no systemd to talk to; cgroupfs works everywhere. */
const RUNC_OPTIONS: Table = { SystemdCgroup: false, Root: '/run/containerd/runc-root' };

function version2(settings: ContainerdSettings): string[] {
  const cri = ['plugins', 'io.containerd.grpc.v1.cri'];
  return [
    section(cri, {
      sandbox_image: settings.pauseImage,
      stream_server_address: settings.streamAddress,
      stream_server_port: '0',
      restrict_oom_score_adj: settings.restrictOomScoreAdj,
      netns_mounts_under_state_dir: true,
      tolerate_missing_hugetlb_controller: true,
      disable_hugetlb_controller: true,
      disable_tcp_service: true,
    }),
    section([...cri, 'cni'], { bin_dir: CNI_FOLDER, conf_dir: '/etc/cni/net.d', max_conf_num: 1 }),
    section([...cri, 'registry'], { config_path: REGISTRY_FOLDER }),
    section([...cri, 'containerd'], {
      snapshotter: settings.snapshotter,
      default_runtime_name: 'runc',
      disable_snapshot_annotations: true,
    }),
    section([...cri, 'containerd', 'runtimes', 'runc'], { runtime_type: RUNC_TYPE }),
    section([...cri, 'containerd', 'runtimes', 'runc', 'options'], RUNC_OPTIONS),
  ];
}

function version3(settings: ContainerdSettings): string[] {
  const runtime = ['plugins', 'io.containerd.cri.v1.runtime'];
  const images = ['plugins', 'io.containerd.cri.v1.images'];
  return [
    section(['plugins', 'io.containerd.grpc.v1.cri'], {
      stream_server_address: settings.streamAddress,
      stream_server_port: '0',
      disable_tcp_service: true,
    }),
    section(images, { snapshotter: settings.snapshotter, disable_snapshot_annotations: true }),
    section([...images, 'pinned_images'], { sandbox: settings.pauseImage }),
    section([...images, 'registry'], { config_path: REGISTRY_FOLDER }),
    section(runtime, {
      restrict_oom_score_adj: settings.restrictOomScoreAdj,
      netns_mounts_under_state_dir: true,
      tolerate_missing_hugetlb_controller: true,
      disable_hugetlb_controller: true,
    }),
    // The CNI folders are the defaults, and 2.2 refuses `bin_dir` beside the `bin_dirs` that it sets itself.
    section([...runtime, 'containerd'], { default_runtime_name: 'runc' }),
    section([...runtime, 'containerd', 'runtimes', 'runc'], { runtime_type: RUNC_TYPE }),
    section([...runtime, 'containerd', 'runtimes', 'runc', 'options'], RUNC_OPTIONS),
  ];
}

/** The text of /etc/containerd/config.toml inside a node. */
export function containerdConfig(settings: ContainerdSettings): string {
  const next = settings.version.major >= 2;
  return [
    section([], {
      version: next ? 3 : 2,
      root: '/var/lib/containerd',
      state: '/run/containerd',
      temp: '/var/lib/containerd/tmp',
      oom_score: 0,
      disabled_plugins: disabledPlugins(settings.snapshotter),
    }),
    section(['grpc'], { address: '/run/containerd/containerd.sock' }),
    section(['debug'], { level: 'warn' }),
    section(['plugins', 'io.containerd.monitor.v1.cgroups'], { no_prometheus: true }),
    ...(next ? version3(settings) : version2(settings)),
  ].join('\n');
}

/**
 * The text of hosts.toml in {@link REGISTRY_FOLDER}/_default: the mirror is asked first, with `?ns=` and the registry's name,
 * and then the registry that the image names, as `server` is not set. containerd knows `_default` since 1.5, and reads
 * the file at each pull.
 *
 * @param mirror - `http://198.19.0.254:5000`
 */
export function registryHosts(mirror: string): string {
  return section(['host', mirror], { capabilities: ['pull', 'resolve'] });
}
