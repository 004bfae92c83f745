import type { ResourceRecord } from '../wire/message.ts';

/** What a zone knows about a name and a type. */
export type Lookup =
  | {
      readonly kind: 'records';
      readonly records: readonly ResourceRecord[];
      readonly additionals?: readonly ResourceRecord[];
    }
  /** The name is another name for `target`, which may be anybody's. */
  | { readonly kind: 'alias'; readonly record: ResourceRecord; readonly target: string }
  /** The name exists, but nothing of this type. */
  | { readonly kind: 'nodata' }
  | { readonly kind: 'nxdomain' }
  /** Another server's business. */
  | { readonly kind: 'elsewhere' };

export const NODATA: Lookup = { kind: 'nodata' };
export const NXDOMAIN: Lookup = { kind: 'nxdomain' };
export const ELSEWHERE: Lookup = { kind: 'elsewhere' };

/** Names that one server answers by itself. */
export interface Zone {
  /** Changes whenever an answer may be another than before. */
  readonly generation: number;
  /** @param name in lower case, without the last dot */
  lookup(name: string, type: number): Lookup;
  /** The SOA record of the zone, for answers that deny something. */
  authority(name: string): ResourceRecord;
}

export function found(
  records: readonly ResourceRecord[],
  additionals: readonly ResourceRecord[] = [],
): Lookup {
  if (records.length === 0) return NODATA;
  return additionals.length === 0 ? { kind: 'records', records } : { kind: 'records', records, additionals };
}
