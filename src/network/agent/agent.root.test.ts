import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hostLinkName } from '../dataplane/names.ts';
import { bundleAgent, memoryOf, NOTHING_LEFT, TestNode } from './testing.ts';

let bundle: string;
let node: TestNode;

beforeAll(async () => {
  bundle = await bundleAgent();
  node = new TestNode(bundle);
  await node.start();
});
afterAll(async () => {
  await node.close();
  rmSync(bundle);
});

const azv = (containerId: string): string => hostLinkName({ containerId, ifName: 'eth0' });
const addressOf = (answer: Awaited<ReturnType<TestNode['cni']>>): string =>
  answer?.json.ips[0].address.split('/')[0];

describe('ADD and DEL', () => {
  it('give a pod its network, and take it back', async () => {
    const answer = await node.add('one');
    expect(answer).toEqual({
      exit: 0,
      json: {
        cniVersion: '1.1.0',
        interfaces: [
          { name: azv('one'), mac: expect.stringMatching(/^02:/), mtu: 1500 },
          { name: 'eth0', mac: expect.stringMatching(/^06:/), mtu: 1500, sandbox: node.net.namespace('one') },
        ],
        ips: [{ address: '10.244.0.2/32', gateway: '169.254.1.1', interface: 1 }],
        routes: [{ dst: '0.0.0.0/0', gw: '169.254.1.1' }],
        dns: {},
      },
    });
    expect(node.net.pings('one', '10.0.1.1')).toBe(true);
    expect(node.records()).toMatchObject([{ containerId: 'one', addresses: ['10.244.0.2'], podName: 'one' }]);
    expect((await node.cni('DEL', 'one'))?.exit).toBe(0);
    expect((await node.cni('DEL', 'one'))?.exit).toBe(0);
    expect((await node.cni('DEL', 'never-seen', { netns: '' }))?.exit).toBe(0);
    expect(node.leftovers()).toEqual(NOTHING_LEFT);
    expect(node.records()).toEqual([]);
  });

  it('refuse what is in the way, and take no address for it', async () => {
    await node.add('two');
    const free = node.metric('flyover_addresses{block="10.244.0.0/24",state="free"}');
    const again = await node.cni('ADD', 'two');
    expect(again?.json).toMatchObject({
      code: 101,
      msg: expect.stringMatching(/interface eth0 already exists in .*two/),
    });
    const other = await node.cni('ADD', 'other', { netns: node.net.namespace('two') });
    expect(other?.json).toMatchObject({
      code: 101,
      msg: expect.stringMatching(/interface eth0 already exists in .*two/),
    });
    const nowhere = await node.cni('ADD', 'other', { netns: '/run/fly-test-nowhere' });
    expect(nowhere?.json).toMatchObject({ code: 3, msg: '/run/fly-test-nowhere is not a network namespace' });
    expect(node.metric('flyover_addresses{block="10.244.0.0/24",state="free"}')).toBe(free);
    expect(node.net.pings('two', '10.0.1.1')).toBe(true);
    await node.cni('DEL', 'two');
  });

  it('roll back an ADD that fails half-way', async () => {
    node.net.namespace('three');
    node.net.run('three', 'ip', 'link', 'add', 'x', 'type', 'veth', 'peer', 'name', 'y');
    node.net.run('three', 'ip', 'link', 'set', 'x', 'up');
    node.net.run('three', 'ip', 'route', 'add', 'default', 'dev', 'x');
    expect((await node.cni('ADD', 'three'))?.json).toMatchObject({ code: 104 });
    expect(node.leftovers()).toEqual(NOTHING_LEFT);
    expect(node.records()).toEqual([]);
    node.net.run('three', 'ip', 'route', 'del', 'default');
    expect((await node.cni('ADD', 'three'))?.exit).toBe(0);
    await node.cni('DEL', 'three');
  });

  it('work for many pods at once, each with an address of its own', async () => {
    const names = Array.from({ length: 24 }, (_, i) => `many-${i}`);
    const answers = await Promise.all(names.map((name) => node.add(name)));
    expect(new Set(answers.map(addressOf)).size).toBe(24);
    expect(node.net.pings('many-3', addressOf(answers[20]))).toBe(true);
    await Promise.all(names.map((name) => node.cni('DEL', name)));
    expect(node.leftovers()).toEqual(NOTHING_LEFT);
  });

  it('succeed for a pod whose namespace is gone already', async () => {
    await node.add('four');
    node.net.remove('four');
    expect((await node.cni('DEL', 'four', { netns: '' }))?.exit).toBe(0);
    expect(node.leftovers()).toEqual(NOTHING_LEFT);
  });

  it('say so when the block is full', async () => {
    await node.reconfigure({ nodeBlocks: ['10.244.9.0/29'], maxPods: 10 });
    const names = Array.from({ length: 6 }, (_, i) => `full-${i}`);
    const answers = [];
    for (const name of names) answers.push(await node.add(name));
    expect(answers.slice(0, 5).map(addressOf)).toEqual([
      '10.244.9.2',
      '10.244.9.3',
      '10.244.9.4',
      '10.244.9.5',
      '10.244.9.6',
    ]);
    expect(answers[5]?.json).toMatchObject({ code: 102, msg: 'the node has no free pod address' });
    for (const name of names) await node.cni('DEL', name);
    await node.reconfigure();
  });
});

describe('CHECK, GC and STATUS', () => {
  it('CHECK passes a good link, and names what differs', async () => {
    const prevResult = (await node.add('check'))?.json;
    const check = () => node.cni('CHECK', 'check', { config: { prevResult } });
    expect((await check())?.exit).toBe(0);
    node.net.run('check', 'ip', 'route', 'del', 'default');
    expect((await check())?.json).toMatchObject({
      code: 103,
      msg: 'one thing is not as ADD left it',
      details: "pod's IPv4 default route: is missing",
    });
    const changed = { ...prevResult, ips: [{ address: '10.244.0.99/32', interface: 1 }] };
    const other = await node.cni('CHECK', 'check', { config: { prevResult: changed } });
    expect(other?.json.details).toContain('prevResult.ips: lacks ');
    expect((await node.cni('CHECK', 'nobody', { config: { prevResult } }))?.json).toMatchObject({ code: 3 });
    await node.cni('DEL', 'check');
  });

  it('GC takes away what the runtime does not name', async () => {
    for (const name of ['keep', 'drop-1', 'drop-2']) await node.add(name);
    const valid = [{ containerID: 'keep', ifname: 'eth0' }];
    expect((await node.cni('GC', '', { config: { 'cni.dev/valid-attachments': valid } }))?.exit).toBe(0);
    expect(node.records().map(({ containerId }) => containerId)).toEqual(['keep']);
    expect(node.leftovers().links).toHaveLength(1);
    expect(node.net.pings('keep', '10.0.1.1')).toBe(true);
    // Another network's runtime does not know this one's pods.
    const other = { name: 'other', 'cni.dev/valid-attachments': [] };
    expect((await node.cni('GC', '', { config: other }))?.exit).toBe(0);
    expect(node.records().map(({ containerId }) => containerId)).toEqual(['keep']);
    await node.cni('DEL', 'keep');
  });

  it('STATUS is 50 with the reason while pods cannot be served', async () => {
    expect((await node.cni('STATUS'))?.exit).toBe(0);
    expect(node.page('/readyz')).toBe('ok\n');
    await node.reconfigure({ nodeAddresses: ['10.0.1.99'] });
    const status = await node.cni('STATUS');
    expect(status?.json).toMatchObject({
      code: 50,
      details: expect.stringMatching(/10\.0\.1\.99' is on no interface/),
    });
    expect((await node.add('early'))?.json).toMatchObject({ code: 11 });
    expect(node.page('/readyz')).toMatch(/^not ready: nodeAddresses\[0\] '10.0.1.99'/);
    expect(node.page('/healthz')).toBe('ok\n');
    // It comes back by itself when the address comes.
    node.net.run('node', 'ip', 'addr', 'add', '10.0.1.99/24', 'dev', 'eth0');
    await node.logged(/"msg":"ready"/);
    expect((await node.cni('STATUS'))?.exit).toBe(0);
    node.net.run('node', 'ip', 'addr', 'del', '10.0.1.99/24', 'dev', 'eth0');
    await node.reconfigure();
  });
});

describe('node.json', () => {
  it('is read again when it changes; a bad one changes nothing', async () => {
    writeFileSync(node.path('node.json'), '{"nodeName": "n1"');
    await node.logged(/is not JSON.*stays in force/);
    expect((await node.cni('STATUS'))?.exit).toBe(0);
    node.configure({ nonMasqueradeRanges: ['10.0.1.0/24'] });
    await node.logged(/not_masqueraded: 10\.0\.1\.0\/24/);
    await node.add('seen');
    await node.net.serve('out', 7001);
    expect(node.net.seenBy('seen', '10.0.1.1', 7001)).toBe(node.records()[0]?.addresses[0]);
    await node.reconfigure();
    expect(node.net.seenBy('seen', '10.0.1.1', 7001)).toBe('10.0.1.4');
    await node.cni('DEL', 'seen');
  });
});

describe('a restart', () => {
  it('loses no packet, by SIGTERM and by SIGKILL, and keeps counters and addresses', async () => {
    const kept = addressOf(await node.add('kept'));
    node.net.run('kept', 'ip', 'addr', 'add', '8.8.8.8/32', 'dev', 'lo');
    node.net.pings('kept', '10.0.1.1', '-I', '8.8.8.8');
    expect(node.metric('flyover_spoofed_packets_total')).toBeGreaterThan(0);
    const spoofed = node.metric('flyover_spoofed_packets_total');
    const ping = node.net.spawn('kept', ['ping', '-q', '-i', '0.002', '-w', '4', '10.0.1.1']);
    let output = '';
    ping.stdout?.on('data', (chunk) => {
      output += String(chunk);
    });
    const ended = new Promise<void>((resolve) => ping.once('close', () => resolve()));
    expect(await node.stop('SIGTERM')).toBe(0);
    await node.start();
    await node.stop('SIGKILL');
    await node.start();
    await ended;
    expect(output).toContain(' 0% packet loss');
    expect(node.metric('flyover_spoofed_packets_total')).toBe(spoofed);
    expect(node.records()).toMatchObject([{ containerId: 'kept', addresses: [kept] }]);
    expect((await node.cni('DEL', 'kept'))?.exit).toBe(0);
  });

  it('does the DELs that came meanwhile, before it serves', async () => {
    await node.add('gone');
    await node.stop('SIGKILL');
    const { Chain } = await import('./testing.ts');
    const chain = new Chain(node, { cniVersion: '1.0.0', plugins: [{ type: 'flyover' }] });
    expect(chain.after('DEL', 'gone').exit).toBe(0);
    expect(chain.add('new').json).toMatchObject({ code: 11, details: expect.stringContaining('agent.sock') });
    expect(node.leftovers().spooled).toHaveLength(1);
    await node.start();
    expect(node.leftovers()).toEqual(NOTHING_LEFT);
    expect(node.records()).toEqual([]);
  });

  it('mends links, and gives back what belongs to sandboxes that are gone', async () => {
    for (const name of ['mend', 'dead']) await node.add(name);
    await node.stop('SIGKILL');
    node.net.run('node', 'ip', 'route', 'flush', 'dev', azv('mend'));
    node.net.run('mend', 'ip', 'route', 'flush', 'table', 'main');
    node.net.run('node', 'nft', 'delete', 'table', 'inet', 'flyover');
    node.net.remove('dead');
    // The kernel takes the namespace down some time later, its link with it.
    for (let i = 0; i < 200 && node.net.run('node', 'ip', '-o', 'link').includes(azv('dead')); i++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await node.start();
    expect(node.log).toMatch(/"finding":"repaired","object":"mend\/eth0"/);
    expect(node.log).toMatch(/"finding":"released","object":"dead\/eth0"/);
    expect(node.net.pings('mend', '10.0.1.1')).toBe(true);
    expect(node.records().map(({ containerId }) => containerId)).toEqual(['mend']);
    await node.cni('DEL', 'mend');
    expect(node.leftovers()).toEqual(NOTHING_LEFT);
  });

  it('adopts running pods when its records are lost, so that no address is given twice', async () => {
    const address = addressOf(await node.add('orphan'));
    await node.stop('SIGKILL');
    rmSync(node.path('state'), { recursive: true });
    await node.start();
    expect(node.log).toMatch(/"finding":"adopted","object":"orphan\/eth0"/);
    expect(node.records()).toMatchObject([{ containerId: 'orphan', addresses: [address] }]);
    expect(node.net.pings('orphan', '10.0.1.1')).toBe(true);
    expect(addressOf(await node.add('next'))).not.toBe(address);
    for (const name of ['orphan', 'next']) expect((await node.cni('DEL', name))?.exit).toBe(0);
    expect(node.leftovers()).toEqual(NOTHING_LEFT);
  });

  it('waits for a usable node.json, and says what is wrong', async () => {
    await node.stop();
    node.configure({ nodeBlocks: ['10.9.0.0/24'] });
    await node.start({}, { ready: false });
    expect(node.page('/readyz')).toContain("nodeBlocks[0] '10.9.0.0/24' is not inside a pod CIDR");
    expect(existsSync(node.path('run/agent.sock'))).toBe(false);
    node.configure();
    await node.logged(/configuration applied/);
    expect((await node.cni('STATUS'))?.exit).toBe(0);
  });

  it('is refused while another agent serves the node', async () => {
    const second = new TestNode(bundle);
    try {
      // Same folders, as a second daemon started by hand would have.
      const child = second.net.spawn('node', [
        process.execPath,
        bundle,
        ...['--config', node.path('node.json'), '--state', node.path('state')],
        ...['--run', second.path('run'), '--spool', node.path('spool')],
      ]);
      let output = '';
      child.stderr?.on('data', (chunk) => {
        output += String(chunk);
      });
      const code = await new Promise((resolve) => child.once('close', resolve));
      expect(code).toBe(1);
      expect(output).toMatch(/locked by another agent, process \d+; stop that one first/);
    } finally {
      await second.close();
    }
  });
});

it('keeps its sockets to root and its memory small', () => {
  for (const name of ['agent.sock', 'metrics.sock']) {
    expect(statSync(node.path(`run/${name}`)).mode & 0o777).toBe(0o600);
  }
  // Measured: 22 to 30 MB of its own beside some 45 of Node's text, which all agents of a machine share.
  expect(memoryOf(node.pid).own).toBeLessThan(60);
  expect(readFileSync(`/proc/${node.pid}/comm`, 'utf8')).toMatch(/node|MainThread/);
});
