import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { DNS_ADDRESS, MTU, UPLINK_ADDRESS, UPLINK_GATEWAY } from '../fabric/ranges.ts';
import { identify, isAlive, signal } from '../machine/identity.ts';
import { CLEAN_ENVIRONMENT, programPath } from '../machine/programs.ts';
import type { ProcessIdentity } from '../machine/types.ts';
import { LAB_RUN } from '../paths.ts';
import type { Watch } from './context.ts';

const RECORD = join(LAB_RUN, 'uplink.json');

/** pasta tells nobody that it is ready; one that cannot work ends within milliseconds. */
const SETTLED_MS = 250;
/** Waits before it is started again, in milliseconds: doubled from the first to the longest. */
const RESTART = { first: 500, longest: 30_000, forgottenAfter: 60_000 };

/**
 * The lab's way to the machine's network, for image pulls: a user-mode NAT (pasta) between a tap in the lab's
 * internet and plain sockets of the machine. The machine's forwarding, routes and tables are not touched.
 *
 * What gets through: TCP, UDP and echo requests from the lab to public addresses. What does not:
 *
 * * Connections into the lab: pasta binds no port of the machine, and the fabric counts what it would still let in
 *   (`inbound`).
 * * The machine's loopback: no port and no address is mapped to it. Name queries alone reach a resolver there, when
 *   the machine's own is one: those to Azure's name server address, by UDP and TCP, port 53.
 * * The machine's other addresses. To a program that opens a socket on the machine they are as local as the
 *   loopback, so pasta could not tell; the fabric drops what is sent to them (`to_machine`).
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

  /** `up`, or `down: ` and why. A lab without uplink works but for pulling images. */
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
      this.#keep(await startPasta(this.#netns));
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
    while (this.#state !== 'up') {
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

async function startPasta(netns: string): Promise<ProcessIdentity> {
  const child = spawn(programPath('pasta', 'passt'), pastaArguments(netns), {
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

/** Exported for the test that runs the same uplink between two namespaces of its own. */
export function pastaArguments(netns: string): string[] {
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
    ...['--dns-forward', DNS_ADDRESS],
    '--no-map-gw',
    '--no-dhcp',
    // No port of the machine leads into the lab, none of the lab to the machine's loopback.
    ...['-t', 'none', '-u', 'none', '-T', 'none', '-U', 'none'],
  ];
}
