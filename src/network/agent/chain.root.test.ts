import { existsSync, readFileSync, rmSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { hostLinkName } from '../dataplane/names.ts';
import { conflist } from './install-files.ts';
import { bundleAgent, Chain, NOTHING_LEFT, TestNode } from './testing.ts';

// Debian's containernetworking-plugins; they need iptables and the kernel's tbf.
const installed =
  ['portmap', 'bandwidth'].every((name) => existsSync(`/usr/lib/cni/${name}`)) &&
  existsSync('/usr/sbin/iptables');

let bundle: string;
let node: TestNode;
let chain: Chain;
const args = {
  portMappings: [{ hostPort: 8080, containerPort: 7000, protocol: 'tcp' }],
  bandwidth: { ingressRate: 8_000_000, ingressBurst: 800_000 },
};

beforeAll(async () => {
  bundle = await bundleAgent();
  node = new TestNode(bundle);
  await node.start();
  chain = new Chain(
    node,
    conflist('1.0.0', ['portmap', 'bandwidth']) as unknown as ConstructorParameters<typeof Chain>[1],
  );
});
afterEach(() => {
  expect(node.leftovers()).toEqual(NOTHING_LEFT);
});
afterAll(async () => {
  await node.close();
  rmSync(bundle);
});

describe.runIf(installed)('in a list with portmap and bandwidth', () => {
  it('opens a host port to the outside and to other pods, limits the rate, and takes both back', async () => {
    const answer = chain.add('web', args);
    expect(answer.json).toMatchObject({
      cniVersion: '1.0.0',
      ips: [{ address: '10.244.0.2/32', interface: 1 }],
    });
    await node.net.serve('web', 7000);
    expect(node.net.seenBy('out', '10.0.1.4', 8080)).toBe('10.0.1.1');
    // The answer of a pod to a pod must be tracked, or it would come from the wrong address.
    chain.add('client');
    expect(node.net.seenBy('client', '10.0.1.4', 8080)).toBe('10.244.0.3');
    expect(node.net.seenBy('client', '10.244.0.2', 7000)).toBe('10.244.0.3');
    const host = hostLinkName({ containerId: 'web', ifName: 'eth0' });
    expect(node.net.run('node', 'tc', 'qdisc', 'show', 'dev', host)).toContain('tbf');
    // Without portmap: its own CHECK wants an IPv6 chain of every pod, also of those without IPv6.
    expect(chain.after('CHECK', 'web', args, ['flyover', 'bandwidth'])).toEqual({ exit: 0, json: undefined });
    expect(chain.after('DEL', 'web', args)).toMatchObject({ exit: 0 });
    expect(chain.after('DEL', 'web', args)).toMatchObject({ exit: 0 });
    expect(node.net.seenBy('out', '10.0.1.4', 8080)).toBeUndefined();
    chain.after('DEL', 'client');
    expect(node.net.run('node', 'ip', '-o', 'link', 'show', 'type', 'ifb')).toBe('');
  });

  it('keeps the host port over a restart that finds no table', async () => {
    chain.add('web-2', args);
    await node.stop('SIGKILL');
    node.net.run('node', 'nft', 'delete', 'table', 'inet', 'flyover');
    await node.start();
    chain.add('client-2');
    await node.net.serve('web-2', 7000);
    expect(node.net.seenBy('client-2', '10.0.1.4', 8080)).toBe(
      (JSON.parse(node.page('/pods')) as { containerId: string; addresses: string[] }[]).find(
        (one) => one.containerId === 'client-2',
      )?.addresses[0],
    );
    for (const pod of ['web-2', 'client-2']) expect(chain.after('DEL', pod, args).exit).toBe(0);
  });
});

describe('behind another plugin', () => {
  it('adds to its result', async () => {
    const prevResult = {
      cniVersion: '1.0.0',
      interfaces: [{ name: 'net0', sandbox: '/x' }],
      ips: [{ address: '192.0.2.7/24', interface: 0 }],
      routes: [{ dst: '192.0.2.0/24' }],
      dns: { nameservers: ['192.0.2.1'] },
    };
    const answer = await node.add('second', { config: { cniVersion: '1.0.0', prevResult } });
    expect(answer?.exit).toBe(0);
    const { interfaces, ips, routes, dns } = answer!.json;
    expect(interfaces.map(({ name }: { name: string }) => name)).toEqual([
      'net0',
      expect.stringMatching(/^azv/),
      'eth0',
    ]);
    expect(ips).toEqual([
      { address: '192.0.2.7/24', interface: 0 },
      { address: expect.stringMatching(/^10\.244\.0\.\d+\/32$/), gateway: '169.254.1.1', interface: 2 },
    ]);
    expect(routes).toEqual([{ dst: '192.0.2.0/24' }, { dst: '0.0.0.0/0', gw: '169.254.1.1' }]);
    expect(dns).toEqual({ nameservers: ['192.0.2.1'] });
    await node.cni('DEL', 'second');
  });
});

it.each(['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'])('speaks CNI %s through the front', (version) => {
  const one = new Chain(node, { cniVersion: version, plugins: [{ type: 'flyover' }] });
  const { json } = one.add('versioned');
  expect(json.cniVersion).toBe(version);
  expect(json.ips[0].version).toBe(version < '1' ? '4' : undefined);
  expect(json.interfaces[1].mtu).toBe(version === '1.1.0' ? 1500 : undefined);
  if (version >= '0.4') expect(one.after('CHECK', 'versioned').exit).toBe(0);
  expect(one.after('DEL', 'versioned').exit).toBe(0);
  expect(readFileSync(`/proc/${node.pid}/stat`, 'utf8')).not.toBe('');
});
