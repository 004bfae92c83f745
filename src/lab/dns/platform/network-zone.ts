import { cidrContains, parseCidr } from '../../../address/cidr.ts';
import { parseAddress } from '../../../address/ip.ts';
import { PRIVATE_RANGES } from '../../fabric/ranges.ts';
import { TYPE } from '../wire/constants.ts';
import type { ResourceRecord } from '../wire/message.ts';
import { ELSEWHERE, found, type Lookup, NODATA, NXDOMAIN, type Zone } from '../zone/lookup.ts';
import { addressOfReverse, isReverse } from '../zone/reverse.ts';

/** A machine in a virtual network. */
export interface NamedMachine {
  readonly name: string;
  readonly address: string;
}

/** Azure's domain for the machines of a virtual network, without the part that a region adds. */
export const NETWORK_DOMAIN = 'internal.cloudapp.net';
/** Seconds; of Azure's records. */
const TTL = 10;
const PRIVATE = PRIVATE_RANGES.map((range) => parseCidr(range));

/** The names of one virtual network's machines, and of nothing else in it: other networks, peers too, see none of them. */
export class NetworkZone implements Zone {
  #generation = 1;
  #addresses = new Map<string, string>();
  #names = new Map<string, string>();

  get generation(): number {
    return this.#generation;
  }

  set(machines: readonly NamedMachine[]): void {
    const addresses = new Map(machines.map(({ name, address }) => [name.toLowerCase(), address]));
    const same =
      addresses.size === this.#addresses.size &&
      [...addresses].every(([name, address]) => this.#addresses.get(name) === address);
    if (same) return;
    this.#addresses = addresses;
    this.#names = new Map([...addresses].map(([name, address]) => [address, name]));
    this.#generation++;
  }

  lookup(name: string, type: number): Lookup {
    if (name === NETWORK_DOMAIN) return type === TYPE.SOA ? found([this.authority(name)]) : NODATA;
    if (name.endsWith(`.${NETWORK_DOMAIN}`)) {
      const address = this.#addresses.get(name.slice(0, -NETWORK_DOMAIN.length - 1));
      if (address === undefined) return NXDOMAIN;
      return type === TYPE.A ? found([{ name, type: 'A', ttl: TTL, data: address }]) : NODATA;
    }
    const address = addressOfReverse(name);
    if (address === undefined) return ELSEWHERE;
    const machine = this.#names.get(address);
    if (machine !== undefined) {
      const data = `${machine}.${NETWORK_DOMAIN}`;
      return type === TYPE.PTR ? found([{ name, type: 'PTR', ttl: TTL, data }]) : NODATA;
    }
    // Nobody outside knows who has an address of ours, and nobody need learn that it was asked for (RFC 6303).
    return PRIVATE.some((range) => cidrContains(range, parseAddress(address))) ? NXDOMAIN : ELSEWHERE;
  }

  authority(name: string): ResourceRecord {
    const apex = isReverse(name) ? name.split('.').slice(-2).join('.') : NETWORK_DOMAIN;
    const data = {
      mname: `ns.${NETWORK_DOMAIN}`,
      rname: `hostmaster.${NETWORK_DOMAIN}`,
      serial: this.#generation,
      refresh: 900,
      retry: 300,
      expire: 604_800,
      minimum: TTL,
    };
    return { name: apex, type: 'SOA', ttl: TTL, data };
  }
}
