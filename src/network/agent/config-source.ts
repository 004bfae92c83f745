import { unwatchFile, watchFile } from 'node:fs';
import { type NodeConfig, readConfigText } from './config.ts';
import type { IpamRecord } from './ipam/record.ts';
import type { Observed } from './operations.ts';
import type { ServiceCluster } from './services/cluster.ts';

/** What a source may ask of the agent. */
export interface ConfigListener {
  /** The text may be another now. */
  readonly changed: () => void;
  /** How many pods have addresses; undefined while that is not known. */
  readonly attached: () => number | undefined;
}

/** Where the agent's configuration comes from, and who hears how it went. */
export interface ConfigSource {
  /** For messages: a path, `Kubernetes`. */
  readonly name: string;
  /** The text of a `node.json`. @throws ConfigError when there is none that could be used */
  text(): string;
  /** Called once, before the first {@link text}. */
  watch(listener: ConfigListener): void;
  close(): Promise<void> | void;
  /** Told after each change: the configuration in force, and why pods cannot be served (undefined when they can). */
  report?(config: NodeConfig | undefined, notReady: string | undefined): void;
  /** Told of each operation that failed. */
  failed?(operation: Observed): void;
  /** Whether the cluster has certainly no such pod any more. */
  podGone?(record: IpamRecord): boolean;
  /** The cluster, where Services are. */
  readonly cluster?: ServiceCluster;
  /** Whether the cluster answers; for the metrics. */
  connected?(): boolean;
}

const POLL_MS = 1000;

/** A file that people and tools write. */
export class FileSource implements ConfigSource {
  readonly name: string;

  constructor(path: string) {
    this.name = path;
  }

  text(): string {
    return readConfigText(this.name);
  }

  watch({ changed }: ConfigListener): void {
    watchFile(this.name, { interval: POLL_MS, persistent: false }, changed);
  }

  close(): void {
    unwatchFile(this.name);
  }
}
