import { formatAddress, ipAddress, isAddress, parseAddress } from '../../../address/ip.ts';

const V4 = '.in-addr.arpa';
const V6 = '.ip6.arpa';

/** The address that a name of the reverse tree speaks of, as it is usually written; nothing for any other name. */
export function addressOfReverse(name: string): string | undefined {
  if (name.endsWith(V4)) {
    const text = name.slice(0, -V4.length).split('.').reverse().join('.');
    return isAddress(text) ? text : undefined;
  }
  if (!name.endsWith(V6)) return undefined;
  const digits = name.slice(0, -V6.length).split('.');
  if (digits.length !== 32 || !digits.every((digit) => /^[0-9a-f]$/.test(digit))) return undefined;
  return formatAddress(ipAddress(6, BigInt(`0x${digits.reverse().join('')}`)));
}

/** Whether a name lies in the reverse tree. */
export function isReverse(name: string): boolean {
  return name.endsWith(V4) || name.endsWith(V6);
}

/** An address as it is usually written; nothing for what is none. */
export function canonicalAddress(text: string): string | undefined {
  return isAddress(text) ? formatAddress(parseAddress(text)) : undefined;
}

/** The name in the reverse tree. @param address - a canonical one */
export function reverseOf(address: string): string {
  const { family, value } = parseAddress(address);
  if (family === 4) return address.split('.').reverse().join('.') + V4;
  return [...value.toString(16).padStart(32, '0')].reverse().join('.') + V6;
}
