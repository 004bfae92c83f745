import {
  dnat,
  goto,
  ip,
  jump,
  type MapSpec,
  match,
  meta,
  type Nft,
  notMatch,
  numgen,
  priorities,
  setMark,
  type TableSpec,
  Transaction,
  th,
  vmap,
  withBits,
} from '../src/kernel/nft/index.ts';
import type { Backend, ServiceTranslation } from '../src/service/types.ts';

const TABLE: TableSpec = { family: 'inet', name: 'chains' };
const SERVICES: MapSpec = {
  table: TABLE,
  name: 'services',
  key: ['ipv4_addr', 'inet_proto', 'inet_service'],
  data: 'verdict',
};
const MASQUERADE_BIT = 0x4000;

/**
 * What the Services bench is compared with: tables as kube-proxy's nftables mode lays them out, one map that leads to a
 * chain for each Service, which leads to a chain for each endpoint.
 */
export class ServiceChains {
  readonly #nft: Nft;
  readonly #podCidr: string;

  constructor(nft: Nft, podCidr: string) {
    this.#nft = nft;
    this.#podCidr = podCidr;
  }

  /** All of them, in one transaction. */
  load(services: readonly ServiceTranslation[]): void {
    const tx = new Transaction().resetTable(TABLE).addMap(SERVICES);
    for (const name of ['find', 'masquerade']) tx.addChain({ table: TABLE, name });
    const mark = setMark(withBits(meta('mark'), MASQUERADE_BIT));
    tx.addRule({ table: TABLE, chain: 'masquerade', rule: [mark] });
    tx.addRule({
      table: TABLE,
      chain: 'find',
      rule: [vmap([ip('daddr'), meta('l4proto'), th('dport')], SERVICES)],
    });
    for (const hook of ['prerouting', 'output'] as const) {
      tx.addChain({ table: TABLE, name: hook, hook: { type: 'nat', hook, priority: priorities.dstnat } });
      tx.addRule({ table: TABLE, chain: hook, rule: [jump('find')] });
    }
    for (const service of services) this.#write(tx, service);
    this.#nft.commit(tx);
  }

  add(service: ServiceTranslation): void {
    const tx = new Transaction();
    this.#write(tx, service);
    this.#nft.commit(tx);
  }

  remove(): void {
    this.#nft.commit(new Transaction().deleteTable(TABLE, { ifMissing: 'ignore' }));
  }

  #write(tx: Transaction, service: ServiceTranslation): void {
    for (const { id, frontends } of service.ports)
      for (const { address, port, backends } of frontends) {
        const chain = `service-${id.replace(':', '/')}`;
        tx.addChain({ table: TABLE, name: chain });
        const endpoints = backends.map((backend) => this.#endpoint(tx, chain, backend));
        tx.addRule({
          table: TABLE,
          chain,
          rule: [match(ip('daddr'), address!), notMatch(ip('saddr'), this.#podCidr), jump('masquerade')],
        });
        tx.addRule({
          table: TABLE,
          chain,
          rule: [
            vmap(
              numgen('random', endpoints.length),
              endpoints.map((name, i) => [i, goto(name)]),
            ),
          ],
        });
        const element = { key: [address!, 'tcp', port], data: goto(chain) };
        tx.addElements({ table: TABLE, set: SERVICES, elements: [element] });
      }
  }

  #endpoint(tx: Transaction, service: string, { address, port }: Backend): string {
    const chain = `${service}/${address}/${port}`.replace('service-', 'endpoint-');
    tx.addChain({ table: TABLE, name: chain });
    tx.addRule({ table: TABLE, chain, rule: [match(ip('saddr'), address), jump('masquerade')] });
    tx.addRule({ table: TABLE, chain, rule: [match(meta('l4proto'), 'tcp'), dnat({ to: address, port })] });
    return chain;
  }
}
