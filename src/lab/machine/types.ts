/**
 * A lab node as a machine: what it is made of, and what is known about it while it runs.
 *
 * A machine is a network namespace that somebody else made, with private mount, uts, ipc, pid and cgroup
 * namespaces and a tiny init. It sees the host's files read-only, with an /etc, /opt, /run, /usr/lib/cni, /var/lib
 * and /var/log of its own; /tmp is the host's. Everything in it lives and dies with that init. Nothing in it
 * depends on the process that started it: a supervisor may be killed and its successor finds the machine again.
 */

/** What is needed to find a machine again, and to remove it even when its record is lost. */
export interface MachineRef {
  /** 1..40 characters of `a-z0-9-`, unique on this host: it names the cgroup `<cgroupParent>/<id>`. */
  readonly id: string;
  /** The machine's disk, on the host: an absolute folder outside /etc, /opt and /run. Made when missing. */
  readonly stateDir: string;
  /** Folder for the machine's record (init and services), on the host, gone after a reboot: `/run/…/<id>`. */
  readonly runDir: string;
  /** Cgroup under which the machine gets its own; default `flyover-lab`. One or more path segments. */
  readonly cgroupParent?: string;
}

export interface MachineSpec extends MachineRef {
  /** RFC 1123 label, at most 63 characters. */
  readonly hostname: string;
  /** Path of the pinned network namespace in which the machine lives. */
  readonly netns: string;
  /** The machine's own addresses, IPv4 or IPv6; the first one is where its streaming server listens. */
  readonly addresses: readonly string[];
  /** For /etc/resolv.conf; default `['168.63.129.16']`, the platform's own. */
  readonly nameservers?: readonly string[];
  /** Host mount trees that the machine must not hold on to (besides every namespace file): LAB_RUN. */
  readonly detach?: readonly string[];
  /** Host paths that must stay visible inside although they lie in a hidden tree, such as the bundle's folder. */
  readonly keep?: readonly string[];
}

/** A process that cannot be mistaken for a later one with the same pid. */
export interface ProcessIdentity {
  /** Pid as the host sees it. */
  readonly pid: number;
  /** Field 22 of /proc/<pid>/stat: clock ticks since boot, as decimal text. */
  readonly startTime: string;
}

/** A running machine. Plain data: it can be written down and read back. */
export interface Machine extends MachineRef {
  readonly init: ProcessIdentity;
  /** The machine's root as the host reaches it: `/proc/<pid>/root`. Valid while the init lives. */
  readonly root: string;
  readonly hostname: string;
  readonly addresses: readonly string[];
}

export interface ServiceSpec {
  /** 1..40 characters of `a-z0-9-`; its log is `<stateDir>/log/<name>.log`, inside `/var/log/<name>.log`. */
  readonly name: string;
  /** Absolute program and arguments, as paths inside the machine. */
  readonly argv: readonly string[];
  /** Added to a clean environment (PATH, HOME, LANG). */
  readonly env?: Readonly<Record<string, string>>;
}

/** A service that was started; it may have ended since. */
export interface Service {
  readonly name: string;
  readonly process: ProcessIdentity;
  /** The log on the host. */
  readonly log: string;
}

export interface ExecOptions {
  /** Let the program have the caller's terminal (stdin, stdout, stderr); otherwise they are pipes. */
  readonly tty?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  /** Working folder inside the machine; default `/`. */
  readonly cwd?: string;
}
