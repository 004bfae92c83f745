import { describe, expect, it } from 'vitest';
import { AddressError } from '../../../address/error.ts';
import { isIpamError } from './error.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeDisk } from './fake-disk.ts';
import { encodeLine } from './line.ts';
import type { Attachment } from './record.ts';
import { type IpamOptions, IpamStore } from './store.ts';

const BLOCK = '10.244.3.0/24';

function pod(containerId: string, ifName = 'eth0'): Attachment {
  return { containerId, ifName, netns: `/run/netns/${containerId}`, hostLink: 'azv0123456789a' };
}

/** A node: a disk and a clock that outlive the stores on it. */
class Node {
  readonly disk = new FakeDisk(() => 0);
  readonly clock = new FakeClock();

  open(options: Partial<IpamOptions> = {}): Promise<IpamStore> {
    return IpamStore.open('/fake', {
      blocks: [BLOCK],
      cooldownSeconds: 30,
      clock: this.clock,
      folder: this.disk.open(),
      ...options,
    });
  }
}

async function addressOf(store: IpamStore, containerId: string): Promise<string> {
  return (await store.allocate(pod(containerId))).record.addresses.join();
}

describe('IpamStore', () => {
  it('gives an attachment one address of each block, and the same again when asked again', async () => {
    const node = new Node();
    const store = await node.open({ blocks: [BLOCK, 'fd12::300/120'] });
    const names = { podNamespace: 'default', podName: 'web-0', network: 'flyover', tracked: true };
    const stranger = { unknown: 'not for the disk' };
    const first = await store.allocate({ ...pod('a'), ...names, ...stranger });
    expect(first).toEqual({
      existed: false,
      record: {
        ...pod('a'),
        ...names,
        addresses: ['10.244.3.2', 'fd12::302'],
        createdAt: new Date(node.clock.real).toISOString(),
      },
    });
    expect(await store.allocate({ ...pod('a'), netns: '/run/netns/other' })).toEqual({
      ...first,
      existed: true,
    });
    expect((await store.allocate(pod('a', 'net1'))).record.addresses).toEqual(['10.244.3.3', 'fd12::303']);
    expect(store.get(pod('a'))).toEqual(first.record);
    expect(store.holderOf('fd12::302')).toEqual(first.record);
    expect(store.records().map((record) => record.ifName)).toEqual(['eth0', 'net1']);
  });

  it('shows a record only when it is on disk', async () => {
    const store = await new Node().open();
    const allocation = store.allocate(pod('a'));
    expect(store.get(pod('a'))).toBeUndefined();
    await allocation;
    expect(store.get(pod('a'))?.addresses).toEqual(['10.244.3.2']);
  });

  it('answers two requests at once for one attachment with one record', async () => {
    const store = await new Node().open();
    const [a, b] = await Promise.all([store.allocate(pod('a')), store.allocate(pod('a'))]);
    expect([a.existed, b.existed]).toEqual([false, true]);
    expect(b.record).toEqual(a.record);
    const [c, d] = await Promise.all([store.release(pod('a')), store.release(pod('a'))]);
    expect([c, d]).toEqual([a.record, undefined]);
  });

  it('does what was asked of one attachment in turn', async () => {
    const store = await new Node().open();
    const results = await Promise.all([
      store.allocate(pod('a')),
      store.release(pod('a')),
      store.allocate(pod('a')),
      store.release(pod('a')),
      store.allocate(pod('a')),
    ]);
    expect(results.map((one) => (one && 'record' in one ? one.record : one)?.addresses)).toEqual([
      ['10.244.3.2'],
      ['10.244.3.2'],
      ['10.244.3.3'],
      ['10.244.3.3'],
      ['10.244.3.4'],
    ]);
  });

  it('lets many requests share a commit', async () => {
    const store = await new Node().open();
    await Promise.all(Array.from({ length: 100 }, (_, i) => store.allocate(pod(`c${i}`))));
    const { commits, records } = store.stats();
    expect(records).toBe(100);
    expect(commits).toEqual({ changes: 100, commits: 1, rewrites: 0, failures: 0 });
  });

  it('comes back with everything, and keeps the order of reuse and the cool-down', async () => {
    const node = new Node();
    let store = await node.open({ blocks: ['10.0.0.0/28'] });
    expect(store.opening).toEqual({ fresh: true, tornBytes: 0, outsideBlocks: [], notes: [] });
    for (let i = 0; i < 13; i++) await store.allocate(pod(`c${i}`));
    await store.release(pod('c4'));
    node.clock.real += 5_000;
    await store.release(pod('c1'));
    await store.close();
    node.clock.real += 1_000;
    store = await node.open({ blocks: ['10.0.0.0/28'] });
    expect(store.opening).toEqual({ fresh: false, tornBytes: 0, outsideBlocks: [], notes: [] });
    expect(store.records().length).toBe(11);
    await expect(store.allocate(pod('new'))).rejects.toMatchObject({
      code: 'cooling-down',
      retryAfterMs: 24_000,
    });
    node.clock.real += 24_000;
    expect(await addressOf(store, 'new')).toBe('10.0.0.6');
    await expect(store.allocate(pod('next'))).rejects.toMatchObject({
      code: 'cooling-down',
      retryAfterMs: 5_000,
    });
    node.clock.real += 5_000;
    expect(await addressOf(store, 'next')).toBe('10.0.0.3');
    await expect(store.allocate(pod('more'))).rejects.toMatchObject({ code: 'exhausted' });
  });

  it('gives the longest released address first, also after restarts and long after the cool-down', async () => {
    const node = new Node();
    const options = { blocks: ['10.0.0.0/28'], maxPods: 13 };
    let store = await node.open(options);
    for (let i = 0; i < 13; i++) await store.allocate(pod(`c${i}`));
    for (const i of [5, 2, 8]) await store.release(pod(`c${i}`));
    node.clock.real += 60_000;
    // The first one goes out and comes back: it is now the last in the queue.
    expect(await addressOf(store, 'again')).toBe('10.0.0.7');
    await store.release(pod('again'));
    for (let i = 0; i < 2; i++) {
      await store.close();
      node.clock.real += 3_600_000;
      store = await node.open(options);
    }
    const next = [];
    for (const id of ['x', 'y', 'z']) next.push(await addressOf(store, id));
    expect(next).toEqual(['10.0.0.4', '10.0.0.10', '10.0.0.7']);
  });

  it('keeps what is outside a new block until it is released, says so, and gives out the new block only', async () => {
    const node = new Node();
    let store = await node.open();
    await store.allocate(pod('old'));
    await store.allocate(pod('older'));
    await store.release(pod('older'));
    await store.close();
    store = await node.open({ blocks: ['10.244.9.0/24'] });
    expect(store.opening.outsideBlocks.map((record) => record.containerId)).toEqual(['old']);
    expect(store.opening.notes).toEqual([
      "old/eth0 holds 10.244.3.2 outside the node's blocks 10.244.9.0/24 until it is released",
    ]);
    expect(await addressOf(store, 'old')).toBe('10.244.3.2');
    expect(await addressOf(store, 'new')).toBe('10.244.9.2');
    expect(store.stats().blocks).toMatchObject([{ block: '10.244.9.0/24', held: 1 }]);
    await store.release(pod('old'));
    await store.close();
    // The old block comes back: what was released of it is still resting.
    store = await node.open();
    expect(store.stats().blocks).toMatchObject([{ block: BLOCK, held: 0, cooling: 2 }]);
    expect(await addressOf(store, 'again')).toBe('10.244.3.4');
    await store.close();
    node.clock.real += 30_000;
    await (await node.open({ blocks: ['10.244.9.0/24'] })).close();
    expect(node.disk.contents('ipam.journal')!.toString()).not.toContain('10.244.3.2"');
  });

  it('goes on with another configuration, or refuses it and changes nothing', async () => {
    const store = await new Node().open({ maxPods: 10 });
    for (let i = 0; i < 10; i++) await store.allocate(pod(`c${i}`));
    await expect(store.allocate(pod('more'))).rejects.toMatchObject({ code: 'exhausted' });
    expect(store.reconfigure({ blocks: [BLOCK], maxPods: 11 })).toEqual([]);
    expect(await addressOf(store, 'more')).toBe('10.244.3.12');
    expect(() => store.reconfigure({ blocks: [BLOCK], maxPods: 9 })).toThrow(AddressError);
    expect(() => store.reconfigure({ blocks: ['10.0.0.0/24', '10.0.1.0/24'] })).toThrow(
      /one of IPv4 and one of IPv6/,
    );
    await expect(store.allocate(pod('even more'.replace(' ', '-')))).rejects.toMatchObject({
      code: 'exhausted',
    });
    expect(store.reconfigure({ blocks: ['10.244.9.0/24'] }).length).toBe(11);
    expect(await addressOf(store, 'moved')).toBe('10.244.9.2');
  });

  it('adopts what it finds running, and refuses what cannot be', async () => {
    const node = new Node();
    let store = await node.open();
    const adopted = await store.adopt(pod('a'), ['10.244.3.2', 'FD12:0::7']);
    expect(adopted).toMatchObject({ existed: false, record: { addresses: ['10.244.3.2', 'fd12::7'] } });
    expect((await store.adopt(pod('a'), ['10.244.3.2', 'fd12::7'])).existed).toBe(true);
    expect(await addressOf(store, 'b')).toBe('10.244.3.3');
    await expect(store.adopt(pod('c'), ['10.244.3.3'])).rejects.toThrow(
      "addresses '10.244.3.3' cannot be kept: b/eth0 holds 10.244.3.3; remove one of the two pods",
    );
    await expect(store.adopt(pod('b'), ['10.244.3.9'])).rejects.toThrow(
      /are not what b\/eth0 holds, 10.244.3.3/,
    );
    await expect(store.adopt(pod('c'), [])).rejects.toMatchObject({ code: 'invalid' });
    await expect(store.adopt(pod('c'), ['10.0.0.1', '10.0.0.2', '10.0.0.3'])).rejects.toMatchObject({
      code: 'invalid',
    });
    await expect(store.adopt(pod('c'), ['nonsense'])).rejects.toThrow(AddressError);
    await store.adopt(pod('gateway'), ['10.244.3.1']);
    await store.close();
    store = await node.open();
    expect(store.opening.outsideBlocks.map((record) => record.containerId)).toEqual(['a', 'gateway']);
    expect(store.records().length).toBe(3);
  });

  it('two at once cannot adopt one address', async () => {
    const store = await new Node().open();
    const results = await Promise.allSettled([
      store.adopt(pod('a'), ['10.244.3.9']),
      store.adopt(pod('b'), ['10.244.3.9']),
    ]);
    expect(results).toMatchObject([
      { status: 'fulfilled' },
      { status: 'rejected', reason: { code: 'in-use' } },
    ]);
  });

  it('refuses what it could not read back', async () => {
    const store = await new Node().open();
    const refused: Partial<Attachment>[] = [
      { containerId: '' },
      { containerId: 'a/b' },
      { containerId: 'x'.repeat(256) },
      { ifName: 'sixteen-letters-' },
      { ifName: '' },
      { netns: 'x'.repeat(5000) },
      { podName: 'x'.repeat(254) },
      { network: 'x'.repeat(256) },
      { hostLink: undefined as unknown as string },
    ];
    for (const wrong of refused) {
      const [field] = Object.keys(wrong);
      await expect(store.allocate({ ...pod('a'), ...wrong })).rejects.toMatchObject({
        code: 'invalid',
        field,
      });
    }
    expect(store.stats().records).toBe(0);
    expect(await store.release({ containerId: 'x'.repeat(300), ifName: '' })).toBeUndefined();
  });

  it('fails what waits when the disk fails, and goes on when it works again', async () => {
    const node = new Node();
    const store = await node.open();
    await store.allocate(pod('kept'));
    node.disk.failAt.add(node.disk.operations + 1);
    const results = await Promise.allSettled([
      store.allocate(pod('a')),
      store.allocate(pod('b')),
      store.release(pod('kept')),
    ]);
    for (const result of results) {
      expect(result.status === 'rejected' && isIpamError(result.reason, 'write-failed')).toBe(true);
    }
    expect((results[0] as PromiseRejectedResult).reason.message).toBe(
      "state 'a/eth0' could not be written: EIO: the disk failed; free space on the disk of the state folder, or repair " +
        'it; the request changed nothing',
    );
    expect(store.records().map((record) => record.containerId)).toEqual(['kept']);
    expect(await addressOf(store, 'b')).toBe('10.244.3.3');
    expect(store.stats().commits).toMatchObject({ failures: 1, rewrites: 1 });
    await store.close();
    const again = await node.open();
    expect(again.records().map((record) => record.containerId)).toEqual(['kept', 'b']);
  });

  it('is open once at a time', async () => {
    const node = new Node();
    const store = await node.open();
    await expect(node.open()).rejects.toMatchObject({ code: 'locked' });
    let last: string | undefined;
    addressOf(store, 'a').then((address) => {
      last = address;
    });
    await Promise.resolve();
    await store.close();
    await store.close();
    expect(last).toBe('10.244.3.2');
    await expect(store.allocate(pod('b'))).rejects.toMatchObject({ code: 'closed' });
    await expect(store.release(pod('a'))).rejects.toMatchObject({ code: 'closed' });
    const next = await node.open();
    expect(next.records().length).toBe(1);
  });

  it('gives the lock back when it cannot open', async () => {
    const node = new Node();
    const good = await node.open();
    await good.allocate(pod('a'));
    await good.close();
    const contents = Buffer.from(node.disk.contents('ipam.journal')!);
    node.disk.damage('ipam.journal', 20);
    await expect(node.open()).rejects.toMatchObject({ code: 'corrupt' });
    const damaged = Buffer.from(node.disk.contents('ipam.journal')!);
    await expect(node.open()).rejects.toMatchObject({ code: 'corrupt' });
    expect(node.disk.contents('ipam.journal')).toEqual(damaged);
    node.disk.put('ipam.journal', contents);
    expect((await node.open()).records().length).toBe(1);
  });

  it('refuses a state that contradicts itself, although every checksum holds', async () => {
    const record = (containerId: string) => ({
      ...pod(containerId),
      addresses: ['10.244.3.2'],
      createdAt: '',
    });
    const time = { bootId: 'boot 1', offset: 0 };
    const states = [
      { time, records: [record('a'), record('b')], released: [] },
      { time, records: [record('a'), record('a')], released: [] },
      { time, records: [{ ...record('a'), addresses: ['10.244.3'] }], released: [] },
      { time, records: [], released: 'none' },
      { records: [], released: [] },
      null,
    ];
    for (const state of states) {
      const node = new Node();
      node.disk.put('ipam.journal', Buffer.from(encodeLine({ version: 1, line: 1, state })));
      await expect(node.open()).rejects.toMatchObject({ code: 'corrupt' });
    }
    const node = new Node();
    const lines = [
      { version: 1, line: 1, state: { time, records: [], released: [] } },
      { line: 2, changes: [{ release: { containerId: 'a', ifName: 'eth0', at: 0 } }] },
    ];
    node.disk.put('ipam.journal', Buffer.concat(lines.map(encodeLine)));
    await expect(node.open()).rejects.toThrow(/a history that contradicts itself/);
  });

  it('keeps fields that a newer agent wrote', async () => {
    const node = new Node();
    const record = { ...pod('a'), addresses: ['10.244.3.2'], createdAt: '', podUid: 'u-1' };
    const state = { time: { bootId: 'boot 1', offset: 0 }, records: [record], released: [] };
    node.disk.put('ipam.journal', Buffer.from(encodeLine({ version: 1, line: 7, state })));
    await (await node.open()).close();
    expect(node.disk.contents('ipam.journal')!.toString()).toContain('"podUid":"u-1"');
  });

  it('rewrites the journal when many changes have gathered', async () => {
    const node = new Node();
    const store = await node.open({ rewriteAfterBytes: 5_000, cooldownSeconds: 0 });
    for (let i = 0; i < 200; i++) {
      await store.allocate(pod(`c${i}`));
      await store.release(pod(`c${i}`));
    }
    expect(store.stats().commits.rewrites).toBeGreaterThan(5);
    expect(store.stats().journalBytes).toBe(node.disk.contents('ipam.journal')!.length);
    await store.close();
    expect((await node.open({ cooldownSeconds: 0 })).stats()).toMatchObject({ records: 0 });
  });
});
