import { isIPv4, isIPv6 } from 'node:net';

/** The four bytes of a dotted IPv4 address, or undefined when `text` is none. */
export function parseIpv4(text: string): Buffer | undefined {
  if (!isIPv4(text)) return undefined;
  return Buffer.from(text.split('.').map(Number));
}

/** The sixteen bytes of an IPv6 address (no zone), or undefined when `text` is none. */
export function parseIpv6(text: string): Buffer | undefined {
  if (!isIPv6(text) || text.includes('%')) return undefined;
  const [left, right] = text.split('::');
  const head = groups(left ?? '');
  const tail = right === undefined ? [] : groups(right);
  const middle = new Array<number>(8 - head.length - tail.length).fill(0);
  const bytes = Buffer.alloc(16);
  [...head, ...middle, ...tail].forEach((group, i) => {
    bytes.writeUInt16BE(group, i * 2);
  });
  return bytes;
}

export function formatIpv4(bytes: Uint8Array): string {
  return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`;
}

/** RFC 5952: lower case, the longest run of two or more zero groups shortened (the first one of equals). */
export function formatIpv6(bytes: Uint8Array): string {
  const all: number[] = [];
  for (let i = 0; i < 16; i += 2) all.push((bytes[i]! << 8) | bytes[i + 1]!);
  let best = -1;
  let bestLength = 1;
  for (let i = 0; i < 8; ) {
    let end = i;
    while (end < 8 && all[end] === 0) end++;
    if (end - i > bestLength) {
      best = i;
      bestLength = end - i;
    }
    i = Math.max(end, i + 1);
  }
  const hex = (part: number[]): string => part.map((group) => group.toString(16)).join(':');
  if (best < 0) return hex(all);
  return `${hex(all.slice(0, best))}::${hex(all.slice(best + bestLength))}`;
}

function groups(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((part) => {
    if (!part.includes('.')) return [Number.parseInt(part, 16)];
    const [a, b, c, d] = part.split('.').map(Number);
    return [(a! << 8) | b!, (c! << 8) | d!];
  });
}
