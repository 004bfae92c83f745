import { spawn } from 'node:child_process';
import { SELF } from './artifacts.ts';
import * as posix from './posix.ts';
import { outputOf } from './programs.ts';

// Both sides block in the kernel: Node's event loop would cost more than the path that is measured.

const PORT = 5300;
const MESSAGE = 64;
/** The argument that makes this program one of the two sides. */
export const PING_PONG = 'ping-pong';

/** The sides, as programs: `ping-pong serve PORT`, `ping-pong ask ADDRESS COUNT`, `ping-pong open ADDRESS PORT COUNT`. */
export function pingPong([what, ...rest]: readonly string[]): void {
  const [address = '', second = '0', third = '0'] = rest;
  if (what === 'serve') serve(Number(address));
  const times = what === 'open' ? open(address, Number(second), Number(third)) : ask(address, Number(second));
  process.stdout.write(JSON.stringify(times));
}

function serve(port: number): never {
  const listener = posix.listen('0.0.0.0', port);
  process.stdout.write('ready\n');
  const message = Buffer.alloc(MESSAGE);
  for (;;) {
    const fd = posix.accept(listener);
    while (readAll(fd, message)) posix.write(fd, message);
    posix.close(fd);
  }
}

function readAll(fd: number, message: Buffer): boolean {
  for (let got = 0; got < message.length; ) {
    const more = posix.read(fd, message.subarray(got));
    if (more === 0) return false;
    got += more;
  }
  return true;
}

/** Round trips of one connection, in microseconds each, after as many for warming up as a tenth of them. */
function ask(address: string, count: number): number[] {
  const fd = posix.connect(address, PORT);
  const message = Buffer.alloc(MESSAGE);
  const times: number[] = [];
  for (let i = -Math.ceil(count / 10); i < count; i++) {
    const started = performance.now();
    posix.write(fd, message);
    if (!readAll(fd, message)) throw new Error(`${address} hung up`);
    if (i >= 0) times.push((performance.now() - started) * 1000);
  }
  posix.close(fd);
  return times;
}

/** How long it takes to open a connection, one after another, in microseconds each; some before that for warming up. */
function open(address: string, port: number, count: number): number[] {
  const times: number[] = [];
  const message = Buffer.alloc(MESSAGE);
  for (let i = -Math.ceil(count / 10); i < count; i++) {
    const started = performance.now();
    const fd = posix.connect(address, port);
    if (i >= 0) times.push((performance.now() - started) * 1000);
    // Once it is answered the other side has taken it: else connections would wait for that, and new ones be lost.
    posix.write(fd, message);
    if (!readAll(fd, message)) throw new Error(`${address} hung up`);
    posix.close(fd);
  }
  return times;
}

/** Answers in a namespace until this process ends. Resolves when it does. */
export async function startAnswering(netns: string, port = PORT): Promise<void> {
  const argv = [
    `--net=${netns}`,
    process.execPath,
    ...process.execArgv,
    SELF,
    PING_PONG,
    'serve',
    String(port),
  ];
  const child = spawn('nsenter', argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve());
    child.once('exit', (code) => reject(new Error(`the answering side ended with ${code}`)));
  });
}

/** Round trips from one namespace to an address that answers, in microseconds. */
export async function roundTrips(netns: string, address: string, count: number): Promise<number[]> {
  const argv = [process.execPath, ...process.execArgv, SELF, PING_PONG, 'ask', address, String(count)];
  return JSON.parse(await outputOf(netns, argv)) as number[];
}

/** Times to open connections from one namespace to a port that answers, in microseconds. */
export async function openings(
  netns: string,
  address: string,
  port: number,
  count: number,
): Promise<number[]> {
  const argv = [process.execPath, ...process.execArgv, SELF, PING_PONG, 'open', address];
  return JSON.parse(await outputOf(netns, [...argv, String(port), String(count)])) as number[];
}
