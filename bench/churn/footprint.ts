import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { Rtnl } from '../../src/kernel/netlink/index.ts';
import { inNamespace } from '../../src/kernel/netns.ts';
import { NftSocket } from '../../src/kernel/nft/index.ts';
import type { BenchAgent } from '../harness/agent.ts';
import { outputOf } from '../harness/programs.ts';

/** All that an agent and its pods leave on a node, as lists of words: to be compared before and after. */
export type Footprint = Readonly<Record<string, readonly string[]>>;

/** Takes it of a node whose agent runs. */
export async function footprintOf(agent: BenchAgent, netns: string): Promise<Footprint> {
  return {
    ...kernelState(netns),
    // Numbers for other namespaces; the kernel frees them when those are really gone.
    namespaceIds: lines(await outputOf(netns, ['ip', 'netns', 'list-id'])),
    ...(await agentState(agent)),
    ...filesOf(agent),
  };
}

/** What one footprint has more or less than the other, in words; nothing when they are alike. */
export function differences(before: Footprint, after: Footprint): string[] {
  return Object.keys(after).flatMap((what) => {
    const old = new Set(before[what]);
    const now = new Set(after[what]);
    return [
      ...[...now].filter((one) => !old.has(one)).map((one) => `${what}: left over: ${one}`),
      ...[...old].filter((one) => !now.has(one)).map((one) => `${what}: missing: ${one}`),
    ];
  });
}

function kernelState(netns: string): Footprint {
  using rtnl = Rtnl.open({ netns });
  using nft = NftSocket.open({ netns });
  const links = rtnl.links();
  const nameOf = new Map(links.map(({ index, name }) => [index, name]));
  const on = (index: number | undefined): string =>
    index === undefined ? '' : (nameOf.get(index) ?? `#${index}`);
  return {
    links: links.map(({ name }) => name),
    addresses: rtnl
      .addresses()
      .map(({ address, prefixLength, linkIndex }) => `${address}/${prefixLength} ${on(linkIndex)}`),
    // Table 0 would be all of them; local routes come and go with addresses.
    routes: rtnl
      .routes()
      .map(({ dst, via, type, linkIndex }) => `${type} ${dst} ${via ?? ''} ${on(linkIndex)}`),
    // What is resolved by itself also comes and goes by itself.
    neighbours: rtnl
      .neighbours()
      .filter(({ state }) => state === 'permanent')
      .map(({ address, mac, linkIndex }) => `${address} ${mac ?? ''} ${on(linkIndex)}`),
    rules: rtnl.rules().map((rule) => JSON.stringify(rule)),
    nftElements: nft
      .listTables()
      .flatMap((table) =>
        nft
          .listSets(table)
          .flatMap(({ name }) =>
            nft
              .listElements(table, name)
              .map(({ key }) => `${table.family} ${table.name} ${name} ${String(key)}`),
          ),
      ),
    nftRules: nft
      .listTables()
      .flatMap((table) =>
        nft.listRules(table).map(({ chain, expressions }) => `${chain}: ${expressions.join('; ')}`),
      ),
    sysctls: inNamespace(netns, () => readdirSync('/proc/sys/net/ipv4/conf')),
  };
}

async function agentState(agent: BenchAgent): Promise<Footprint> {
  const pods = JSON.parse((await agent.get('/pods')).body) as { containerId: string }[];
  const metrics = lines((await agent.get('/metrics')).body);
  const descriptors = readdirSync(`/proc/${agent.pid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${agent.pid}/fd/${fd}`);
    } catch {
      return ''; // closed meanwhile
    }
  });
  return {
    pods: pods.map(({ containerId }) => containerId),
    // What rests is free again by itself.
    addresses: metrics.filter((line) =>
      /^flyover_(addresses|attachments).*(used|capacity|attachments)/.test(line),
    ),
    openNamespaces: descriptors.filter((target) => target.startsWith('net:') || target.includes('/pods/')),
  };
}

function filesOf(agent: BenchAgent): Footprint {
  const list = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder) : []);
  return { spool: list(agent.spoolFolder), stateFiles: list(agent.stateFolder) };
}

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}
