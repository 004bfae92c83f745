import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { buildFront } from '../../scripts/build-front.ts';
import { createNamespace, deleteNamespace, namespaceExists, setNetSysctl } from '../../src/kernel/netns.ts';
import { type CniCall, type CniServer, createCniServer } from '../../src/network/cni/server.ts';
import type { CniResult } from '../../src/network/cni/types.ts';
import { Chain } from './cni-chain.ts';

// The front's results in the hands of the reference plugins, with a fake agent that makes just a link.

const REFERENCE = '/usr/lib/cni';
const node = `/run/netns/fly-test-chain-node-${process.pid}`;
const pod = `/run/netns/fly-test-chain-pod-${process.pid}`;
const LINK = 'azv0123456789a';
const container = { containerId: 'fly-test-chain', netns: pod, ifName: 'eth0' };

let home: string;
let front: string;
let server: CniServer;
let calls: CniCall[];

const ip = (namespace: string, ...args: string[]) => run(namespace, 'ip', ...args);
function run(namespace: string, ...command: string[]): string {
  return execFileSync('nsenter', [`--net=${namespace}`, ...command], { encoding: 'utf8' });
}

beforeAll(async () => {
  front = (await buildFront(join(import.meta.dirname, '../../dist/cni'))).path;
  createNamespace(node);
  createNamespace(pod);
  ip(node, 'link', 'set', 'lo', 'up');
  setNetSysctl(node, 'ipv4/ip_forward', 1);
});
afterAll(() => {
  for (const path of [pod, node]) if (namespaceExists(path)) deleteNamespace(path);
});

/** What the real agent does, as far as the other plugins look at it. */
function makeLink(): void {
  ip(node, 'link', 'add', LINK, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', pod);
  ip(node, 'link', 'set', LINK, 'up');
  ip(node, 'route', 'add', '10.244.0.7/32', 'dev', LINK);
  ip(pod, 'address', 'add', '10.244.0.7/32', 'dev', 'eth0');
  ip(pod, 'address', 'add', 'fd00::7/128', 'dev', 'eth0');
  ip(pod, 'link', 'set', 'eth0', 'up');
}
const linkThere = () => ip(node, 'link').includes(LINK);

const result: CniResult = {
  interfaces: [
    { name: LINK, mac: '02:00:00:00:00:01', mtu: 1500 },
    { name: 'eth0', mac: '02:00:00:00:00:02', mtu: 1500, sandbox: pod },
  ],
  ips: [
    { address: '10.244.0.7/32', gateway: '169.254.1.1', interface: 1 },
    { address: 'fd00::7/128', gateway: 'fe80::1', interface: 1 },
  ],
  routes: [{ dst: '0.0.0.0/0', gw: '169.254.1.1' }],
  dns: {},
};

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'fly-test-chain-'));
  calls = [];
  const note = (call: CniCall) => void calls.push(call);
  server = await createCniServer(join(home, 'agent.sock'), {
    add(call) {
      note(call);
      makeLink();
      return result;
    },
    del(call) {
      note(call);
      if (linkThere()) ip(node, 'link', 'delete', LINK);
    },
    check: note,
    gc: note,
    status: note,
  });
});
afterEach(async () => {
  await server.close();
  rmSync(home, { recursive: true });
});

function chain(cniVersion: string): Chain {
  return new Chain({
    conflist: {
      cniVersion,
      name: 'flyover',
      plugins: [
        { type: 'flyover', socket: join(home, 'agent.sock'), spool: join(home, 'spool') },
        { type: 'portmap', capabilities: { portMappings: true }, snat: true, backend: 'iptables' },
        { type: 'bandwidth', capabilities: { bandwidth: true } },
      ],
    },
    cniPath: [dirname(front), REFERENCE],
    node,
  });
}
const attachment = {
  ...container,
  runtimeConfig: {
    portMappings: [{ hostPort: 18080, containerPort: 80, protocol: 'tcp' }],
    bandwidth: {
      ingressRate: 8_000_000,
      ingressBurst: 8_000_000,
      egressRate: 8_000_000,
      egressBurst: 8_000_000,
    },
  },
};

test('the reference plugins are there', () => {
  for (const plugin of ['portmap', 'bandwidth', 'loopback'])
    expect(existsSync(join(REFERENCE, plugin))).toBe(true);
});

// Debian 12's plugins end at 1.0.0.
describe.each(['0.3.0', '0.3.1', '0.4.0', '1.0.0'])('in version %s', (version) => {
  test('portmap and bandwidth take the result and pass it on', async () => {
    const plugins = chain(version);
    const final = await plugins.add(attachment);
    expect(final).toMatchObject({
      cniVersion: version,
      ips: [
        { address: '10.244.0.7/32', interface: 1 },
        { address: 'fd00::7/128', interface: 1 },
      ],
    });
    expect(run(node, 'iptables-save', '-t', 'nat')).toContain('--to-destination 10.244.0.7:80');
    expect(run(node, 'tc', 'qdisc', 'show', 'dev', LINK)).toContain('tbf');
    if (version !== '0.3.0' && version !== '0.3.1') {
      // portmap 1.1.1 looks for the IPv4 rules in ip6tables as well, and does not find them.
      await plugins.check(attachment, ['portmap']);
      expect(calls.map((call) => call.command)).toEqual(['ADD', 'CHECK']);
      // portmap and bandwidth come after us: CHECK gets what the last of the chain answered.
      expect(calls[1]?.prevResult?.ips).toEqual(result.ips);
    }
    await plugins.del(attachment);
    expect(run(node, 'iptables-save', '-t', 'nat')).not.toContain('10.244.0.7');
    expect(ip(node, '-o', 'link').trim().split('\n')).toHaveLength(1); // lo: link and bandwidth's ifb are gone
    expect(calls.at(-1)?.command).toBe('DEL');
  });

  test('after another plugin, what that one answered is kept', async () => {
    const plugins = new Chain({
      conflist: {
        cniVersion: version,
        name: 'flyover',
        plugins: [{ type: 'loopback' }, { type: 'flyover', socket: join(home, 'agent.sock') }],
      },
      cniPath: [dirname(front), REFERENCE],
      node,
    });
    const final = await plugins.add(container);
    expect((final.interfaces as { name: string }[]).map(({ name }) => name)).toEqual(['lo', LINK, 'eth0']);
    const addresses = final.ips as { address: string; interface: number }[];
    expect(addresses.at(-1)).toMatchObject({ address: 'fd00::7/128', interface: 2 });
    await plugins.del(container);
  });
});
