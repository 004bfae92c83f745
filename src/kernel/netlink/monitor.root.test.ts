import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestNamespaces } from '../test-namespaces.ts';
import { Rtnl, type RtnlEvent, RtnlMonitor } from './index.ts';

const spaces = new TestNamespaces();
const a = spaces.make('a');
const b = spaces.make('b');
let rt: Rtnl;

beforeAll(() => {
  rt = Rtnl.open({ netns: a });
});
afterAll(() => {
  rt.close();
  spaces.cleanup();
});

/** The events up to the first that `last` accepts. */
async function until(monitor: RtnlMonitor, last: (event: RtnlEvent) => boolean): Promise<RtnlEvent[]> {
  const events: RtnlEvent[] = [];
  for await (const event of monitor) {
    events.push(event);
    if (last(event)) break;
  }
  return events;
}

describe('RtnlMonitor', () => {
  test('tells of every kind of change, made and undone, in order', async () => {
    const groups = ['link', 'address', 'route', 'neighbour', 'fdb', 'rule'] as const;
    using monitor = RtnlMonitor.open({ netns: a, groups });
    const done = until(monitor, (e) => e.type === 'link' && e.action === 'delete' && e.link.name === 'm0');
    rt.createVeth({ name: 'm0', peer: { name: 'eth0', netns: b } });
    rt.setLink('m0', { up: true, linkLocal: false });
    rt.addAddress('m0', { address: '10.0.0.1', prefixLength: 24 });
    rt.addAddress('m0', { address: 'fd00::1', prefixLength: 64 });
    rt.addRoute({ dst: '10.1.0.0/16', via: '10.0.0.2' });
    rt.addRoute({ dst: 'fd01::/64', via: 'fd00::2' });
    rt.setNeighbour({ dev: 'm0', address: '10.0.0.2', mac: '02:00:00:00:00:02' });
    rt.addRule({ priority: 7, table: 100 });
    rt.addRule({ priority: 7, family: 6, table: 100 });
    rt.createVxlan({ name: 'vx', vni: 1, local: '10.0.0.1' });
    rt.setFdb({ dev: 'vx', mac: '02:00:00:00:00:03', dst: '10.0.0.3' });
    rt.deleteRule({ priority: 7, table: 100 });
    rt.deleteRoute({ dst: '10.1.0.0/16' });
    rt.deleteAddress('m0', { address: '10.0.0.1', prefixLength: 24 });
    rt.deleteLink('m0');
    const events = await done;
    const index = events.find((e) => e.type === 'link')!.link.index;
    const told = events.map((event): string => {
      switch (event.type) {
        case 'link':
          return `${event.action} link ${event.link.name}`;
        case 'address':
          return `${event.action} address ${event.address.address} ${event.address.linkIndex === index}`;
        case 'route':
          return `${event.action} route ${event.route.dst} ${event.route.table}`;
        case 'neighbour':
          return `${event.action} neighbour ${event.neighbour.address} ${event.neighbour.mac}`;
        case 'fdb':
          return `${event.action} fdb ${event.entry.mac} ${event.entry.dst}`;
        case 'rule':
          return `${event.action} rule ${event.rule.priority} ${event.rule.family}`;
        default:
          return event.type;
      }
    });
    const expected = [
      'set link m0',
      'set address 10.0.0.1 true',
      'set route 10.0.0.0/24 254',
      'set address fd00::1 true',
      'set route 10.1.0.0/16 254',
      'set route fd01::/64 254',
      'set neighbour 10.0.0.2 02:00:00:00:00:02',
      'set rule 7 4',
      'set rule 7 6',
      'set link vx',
      'set fdb 02:00:00:00:00:03 10.0.0.3',
      'delete rule 7 4',
      'delete route 10.1.0.0/16 254',
      'delete address 10.0.0.1 true',
      'delete link m0',
    ];
    for (const line of expected) expect(told).toContain(line);
    const places = expected.map((line) => told.indexOf(line));
    expect(places).toEqual([...places].sort((x, y) => x - y));
    expect(told).not.toContain('overrun');
  });

  test('tells only of the groups asked for, and of its own namespace', async () => {
    using monitor = RtnlMonitor.open({ netns: a, groups: ['rule'] });
    const done = until(monitor, () => true);
    rt.createBridge({ name: 'quiet' });
    using other = Rtnl.open({ netns: b });
    other.addRule({ priority: 1, table: 100 });
    rt.addRule({ priority: 9, table: 100 });
    expect(await done).toMatchObject([{ type: 'rule', action: 'set', rule: { priority: 9 } }]);
  });

  test('a port that leaves its bridge is not a link deleted', async () => {
    rt.createVeth({ name: 'port', peer: { name: 'port1' } });
    rt.createBridge({ name: 'br' });
    using monitor = RtnlMonitor.open({ netns: a, groups: ['link'] });
    const done = until(monitor, (event) => event.type === 'link' && event.link.name === 'last');
    rt.setLink('port', { master: 'br' });
    rt.setLink('port', { master: null });
    rt.createBridge({ name: 'last' });
    const deleted = (await done).filter((event) => event.type === 'link' && event.action === 'delete');
    expect(deleted).toEqual([]);
  });

  test('several monitors, listeners and iterators each get everything', async () => {
    using first = RtnlMonitor.open({ netns: a, groups: ['rule'] });
    using second = RtnlMonitor.open({ netns: a, groups: ['rule'] });
    const priorities = (events: RtnlEvent[]): unknown[] =>
      events.map((event) => (event.type === 'rule' ? event.rule.priority : event.type));
    const last = (event: RtnlEvent): boolean => event.type === 'rule' && event.rule.priority === 1002;
    const heard: RtnlEvent[] = [];
    second.on('event', (event) => heard.push(event));
    const all = Promise.all([until(first, last), until(first, last), until(second, last)]);
    for (let priority = 1000; priority <= 1002; priority++) rt.addRule({ priority, table: 100 });
    const results = await all;
    expect([...results, heard].map(priorities)).toEqual(Array(4).fill([1000, 1001, 1002]));
  });

  test('closing ends its iterators, after what waits for them', async () => {
    const monitor = RtnlMonitor.open({ netns: a, groups: ['rule'] });
    const iterator = monitor[Symbol.asyncIterator]();
    const event = once(monitor, 'event');
    rt.addRule({ priority: 2000, table: 100 });
    await event;
    monitor.close();
    monitor.close();
    expect(await iterator.next()).toMatchObject({ value: { rule: { priority: 2000 } } });
    expect(await iterator.next()).toEqual({ value: undefined, done: true });
    expect(await monitor[Symbol.asyncIterator]().next()).toEqual({ value: undefined, done: true });
  });

  test('a listener may close it', async () => {
    const monitor = RtnlMonitor.open({ netns: a, groups: ['rule'] });
    let heard = 0;
    monitor.on('event', () => {
      heard++;
      monitor.close();
    });
    const closed = once(monitor, 'close');
    for (let priority = 3000; priority < 3005; priority++) rt.addRule({ priority, table: 100 });
    await closed;
    // The poller's thread goes on for others.
    using other = RtnlMonitor.open({ netns: a, groups: ['rule'] });
    const next = until(other, () => true);
    rt.addRule({ priority: 3005, table: 100 });
    expect(await next).toHaveLength(1);
    expect(heard).toBe(1);
  });

  test("more events than the kernel's buffer holds: an overrun, and then it goes on", async () => {
    using monitor = RtnlMonitor.open({ netns: a, groups: ['route'], bufferBytes: 16_384 });
    const done = until(monitor, (event) => event.type === 'route' && event.route.dst === '10.99.99.99/32');
    const overrun = new Promise<void>((resolve) => {
      monitor.on('event', (event) => event.type === 'overrun' && resolve());
    });
    const lo = rt.linkIndex('lo')!;
    rt.setLink(lo, { up: true });
    rt.batch((batch) => {
      for (let i = 0; i < 2000; i++) batch.addRoute({ dst: `10.60.${i >> 8}.${i & 255}`, dev: lo });
    });
    await overrun;
    rt.addRoute({ dst: '10.99.99.99', dev: lo });
    expect((await done).filter((event) => event.type === 'overrun')).toHaveLength(1);
  });

  test('a reader that is too slow gets an overrun instead of a heap', async () => {
    using monitor = RtnlMonitor.open({ netns: a, groups: ['route'], queueLimit: 100 });
    const iterator = monitor[Symbol.asyncIterator]();
    const lo = rt.linkIndex('lo')!;
    const last = new Promise<void>((resolve) => {
      monitor.on('event', (e) => e.type === 'route' && e.route.dst === '10.61.1.244/32' && resolve());
    });
    rt.batch((batch) => {
      for (let i = 0; i <= 500; i++) batch.addRoute({ dst: `10.61.${i >> 8}.${i & 255}`, dev: lo });
    });
    await last;
    const types: string[] = [];
    monitor.close();
    for (let next = await iterator.next(); !next.done; next = await iterator.next())
      types.push(next.value.type);
    expect(types[0]).toBe('overrun');
    expect(types.length).toBeLessThanOrEqual(100);
    expect(types.filter((type) => type === 'overrun')).toHaveLength(1);
  });

  test('a process may exit while one is open', async () => {
    const index = fileURLToPath(new URL('./index.ts', import.meta.url));
    const program = `
      import { RtnlMonitor } from ${JSON.stringify(index)};
      RtnlMonitor.open({ netns: ${JSON.stringify(a)}, groups: ['link'] });
      setTimeout(() => process.exit(3), 50);
    `;
    const run = promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], {
      timeout: 20_000,
    });
    await expect(run).rejects.toMatchObject({ code: 3 });
  });
});
