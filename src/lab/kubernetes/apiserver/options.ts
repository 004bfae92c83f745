import { parseArgs } from 'node:util';
import { parseCidr } from '../../../address/cidr.ts';
import { isAddress } from '../../../address/ip.ts';

/** What the API server's process is told. */
export interface Options {
  /** Folder of kube.sqlite. */
  state: string;
  /** Folder of certificates and keys; filled when it is not. */
  pki: string;
  /** The first one is what pods are told. */
  addresses: string[];
  port: number;
  serviceCidr: string;
  cluster: string;
}

export const USAGE = `usage: apiserver --state DIR --pki DIR --address IP [--extra-address IP]… [--port 6443]
  [--service-cidr 10.0.0.0/16] [--cluster NAME]`;

/** @throws RangeError that names the option, the value and what is right */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      state: { type: 'string' },
      pki: { type: 'string' },
      address: { type: 'string' },
      'extra-address': { type: 'string', multiple: true, default: [] },
      port: { type: 'string', default: '6443' },
      'service-cidr': { type: 'string', default: '10.0.0.0/16' },
      cluster: { type: 'string', default: 'kubernetes' },
    },
  });
  const need = (name: 'state' | 'pki' | 'address'): string => {
    const value = values[name];
    if (!value) throw new RangeError(`--${name} is missing\n${USAGE}`);
    return value;
  };
  const addresses = [need('address'), ...values['extra-address']];
  for (const address of addresses)
    if (!isAddress(address))
      throw new RangeError(`--address '${address}' is not an IP address; write it like 198.19.0.10`);
  if (!/^\d{1,5}$/.test(values.port) || Number(values.port) > 65_535)
    throw new RangeError(`--port '${values.port}' is not a port; use 0 (any) to 65535`);
  const cidr = parseCidr(values['service-cidr'], '--service-cidr');
  if (cidr.family !== 4 || cidr.prefixLength > 28)
    throw new RangeError(
      `--service-cidr '${values['service-cidr']}' is too small or not IPv4; use a /12 to /28 like 10.0.0.0/16`,
    );
  return {
    state: need('state'),
    pki: need('pki'),
    addresses: [...new Set(addresses)],
    port: Number(values.port),
    serviceCidr: values['service-cidr'],
    cluster: values.cluster,
  };
}
