import { FakeNft } from '../../../kernel/nft/fake.ts';
import type { Operation, TableRef, Transaction } from '../../../kernel/nft/index.ts';
import type { Backend, Frontend, ServiceTranslation } from '../../../service/types.ts';
import type { NodeNetwork } from '../model.ts';
import { TABLE } from './layout.ts';
import type { ServiceNetwork } from './service-table.ts';

export const network: ServiceNetwork = {
  nodeAddresses: ['10.0.1.4', 'fd00::4'],
  podCIDRs: ['10.244.0.0/16', 'fd12::/64'],
  serviceCIDRs: ['10.0.0.0/24'],
};
export const podNetwork: NodeNetwork = {
  ...network,
  nodeName: 'a',
  nodeBlocks: ['10.244.0.0/24'],
  nonMasqueradeRanges: [],
  routing: 'fabric',
  mtu: 0,
  trackPodTraffic: false,
  peers: [],
};

/** Remembers what the last transaction did. */
export class WatchedNft extends FakeNft {
  last: readonly Operation[] = [];
  override commit(tx: Transaction): void {
    super.commit(tx);
    this.last = tx.operations;
  }

  /** The elements of a set, as `key` or `key : data`. */
  elements(set: string, of: TableRef = TABLE): string[] {
    return this.listElements(of, set)
      .map(({ key, data }) => [key].flat().join(' . ') + (data ? ` : ${[data].flat().join(' . ')}` : ''))
      .toSorted();
  }
}

/** `10.244.0.5:8080`, with `*` behind it for one of this node, or `[fd12::5]:80`. */
export function backendsOf(...texts: string[]): Backend[] {
  return texts.map((text) => {
    const [, six, four, port] = /^(?:\[(.+)\]|([\d.]+)):(\d+)\*?$/.exec(text)!;
    return { address: (six ?? four)!, port: Number(port), local: text.endsWith('*') };
  });
}

/** A frontend with the defaults of a cluster address. */
export function frontend(change: Partial<Frontend> & Pick<Frontend, 'backends'>): Frontend {
  const kind = change.kind ?? 'cluster-ip';
  return {
    kind,
    ...(kind === 'node-port' ? {} : { address: '10.0.0.10' }),
    protocol: 'TCP',
    port: 80,
    masquerade: true,
    empty: 'reject',
    ...change,
  };
}

export function service(name: string, ...frontends: Frontend[]): ServiceTranslation {
  return { key: `default/${name}`, ports: [{ id: `default/${name}:http`, frontends }] };
}

/** A Service with one cluster address. */
export function simple(name: string, address: string, ...backends: string[]): ServiceTranslation {
  return service(name, frontend({ address, backends: backendsOf(...backends) }));
}

/** What a transaction does to elements and chains, a line each, without the table. */
export function operationTexts(operations: readonly Operation[]): string[] {
  return operations.flatMap((o) => {
    if (o.op === 'addElements' || o.op === 'deleteElements') {
      const set = typeof o.elements.set === 'string' ? o.elements.set : o.elements.set.name;
      const verb = o.op === 'addElements' ? '+' : '-';
      return o.elements.elements.map(({ key, data }) => {
        const value =
          data === undefined || o.op === 'deleteElements' ? '' : ` : ${[data].flat().join(' . ')}`;
        return `${verb} ${set} ${[key].flat().join(' . ')}${value}`;
      });
    }
    if (o.op === 'addRule') return [];
    return 'chain' in o ? [`${o.op} ${o.chain.name}`] : [o.op];
  });
}
