/*
 * Which shared libraries a program asks for: the dynamic section of an ELF file (System V ABI, chapters 4 and 5).
 * Both word sizes, little endian only: every machine that we run on is.
 */

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const DT_NEEDED = 1;
const DT_STRTAB = 5;

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly size: number;
}

export interface ElfNeeds {
  /** Library names such as `libc.so.6`. */
  readonly libraries: readonly string[];
  /** The dynamic linker's path, for programs. */
  readonly interpreter?: string;
}

function textAt(data: Buffer, offset: number): string {
  const end = data.indexOf(0, offset);
  return data.toString('latin1', offset, end < 0 ? data.length : end);
}

/** What the file needs; undefined when it is not an ELF file or a damaged one. Static programs need nothing. */
export function elfNeeds(data: Buffer): ElfNeeds | undefined {
  if (data.length < 52 || data.readUInt32BE(0) !== 0x7f454c46 || data[5] !== 1) return undefined;
  const wide = data[4] === 2;
  try {
    const word = (offset: number): number =>
      wide ? Number(data.readBigUInt64LE(offset)) : data.readUInt32LE(offset);
    const table = word(wide ? 32 : 28);
    const entrySize = data.readUInt16LE(wide ? 54 : 42);
    const count = data.readUInt16LE(wide ? 56 : 44);
    const segments: Segment[] = [];
    for (let index = 0; index < count; index++) {
      const at = table + index * entrySize;
      segments.push({
        type: data.readUInt32LE(at),
        offset: word(at + (wide ? 8 : 4)),
        address: word(at + (wide ? 16 : 8)),
        size: word(at + (wide ? 32 : 16)),
      });
    }
    const interp = segments.find(({ type }) => type === PT_INTERP);
    const dynamic = segments.find(({ type }) => type === PT_DYNAMIC);
    const needed: number[] = [];
    let strings: number | undefined;
    const step = wide ? 16 : 8;
    for (let at = dynamic?.offset ?? 0, left = dynamic?.size ?? 0; left >= step; at += step, left -= step) {
      const tag = word(at);
      if (tag === 0) break;
      if (tag === DT_NEEDED) needed.push(word(at + step / 2));
      if (tag === DT_STRTAB) strings = word(at + step / 2);
    }
    const carrier = segments.find(
      ({ type, address, size }) =>
        type === PT_LOAD && strings !== undefined && strings >= address && strings < address + size,
    );
    const base = carrier && strings !== undefined ? strings - carrier.address + carrier.offset : undefined;
    return {
      libraries: base === undefined ? [] : needed.map((offset) => textAt(data, base + offset)),
      ...(interp ? { interpreter: textAt(data, interp.offset) } : {}),
    };
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
