import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { DNS_ADDRESS, MTU, UPLINK_ADDRESS, UPLINK_GATEWAY } from '../fabric/ranges.ts';
import { identify, isAlive, signal } from '../machine/identity.ts';
import { programPath } from '../machine/programs.ts';
import type { ProcessIdentity } from '../machine/types.ts';
import { LAB_RUN } from '../paths.ts';

const RECORD = join(LAB_RUN, 'uplink.json');

/**
 * The lab's way to the machine's network, for image pulls: a user-mode NAT (pasta) between a tap in the lab's
 * internet and plain sockets of the machine. The machine's forwarding, routes and tables are not touched, its
 * loopback is not reachable, and nothing can come in. Name queries to Azure's name server address are answered
 * by the machine's own resolver.
 */
export class Uplink {
  readonly #netns: string;
  readonly #log: Logger;
  #state = 'down';

  constructor(netns: string, log: Logger) {
    this.#netns = netns;
    this.#log = log;
  }

  /** `up`, or `down: ` and why. A lab without uplink works but for pulling images. */
  get state(): string {
    return this.#state;
  }

  async start(): Promise<void> {
    if (recorded()) {
      this.#state = 'up';
      return;
    }
    let pasta: string;
    try {
      pasta = programPath('pasta', 'passt');
    } catch (error) {
      this.#state = `down: ${(error as Error).message}`;
      return;
    }
    const child = spawn(pasta, pastaArguments(this.#netns), {
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const said: string[] = [];
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => said.length < 20 && said.push(chunk));
    const ended = new Promise<string>((resolve) => {
      child.once('error', (error) => resolve(error.message));
      child.once('exit', () => resolve(said.join('').trim().split('\n').at(-1) ?? 'it ended'));
    });
    // pasta tells nobody that it is ready; one that cannot work ends within milliseconds.
    const alive = new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 250));
    const failure = await Promise.race([ended, alive]);
    const identity = child.pid === undefined ? undefined : identify(child.pid);
    if (failure !== undefined || !identity) {
      this.#state = `down: pasta: ${failure}`;
      this.#log.warn({ reason: failure }, 'no uplink: images cannot be pulled');
      return;
    }
    child.stderr?.destroy();
    child.unref();
    writeFileSync(RECORD, JSON.stringify(identity), { mode: 0o600 });
    this.#state = 'up';
  }
}

/** Ends the uplink of this or a former supervisor. */
export function stopUplink(): void {
  const process = recorded();
  if (process) signal(process, 'SIGTERM');
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
