import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createNamespace, deleteNamespace } from '../../kernel/netns.ts';
import { namespaceOf } from '../fabric/names.ts';
import { DNS_ADDRESS, UPLINK_GATEWAY } from '../fabric/ranges.ts';
import { TestFabric, testModel } from '../fabric/testing.ts';
import { uplinkArgv } from './uplink.ts';

/**
 * Needs root and pasta. The uplink of a whole fabric, out of a namespace that stands in for the machine: it has a
 * loopback with services, an address, and a way to the world, which is a namespace, too.
 */
const MACHINE_ADDRESS = '198.51.100.2';
const WORLD_ADDRESS = '198.51.100.1';
/** A private address, as resolvers have: the lab does not reach it but by its name server's. */
const RESOLVER = '10.53.0.53';

/** Answers TCP connections and UDP datagrams with a name and the address they came from: serve NAME PROTOCOL ADDRESS PORT ... */
const SERVE = `
  const [name, ...rest] = process.argv.slice(1);
  let left = rest.length / 3;
  const ready = () => --left === 0 && console.log('listening');
  for (let i = 0; i < rest.length; i += 3) {
    const [protocol, address, port] = rest.slice(i);
    if (protocol === 'tcp')
      require('net').createServer((s) => s.on('error', () => 0).end(name + ' ' + s.remoteAddress)).listen(+port, address, ready);
    else {
      const s = require('dgram').createSocket('udp4');
      s.on('message', (_, from) => s.send(name + ' ' + from.address, from.port, from.address)).bind(+port, address, ready);
    }
  }`;
/** Prints the answer: ask PROTOCOL ADDRESS PORT. Without one within a second it ends with 1. */
const ASK = `
  const [protocol, address, port] = process.argv.slice(1);
  setTimeout(() => process.exit(1), 1000);
  const end = (data) => { console.log(String(data)); process.exit(0); };
  if (protocol === 'tcp') require('net').connect(+port, address).on('data', end).on('error', () => process.exit(1));
  else require('dgram').createSocket('udp4').on('message', end).send('x', +port, address);`;

const fabric = new TestFabric();
const folder = mkdtempSync(join(tmpdir(), 'fly-test-uplink-'));
const world = join(folder, 'world');
const node = namespaceOf.node('one-0');
const children: ChildProcess[] = [];

function inNetwork(
  netns: string,
  ...argv: string[]
): { status: number | null; stdout: string; stderr: string } {
  return spawnSync('nsenter', [`--net=${netns}`, ...argv], { encoding: 'utf8' });
}

function ip(netns: string, command: string): void {
  const { status, stderr } = inNetwork(netns, 'ip', ...command.split(' '));
  expect([command, status, stderr]).toEqual([command, 0, '']);
}

async function serve(netns: string, name: string, ...sockets: string[]): Promise<void> {
  const argv = [`--net=${netns}`, process.execPath, '-e', SERVE, name, ...sockets.join(' ').split(' ')];
  const child = spawn('nsenter', argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  await once(child.stdout, 'data');
}

/** What a service answers; undefined when nothing comes. */
function ask(netns: string, protocol: 'tcp' | 'udp', address: string, port: number): string | undefined {
  const { status, stdout } = inNetwork(netns, process.execPath, '-e', ASK, protocol, address, String(port));
  return status === 0 ? stdout.trim() : undefined;
}

const fromNode = (protocol: 'tcp' | 'udp', address: string, port: number) =>
  ask(fabric.at.pathOf(node), protocol, address, port);

/** In a virtual network the address of the platform is its router's own. */
const fromInternet = (protocol: 'tcp' | 'udp', address: string, port: number) =>
  ask(fabric.at.pathOf(namespaceOf.host('web')), protocol, address, port);

beforeAll(async () => {
  createNamespace(world);
  fabric.apply({ ...testModel(), machineAddresses: [MACHINE_ADDRESS] });
  const machine = fabric.at.pathOf('');
  ip(machine, 'link set lo up');
  ip(machine, `link add eth0 type veth peer name eth0 netns ${world}`);
  ip(machine, `addr add ${MACHINE_ADDRESS}/24 dev eth0`);
  ip(machine, 'link set eth0 up');
  ip(world, 'link set lo up');
  ip(world, `addr add ${WORLD_ADDRESS}/24 dev eth0`);
  ip(world, 'link set eth0 up');
  for (const address of ['192.0.2.80', RESOLVER, DNS_ADDRESS]) ip(world, `addr add ${address}/32 dev lo`);
  ip(machine, `route add default via ${WORLD_ADDRESS}`);
  await serve(world, 'world', 'tcp 192.0.2.80 80', 'udp 192.0.2.80 80');
  await serve(world, 'resolver', `tcp ${RESOLVER} 53`, `udp ${RESOLVER} 53`);
  await serve(world, 'platform', `tcp ${DNS_ADDRESS} 80`, `udp ${DNS_ADDRESS} 80`, `tcp ${DNS_ADDRESS} 53`);
  await serve(machine, 'everywhere', 'tcp 0.0.0.0 8000', 'udp 0.0.0.0 8000');
  await serve(machine, 'loopback', 'tcp 127.0.0.1 9000', 'udp 127.0.0.1 9000');

  const internet = fabric.at.pathOf(namespaceOf.internet());
  const resolver = { address: RESOLVER, told: 'file' } as const;
  const argv = uplinkArgv('/usr/bin/pasta', internet, resolver, join(folder, 'resolv.conf'));
  children.push(spawn('nsenter', [`--net=${machine}`, ...argv], { stdio: ['ignore', 'ignore', 'inherit'] }));
  const deadline = Date.now() + 10_000;
  while (!inNetwork(internet, 'ip', 'route', 'show', 'default').stdout.includes('dev uplink')) {
    if (Date.now() > deadline) throw new Error('pasta did not come up');
    await delay(20);
  }
});
afterAll(async () => {
  for (const child of children) {
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await ended;
  }
  fabric.remove();
  deleteNamespace(world);
  rmSync(folder, { recursive: true });
});

describe('the uplink', () => {
  test.each(['tcp', 'udp'] as const)('%s goes out, and wears the address of the machine', (protocol) => {
    expect(fromNode(protocol, '192.0.2.80', 80)).toBe(`world ${MACHINE_ADDRESS}`);
  });

  test('name queries reach the resolver of the machine', () => {
    expect(fromInternet('udp', DNS_ADDRESS, 53)).toBe(`resolver ${MACHINE_ADDRESS}`);
  });

  test.each(['tcp', 'udp'] as const)(
    'nothing else of the machine and its network by %s',
    async (protocol) => {
      const machine = fabric.at.pathOf('');
      // The machine itself reaches them all.
      expect(ask(machine, protocol, '127.0.0.1', 9000)).toBe('loopback 127.0.0.1');
      expect(ask(machine, protocol, MACHINE_ADDRESS, 8000)).toBe(`everywhere ${MACHINE_ADDRESS}`);
      expect(ask(machine, protocol, RESOLVER, 53)).toBe(`resolver ${MACHINE_ADDRESS}`);
      expect(ask(machine, protocol, DNS_ADDRESS, 80)).toBe(`platform ${MACHINE_ADDRESS}`);
      const before = fabric.refused(namespaceOf.internet(), 'to_machine');
      for (const [address, port] of [
        [MACHINE_ADDRESS, 8000],
        [RESOLVER, 53],
        [DNS_ADDRESS, 80],
        [UPLINK_GATEWAY, 8000],
        [UPLINK_GATEWAY, 9000],
        ['198.18.0.1', 8000],
        ['127.0.0.1', 9000],
      ] as const) {
        const asked = (address === DNS_ADDRESS ? fromInternet : fromNode)(protocol, address, port);
        expect([address, port, asked]).toEqual([address, port, undefined]);
      }
      expect(fabric.refused(namespaceOf.internet(), 'to_machine')).toBeGreaterThan(before + 2);
    },
  );

  test('not even from where it ends: it maps nothing to the loopback', () => {
    const internet = fabric.at.pathOf(namespaceOf.internet());
    for (const address of [UPLINK_GATEWAY, '127.0.0.1', DNS_ADDRESS]) {
      expect([address, ask(internet, 'tcp', address, 9000)]).toEqual([address, undefined]);
    }
  });

  test('nothing comes in: it listens nowhere', () => {
    const { stdout } = inNetwork(fabric.at.pathOf(''), 'ss', '-Htln');
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line) => line.split(/\s+/)[3])
        // ss lists in the order of its hash table, which differs from boot to boot and run to run.
        .sort(),
    ).toEqual(['0.0.0.0:8000', '127.0.0.1:9000']);
    ip(world, `route add 203.0.113.0/24 via ${MACHINE_ADDRESS}`);
    expect(inNetwork(world, 'ping', '-c', '1', '-W', '1', '203.0.113.4').status).not.toBe(0);
  });
});
