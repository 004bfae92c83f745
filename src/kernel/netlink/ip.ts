/**
 * Network addresses between text and the bytes that netlink carries. This is not the address room: no
 * arithmetic, only what the kernel's interface needs, and quick.
 */

export const AF_UNSPEC = 0;
export const AF_INET = 2;
export const AF_BRIDGE = 7;
export const AF_INET6 = 10;

/** 4 or 6, as users say it. */
export type Family = 4 | 6;

export function familyCode(family: Family | undefined): number {
  return family === undefined ? AF_UNSPEC : family === 4 ? AF_INET : AF_INET6;
}

export function familyOf(code: number): Family {
  return code === AF_INET6 ? 6 : 4;
}

/**
 * The 4 or 16 bytes of an address in text.
 *
 * @throws RangeError naming `what` when it is neither an IPv4 nor an IPv6 address.
 */
export function ipToBytes(text: string, what = 'address'): Uint8Array {
  const bytes = text.includes(':') ? parse6(text) : parse4(text);
  if (!bytes) throw new RangeError(`${what} "${text}": neither an IPv4 nor an IPv6 address`);
  return bytes;
}

/** Text of 4 or 16 bytes; IPv6 in the canonical form of RFC 5952. */
export function bytesToIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`;
  if (bytes.length !== 16) throw new RangeError(`an address of ${bytes.length} bytes`);
  return format6(bytes);
}

export interface Prefix {
  readonly family: Family;
  readonly bytes: Uint8Array;
  readonly length: number;
}

/** `10.0.0.0/24`; without a length it is a single address. @throws RangeError naming `what`. */
export function parsePrefix(text: string, what = 'prefix'): Prefix {
  const slash = text.indexOf('/');
  const bytes = ipToBytes(slash < 0 ? text : text.slice(0, slash), what);
  const bits = bytes.length * 8;
  const digits = slash < 0 ? String(bits) : text.slice(slash + 1);
  const length = /^\d{1,3}$/.test(digits) ? Number(digits) : -1;
  if (length < 0 || length > bits)
    throw new RangeError(`${what} "${text}": the prefix length must be a number from 0 to ${bits}`);
  return { family: bytes.length === 4 ? 4 : 6, bytes, length };
}

/** The 6 bytes of a MAC address such as `02:00:0a:00:00:04`. @throws RangeError naming `what`. */
export function macToBytes(text: string, what = 'mac'): Uint8Array {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text))
    throw new RangeError(`${what} "${text}": not six pairs of hexadecimal digits with colons between`);
  const bytes = new Uint8Array(6);
  for (let i = 0; i < 6; i++) bytes[i] = Number.parseInt(text.slice(i * 3, i * 3 + 2), 16);
  return bytes;
}

/** Lower-case hexadecimal pairs with colons between; any length (not every link layer has six). */
export function bytesToMac(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i++) {
    const pair = bytes[i]!.toString(16);
    text += (i > 0 ? ':' : '') + (pair.length < 2 ? `0${pair}` : pair);
  }
  return text;
}

function parse4(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(4);
  let part = 0;
  let value = 0;
  let digits = 0;
  for (let i = 0; i <= text.length; i++) {
    const code = i < text.length ? text.charCodeAt(i) : 46;
    if (code === 46) {
      if (digits === 0 || part > 3) return undefined;
      bytes[part++] = value;
      value = 0;
      digits = 0;
      continue;
    }
    // A leading zero means octal to some readers, so it is refused.
    if (code < 48 || code > 57 || (digits > 0 && value === 0)) return undefined;
    value = value * 10 + code - 48;
    digits++;
    if (value > 255) return undefined;
  }
  return part === 4 ? bytes : undefined;
}

function parse6(text: string): Uint8Array | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = words(halves[0]!, halves.length === 1);
  const tail = halves.length === 2 ? words(halves[1]!, true) : [];
  if (!head || !tail) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const bytes = new Uint8Array(16);
  for (let i = 0; i < head.length; i++) put(bytes, i, head[i]!);
  for (let i = 0; i < tail.length; i++) put(bytes, 8 - tail.length + i, tail[i]!);
  return bytes;
}

function put(bytes: Uint8Array, word: number, value: number): void {
  bytes[word * 2] = value >> 8;
  bytes[word * 2 + 1] = value & 255;
}

/** The 16-bit groups of one side of `::`; an IPv4 tail counts as two when `last`. */
function words(text: string, last: boolean): number[] | undefined {
  if (text === '') return [];
  const result: number[] = [];
  const parts = text.split(':');
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i]!;
    if (part.includes('.')) {
      const tail = last && i === parts.length - 1 ? parse4(part) : undefined;
      if (!tail) return undefined;
      result.push((tail[0]! << 8) | tail[1]!, (tail[2]! << 8) | tail[3]!);
    } else {
      if (!/^[0-9a-f]{1,4}$/i.test(part)) return undefined;
      result.push(Number.parseInt(part, 16));
    }
  }
  return result;
}

function format6(bytes: Uint8Array): string {
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push((bytes[i]! << 8) | bytes[i + 1]!);
  let best = -1;
  let bestLength = 1;
  for (let i = 0; i < 8; ) {
    let end = i;
    while (end < 8 && groups[end] === 0) end++;
    if (end - i > bestLength) {
      best = i;
      bestLength = end - i;
    }
    i = end + 1;
  }
  // RFC 5952, section 5: addresses known to hold an IPv4 address show it.
  if (best === 0 && bestLength === 5 && groups[5] === 0xffff)
    return `::ffff:${bytes[12]}.${bytes[13]}.${bytes[14]}.${bytes[15]}`;
  const hex = (part: number[]): string => part.map((group) => group.toString(16)).join(':');
  if (best < 0) return hex(groups);
  return `${hex(groups.slice(0, best))}::${hex(groups.slice(best + bestLength))}`;
}
