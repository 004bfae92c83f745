import { describe, expect, test } from 'vitest';
import { KernelError } from '../errno.ts';
import {
  counter,
  drop,
  FakeNft,
  inSet,
  ip,
  jump,
  match,
  meta,
  notInSet,
  priorities,
  returnToCaller,
  type SetSpec,
  snat,
  type TableRef,
  Transaction,
} from './index.ts';

const T: TableRef = { family: 'inet', name: 'flyover' };
const sources: SetSpec = { table: T, name: 'pod_sources', key: ['ifname', 'ipv4_addr'] };
const ranges: SetSpec = { table: T, name: 'not_masqueraded', key: 'ipv4_addr', interval: true };

function nodeTable(): Transaction {
  return new Transaction()
    .resetTable({ ...T, comment: 'pods of this node' })
    .addCounter({ table: T, name: 'spoofed' })
    .addSet(sources)
    .addElements({
      table: T,
      set: sources,
      elements: [{ key: ['azv0123456789a', '10.244.0.4'], comment: 'web' }],
    })
    .addSet(ranges)
    .addElements({ table: T, set: ranges, elements: [{ key: '10.244.0.0/16' }] })
    .addChain({ table: T, name: 'from_pod' })
    .addChain({
      table: T,
      name: 'raw_prerouting',
      hook: { type: 'filter', hook: 'prerouting', priority: priorities.raw },
    })
    .addChain({
      table: T,
      name: 'postrouting',
      hook: { type: 'nat', hook: 'postrouting', priority: priorities.srcnat },
    })
    .addRule({ table: T, chain: 'raw_prerouting', rule: [match(meta('iifname'), 'azv*'), jump('from_pod')] })
    .addRule({
      table: T,
      chain: 'from_pod',
      rule: [inSet([meta('iifname'), ip('saddr')], sources), returnToCaller()],
    })
    .addRule({
      table: T,
      chain: 'from_pod',
      rule: [counter('spoofed'), drop()],
      comment: 'not its own address',
    })
    .addRule({
      table: T,
      chain: 'postrouting',
      rule: [
        inSet(ip('saddr'), ranges),
        notInSet(ip('daddr'), ranges),
        snat({ to: '10.0.1.4', fullyRandom: true }),
      ],
    });
}

describe('the imitation', () => {
  test('shows its tables as nft does', () => {
    const fake = new FakeNft();
    fake.commit(nodeTable());
    expect(fake.toString()).toMatchInlineSnapshot(`
      "table inet flyover {
      	comment "pods of this node"

      	counter spoofed {
      	}

      	set pod_sources {
      		type ifname . ipv4_addr
      		elements = { "azv0123456789a" . 10.244.0.4 comment "web" }
      	}

      	set not_masqueraded {
      		type ipv4_addr
      		flags interval
      		elements = { 10.244.0.0/16 }
      	}

      	chain from_pod {
      		iifname . ip saddr @pod_sources return
      		counter name "spoofed" drop comment "not its own address"
      	}

      	chain raw_prerouting {
      		type filter hook prerouting priority raw; policy accept;
      		iifname "azv*" jump from_pod
      	}

      	chain postrouting {
      		type nat hook postrouting priority srcnat; policy accept;
      		ip saddr @not_masqueraded ip daddr != @not_masqueraded snat ip to 10.0.1.4 fully-random
      	}
      }"
    `);
  });

  test('counts what it is told', () => {
    const fake = new FakeNft();
    fake.commit(nodeTable());
    fake.count(T, 'spoofed', { packets: 2, bytes: 168 });
    fake.count(T, 'spoofed', { packets: 1, bytes: 84 });
    expect(fake.counters(T)).toEqual(new Map([['spoofed', { packets: 3, bytes: 252 }]]));
    expect(() => fake.count(T, 'missing', { packets: 1, bytes: 1 })).toThrow(
      'counter missing in table inet flyover: ENOENT',
    );
  });

  test('refuses once when asked to, and changes nothing', () => {
    const fake = new FakeNft();
    fake.commit(nodeTable());
    const before = fake.toString();
    fake.refuseNext(new KernelError('commit', 'transaction', 12));
    expect(() => fake.commit(new Transaction().deleteTable(T))).toThrow('ENOMEM');
    expect(fake.toString()).toBe(before);
    expect(fake.commits).toBe(1);
    fake.commit(new Transaction().deleteTable(T));
    expect(fake.listTables()).toEqual([]);
    expect(fake.commits).toBe(2);
  });

  test('takes everything back, in the order in which it was', () => {
    const fake = new FakeNft();
    fake.commit(nodeTable());
    const add = (keys: string[]) => ({ table: T, set: ranges, elements: keys.map((key) => ({ key })) });
    fake.commit(new Transaction().addElements(add(['1.0.0.0/8', '2.0.0.0/8', '3.0.0.0/8'])));
    const before = [fake.toString(), fake.listElements(T, ranges.name), fake.listRules(T)];
    const refused = new Transaction()
      .deleteElements(add(['2.0.0.0/8']))
      .addElements(add(['2.0.0.0/9', '4.0.0.0/8']))
      .flushSet(ranges)
      .addElements(add(['3.0.0.0/8']))
      .flushTable(T)
      .addRule({ table: T, chain: 'from_pod', rule: [match(ip('saddr'), ['10.0.0.1']), drop()] }, 'first')
      .deleteTable(T)
      .addTable(T)
      .deleteSet(sources);
    expect(() => fake.commit(refused)).toThrow('delete set pod_sources in table inet flyover: ENOENT');
    expect([fake.toString(), fake.listElements(T, ranges.name), fake.listRules(T)]).toEqual(before);
  });
});
