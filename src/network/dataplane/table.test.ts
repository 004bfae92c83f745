import { beforeEach, describe, expect, it } from 'vitest';
import { KernelError } from '../../kernel/errno.ts';
import { FakeNft } from '../../kernel/nft/fake.ts';
import { counter, Transaction } from '../../kernel/nft/index.ts';
import type { NodeNetwork } from './model.ts';
import { type PodSource, SERVICE_BACKENDS, TABLE, tableModel } from './table.ts';
import { syncTable } from './table-sync.ts';

const network: NodeNetwork = {
  nodeName: 'a',
  nodeAddresses: ['10.0.1.4'],
  nodeBlocks: ['10.244.0.0/24'],
  podCIDRs: ['10.244.0.0/16'],
  nonMasqueradeRanges: [],
  routing: 'fabric',
  mtu: 0,
  trackPodTraffic: false,
  peers: [],
};
const pods: PodSource[] = [
  { link: 'azv1', address: '10.244.0.4' },
  { link: 'azv2', address: '10.244.0.5', tracked: true },
];

let nft: FakeNft;
const sync = (change: Partial<NodeNetwork> = {}, sources = pods) =>
  syncTable(nft, tableModel({ ...network, ...change }, sources));
const elements = (set: string) => nft.listElements(TABLE, set).map(({ key }) => [key].flat().join(' . '));
/** The rules of a chain, as nft would show them. */
function rules(chain: string): string[] {
  const text = nft.toString();
  const body = text.slice(text.indexOf(`chain ${chain} {`)).split('}\n')[0] ?? '';
  return body
    .split('\n')
    .slice(1)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('type '));
}

beforeEach(() => {
  nft = new FakeNft();
});

describe('tableModel', () => {
  it('checks sources before all else, and leaves pod traffic untracked except for host ports', () => {
    sync();
    expect(rules('raw_prerouting')).toEqual([
      'iifname "azv*" jump from_pod',
      'ip saddr @pod_cidrs ip daddr @pod_cidrs goto among_pods',
      'ip6 saddr @pod_cidrs6 ip6 daddr @pod_cidrs6 goto among_pods6',
    ]);
    expect(rules('among_pods')).toEqual([
      'ip daddr 10.244.0.0/24 ip saddr . meta l4proto . th sport @service_backends return',
      'ip saddr 10.244.0.0/24 ip daddr . meta l4proto . th dport @service_backends return',
      'meta l4proto != icmp ip saddr != @tracked_pods ip daddr != @tracked_pods notrack accept comment "pod to pod"',
      'icmp type != { destination-unreachable, time-exceeded, parameter-problem } ip saddr != @tracked_pods ip daddr != @tracked_pods notrack',
    ]);
    expect(rules('among_pods6').at(0)).toBe(
      'meta l4proto != ipv6-icmp ip6 saddr != @tracked_pods6 ip6 daddr != @tracked_pods6 notrack accept comment "pod to pod"',
    );
    expect(rules('from_pod').at(-1)).toBe('counter name "spoofed" drop comment "not its own address"');
    expect(elements('pod_sources')).toEqual(['azv1 . 10.244.0.4', 'azv2 . 10.244.0.5']);
    expect(elements('tracked_pods')).toEqual(['10.244.0.5']);
  });

  it('can track pod traffic', () => {
    sync({ trackPodTraffic: true });
    expect(nft.toString()).not.toContain('notrack');
  });

  it('translates to the address of the family, except to pods and the ranges that are named', () => {
    sync({
      nodeAddresses: ['fd00::4', '10.0.1.4'],
      podCIDRs: ['10.244.0.0/16', 'fd12::/64'],
      nonMasqueradeRanges: ['10.0.0.0/8', '192.168.7.7/32'],
    });
    expect(rules('postrouting')).toEqual([
      'ip saddr @pod_cidrs ip daddr != @not_masqueraded counter name "masqueraded" snat ip to 10.0.1.4 fully-random',
      'ip6 saddr @pod_cidrs6 ip6 daddr != @not_masqueraded6 counter name "masqueraded" snat ip6 to fd00::4 fully-random',
    ]);
    // Ranges that overlap are one for the kernel.
    expect(elements('not_masqueraded')).toEqual(['10.0.0.0/8', '192.168.7.7']);
    expect(elements('pod_cidrs')).toEqual(['10.244.0.0/16']);
    expect(elements('not_masqueraded6')).toEqual(['fd12::/64']);
  });
});

describe('syncTable', () => {
  it('keeps counters', () => {
    sync();
    nft.count(TABLE, 'spoofed', { packets: 3, bytes: 300 });
    sync({ trackPodTraffic: true });
    expect(nft.counters(TABLE).get('spoofed')).toEqual({ packets: 3, bytes: 300 });
  });

  it('says that it made the table, and finds nothing to do the next time', () => {
    expect(sync()).toEqual({ created: true, missing: [], stale: [] });
    const text = nft.toString();
    expect(sync()).toEqual({ created: false, missing: [], stale: [] });
    expect(nft.toString()).toBe(text);
  });

  it('leaves the backends of Services to the table of Services', () => {
    sync();
    const elements = [{ key: ['10.244.0.9', 'tcp', 80] }];
    nft.commit(new Transaction().addElements({ table: TABLE, set: SERVICE_BACKENDS[4], elements }));
    expect(sync({ podCIDRs: ['10.245.0.0/16'] }).stale).toEqual([
      'pod_cidrs: 10.244.0.0/16',
      'not_masqueraded: 10.244.0.0/16',
    ]);
    expect(nft.listElements(TABLE, 'service_backends')).toEqual(elements);
  });

  it('needs one transaction, whatever it finds', () => {
    sync();
    const before = nft.commits;
    sync({ podCIDRs: ['10.245.0.0/16'], trackPodTraffic: true }, []);
    expect(nft.commits).toBe(before + 1);
  });

  it('brings sets up to date by element, and names what was wrong', () => {
    sync();
    const findings = sync({ podCIDRs: ['10.244.0.0/16', '10.250.0.0/16'] }, [
      { link: 'azv1', address: '10.244.0.4' },
      { link: 'azv3', address: '10.244.0.6' },
    ]);
    expect(findings.missing).toContain('pod_sources: azv3 . 10.244.0.6');
    expect(findings.missing).toContain('pod_cidrs: 10.250.0.0/16');
    expect(findings.stale).toEqual(['pod_sources: azv2 . 10.244.0.5', 'tracked_pods: 10.244.0.5']);
    expect(elements('pod_sources')).toEqual(['azv1 . 10.244.0.4', 'azv3 . 10.244.0.6']);
  });

  it('puts back chains, rules and sets that somebody changed, and takes away what is not ours', () => {
    sync();
    const good = nft.toString();
    nft.commit(
      new Transaction()
        .flushChain({ table: TABLE, name: 'postrouting' })
        .deleteChain({ table: TABLE, name: 'postrouting' })
        .addChain({
          table: TABLE,
          name: 'postrouting',
          hook: { type: 'filter', hook: 'postrouting', priority: 0, policy: 'drop' },
        })
        .addChain({ table: TABLE, name: 'extra' })
        .addRule({ table: TABLE, chain: 'extra', rule: [counter()] })
        .addSet({ table: TABLE, name: 'extra_set', key: 'mark' })
        .flushChain({ table: TABLE, name: 'among_pods' })
        .deleteSet({ table: TABLE, name: 'tracked_pods' })
        .addSet({ table: TABLE, name: 'tracked_pods', key: 'ipv4_addr', interval: true }),
    );
    const { missing, stale } = sync();
    expect(missing).toEqual(['set tracked_pods']);
    expect(stale.toSorted()).toEqual([
      'chain extra',
      'chain postrouting',
      'set extra_set',
      'set tracked_pods',
    ]);
    const sorted = (text: string) => text.split('\n').toSorted();
    expect(sorted(nft.toString())).toEqual(sorted(good));
  });

  it('changes nothing when the kernel refuses', () => {
    sync();
    const good = nft.toString();
    nft.refuseNext(new KernelError('commit', 'batch', 16));
    expect(() => sync({ trackPodTraffic: true })).toThrow('EBUSY');
    expect(nft.toString()).toBe(good);
  });
});
