import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { DNS_ADDRESS, MTU, UPLINK_ADDRESS, UPLINK_GATEWAY } from '../fabric/ranges.ts';
import { identify, isAlive, signal } from '../machine/identity.ts';
import { CLEAN_ENVIRONMENT, programPath, run } from '../machine/programs.ts';
import type { ProcessIdentity } from '../machine/types.ts';
import { LAB_RUN } from '../paths.ts';
import type { Watch } from './context.ts';

const RECORD = join(LAB_RUN, 'uplink.json');
const RESOLV_CONF = join(LAB_RUN, 'uplink-resolv.conf');

/** pasta tells nobody that it is ready; one that cannot work ends within milliseconds. */
const SETTLED_MS = 250;
/** Waits before it is started again, in milliseconds: doubled from the first to the longest. */
const RESTART = { first: 500, longest: 30_000, forgottenAfter: 60_000 };

/**
 * The lab's way to the machine's network, for image pulls: a user-mode NAT (pasta) between a tap in the lab's
 * internet and plain sockets of the machine. The machine's forwarding, routes and tables are not touched.
 *
 * What gets through: TCP, UDP and echo requests from the lab to public addresses, and name queries by UDP to Azure's
 * name server address, which go to the machine's resolver. What does not:
 *
 * * Connections into the lab: pasta binds no port of the machine, and the fabric counts what would still come
 *   (`inbound`).
 * * The machine's loopback: no port and no address is mapped to it.
 * * The machine's other addresses, and on a machine of Azure's own its platform address. To a program that opens a
 *   socket on the machine they are as good as local, so pasta could not tell; the fabric drops what is sent there
 *   (`to_machine`).
 * * Private networks of the machine: no internet routes private ranges, and the lab's does not either (`private`).
 */
export class Uplink {
  readonly #netns: string;
  readonly #watch: Watch;
  readonly #log: Logger;
  readonly #closing = new AbortController();
  #state = 'down';
  #restarts = 0;
  #upSince = 0;

  constructor(netns: string, watch: Watch, log: Logger) {
    this.#netns = netns;
    this.#watch = watch;
    this.#log = log;
  }

  /** `up`, `up, but ` and what does not work, or `down: ` and why. A lab without uplink works but for pulling images. */
  get state(): string {
    return this.#state;
  }

  /** Takes over the uplink of a former supervisor, or starts one. Never rejects: see {@link state}. */
  async start(): Promise<void> {
    const former = recorded();
    if (former) {
      this.#keep(former);
      return;
    }
    try {
      const pasta = programPath('pasta', 'passt');
      const resolver = await machineResolver(pasta);
      this.#keep(await startPasta(uplinkArgv(pasta, this.#netns, resolver, RESOLV_CONF)));
      if (!resolver) this.#state = `up, but without names: ${NO_RESOLVER}`;
    } catch (error) {
      this.#state = `down: ${(error as Error).message}`;
      this.#log.warn({ reason: (error as Error).message }, 'no uplink: images cannot be pulled');
    }
  }

  /** Stops watching; it works on. */
  close(): void {
    this.#closing.abort();
  }

  #keep(process: ProcessIdentity): void {
    this.#state = 'up';
    this.#upSince = Date.now();
    this.#watch.add(process, () => void this.#restart());
  }

  async #restart(): Promise<void> {
    this.#state = 'down: it ended';
    if (Date.now() - this.#upSince > RESTART.forgottenAfter) this.#restarts = 0;
    while (this.#state.startsWith('down')) {
      const wait = Math.min(RESTART.first * 2 ** this.#restarts++, RESTART.longest);
      this.#log.warn({ restartInMs: wait }, 'the uplink ended; starting it again');
      try {
        await delay(wait, undefined, { signal: this.#closing.signal });
      } catch {
        return;
      }
      await this.start();
    }
  }
}

/** Ends the uplink of this or a former supervisor. */
export function stopUplink(): void {
  const process = recorded();
  if (process) signal(process, 'SIGTERM');
}

async function startPasta(argv: string[]): Promise<ProcessIdentity> {
  const [program, ...args] = argv;
  const child = spawn(program!, args, {
    cwd: '/',
    detached: true,
    env: CLEAN_ENVIRONMENT,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const identity = child.pid === undefined ? undefined : identify(child.pid);
  // At once: a second one beside an unknown first could not work.
  if (identity) writeFileSync(RECORD, JSON.stringify(identity), { mode: 0o600 });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    if (said.length < 4096) said += chunk;
  });
  const ended = once(child, 'exit').then(
    () => said.trim().split('\n').at(-1) || 'it ended without a word',
    (error: Error) => error.message,
  );
  const failure = await Promise.race([ended, delay(SETTLED_MS)]);
  if (failure !== undefined || !identity) throw new Error(`pasta: ${failure}`);
  child.stderr.destroy();
  child.unref();
  return identity;
}

function recorded(): ProcessIdentity | undefined {
  try {
    const process = JSON.parse(readFileSync(RECORD, 'utf8')) as ProcessIdentity;
    return isAlive(process) ? process : undefined;
  } catch {
    return undefined;
  }
}

/** Where the machine's resolvers are named; systemd's own list has those behind the one on the loopback. */
const RESOLVER_FILES = ['/etc/resolv.conf', '/run/systemd/resolve/resolv.conf'];
const NO_RESOLVER = `no IPv4 name server in ${RESOLVER_FILES.join(' and ')} that this version of pasta can reach`;

/** Who answers name queries for the lab, and how pasta gets to know. */
export interface Resolver {
  address: string;
  /** By itself, by an option (versions since August 2024), or by a resolv.conf made for it. */
  told: 'itself' | 'option' | 'file';
}

/**
 * Picks the machine's resolver. A pasta that knows `--dns-host` reaches one on the loopback, too; an older one only
 * if it opened all of the loopback to the lab. (Its `--dns` is no way out: with it, it forwards to nobody.)
 *
 * @param files - contents of {@link RESOLVER_FILES}
 * @param help - what pasta says about its options
 */
export function pickResolver(files: string[], help: string): Resolver | undefined {
  const named = files.map((text) =>
    [...text.matchAll(/^nameserver\s+(\S+)/gm)].map((found) => found[1]!).filter((server) => isIPv4(server)),
  );
  const first = named.flat()[0];
  if (first && help.includes('--dns-host')) return { address: first, told: 'option' };
  const remote = (server: string): boolean => !server.startsWith('127.');
  const own = named[0]?.find(remote);
  if (own) return { address: own, told: 'itself' };
  const behind = named.flat().find(remote);
  return behind === undefined ? undefined : { address: behind, told: 'file' };
}

async function machineResolver(pasta: string): Promise<Resolver | undefined> {
  const files = RESOLVER_FILES.map((path) => {
    try {
      return readFileSync(path, 'utf8');
    } catch {
      return '';
    }
  });
  const { stdout, stderr } = await run([pasta, '--help'], { env: CLEAN_ENVIRONMENT });
  return pickResolver(files, stdout + stderr);
}

/**
 * The command line of an uplink.
 * @param resolvConf - a file to be written when the resolver has to be told by one; nobody else sees it in its place
 */
export function uplinkArgv(
  pasta: string,
  netns: string,
  resolver: Resolver | undefined,
  resolvConf: string,
): string[] {
  const argv = [pasta, ...pastaArguments(netns, resolver)];
  if (resolver?.told !== 'file') return argv;
  writeFileSync(resolvConf, `nameserver ${resolver.address}\n`, { mode: 0o600 });
  // Slave: what is unmounted outside goes in here, too. A copy of a namespace's file would keep the namespace alive.
  const apart = ['unshare', '--mount', '--propagation', 'slave', '/bin/sh', '-c'];
  const script = 'mount --bind "$1" /etc/resolv.conf && shift && exec "$@"';
  return [...apart, script, 'flyover-uplink', resolvConf, ...argv];
}

function pastaArguments(netns: string, resolver: Resolver | undefined): string[] {
  return [
    '--foreground',
    '--quiet',
    // As nobody it could not join a namespace that root made; it still confines itself by seccomp and namespaces.
    ...['--runas', '0'],
    '--ipv4-only',
    '--config-net',
    ...['--netns', netns],
    ...['--ns-ifname', 'uplink'],
    ...['--address', UPLINK_ADDRESS, '--netmask', '30', '--gateway', UPLINK_GATEWAY],
    ...['--mtu', String(MTU)],
    ...(resolver ? ['--dns-forward', DNS_ADDRESS] : []),
    ...(resolver?.told === 'option' ? ['--dns-host', resolver.address] : []),
    '--no-map-gw',
    '--no-dhcp',
    // No port of the machine leads into the lab, none of the lab to the machine's loopback.
    ...['-t', 'none', '-u', 'none', '-T', 'none', '-U', 'none'],
  ];
}
