import type { CniVersion } from './versions.ts';

/** What a runtime can ask of a plugin (CNI specification 1.1.0, section 3). */
export type CniCommand = 'ADD' | 'DEL' | 'CHECK' | 'GC' | 'STATUS' | 'VERSION';

/** The environment of one call, after validation. Absent variables are empty strings. */
export interface CniEnvironment {
  command: CniCommand;
  /** CNI_CONTAINERID: alphanumeric, then `[A-Za-z0-9_.-]`, at most 200 characters. Empty for GC, STATUS, VERSION. */
  containerId: string;
  /** CNI_NETNS: absolute path of the pod's namespace. May be empty for DEL. Empty for GC, STATUS, VERSION. */
  netns: string;
  /** CNI_IFNAME: a name that the kernel takes. Empty for GC, STATUS, VERSION. */
  ifName: string;
  /** CNI_ARGS as given: `KEY=VALUE;KEY=VALUE`. */
  args: string;
  /** CNI_PATH as given. */
  path: string;
}

/** The network configuration from stdin, validated; unknown keys are kept. */
export interface NetworkConfig {
  cniVersion: CniVersion;
  name: string;
  type: string;
  /** The agent's socket; absolute. Default `/run/flyover/agent.sock`. */
  socket?: string;
  /** Where the front leaves DELs while the agent is away; absolute. Default `/var/lib/flyover/pending-del`. */
  spool?: string;
  /** How long the front waits for the agent, whole call, 1..600 s. Default 30. */
  timeoutSeconds?: number;
  /** The previous plugin's result, in this configuration's version; parsed by `parseResult`. */
  prevResult?: unknown;
  /** Every other key: `capabilities`, `runtimeConfig`, `dns`, `args`, what a later version adds. */
  [key: string]: unknown;
}

/** One attachment as GC names it. */
export interface CniAttachment {
  containerId: string;
  ifName: string;
}

export interface CniInterface {
  name: string;
  mac?: string;
  /** Bytes; from 1.1.0. */
  mtu?: number;
  /** Path of the namespace that holds it; absent on the node's side. */
  sandbox?: string;
  /** From 1.1.0. */
  socketPath?: string;
  /** PCI address; from 1.1.0. */
  pciId?: string;
}

export interface CniIp {
  /** Address and prefix length: `10.244.0.7/32`, `fd00::7/128`. */
  address: string;
  gateway?: string;
  /** Index into `interfaces`. */
  interface?: number;
}

export interface CniRoute {
  /** `0.0.0.0/0`, `10.0.0.0/8`, `::/0`. */
  dst: string;
  gw?: string;
  /** The rest is from 1.1.0. */
  mtu?: number;
  advmss?: number;
  priority?: number;
  table?: number;
  scope?: number;
}

export interface CniDns {
  nameservers?: string[];
  domain?: string;
  search?: string[];
  options?: string[];
}

/** The result of an ADD, whatever version it travels in. */
export interface CniResult {
  interfaces: CniInterface[];
  ips: CniIp[];
  routes: CniRoute[];
  dns: CniDns;
}
