import { type Cidr, cidrsOverlap, formatCidr, parseCidr } from '../../address/cidr.ts';
import { AddressError } from '../../address/error.ts';
import type { ConfigMap } from '../../kube/types.ts';

/** Where blocks come from, and how large they are. */
export interface BlockSettings {
  /** In order of preference; of one family or of both. */
  readonly podCIDRs: readonly Cidr[];
  /** Prefix length of a node's block by family. */
  readonly blockPrefix: { readonly 4: number; readonly 6: number };
}

/** The ConfigMap with the cluster's settings. Agents read theirs from the same one. */
export const SETTINGS = { namespace: 'kube-system', name: 'flyover-config' } as const;

export const DEFAULT_BLOCK_PREFIX = { 4: 24, 6: 120 } as const;
const MOST_RANGES = 64;
/** An agent wants eight addresses at least. Beyond 2^32 blocks nobody has nodes. */
const PREFIXES = { 4: [8, 29], 6: [32, 125] } as const;

/**
 * Checks what flags or the ConfigMap say.
 * @param cidrs separated by commas or blanks
 * @throws AddressError that names the field, the value, the rule and the way out
 */
export function readSettings(given: {
  readonly podCIDRs: string;
  readonly nodeBlockSize?: string | undefined;
  readonly nodeBlockSizeIPv6?: string | undefined;
}): BlockSettings {
  const texts = given.podCIDRs.split(/[\s,]+/).filter((text) => text !== '');
  if (texts.length === 0 || texts.length > MOST_RANGES) {
    throw new AddressError({
      code: 'malformed',
      field: 'podCIDRs',
      value: given.podCIDRs.slice(0, 80),
      rule: texts.length === 0 ? 'names no range' : `names more than ${MOST_RANGES} ranges`,
      fix: 'give ranges separated by commas, like 10.244.0.0/16 or 10.244.0.0/16,fd12::/104',
    });
  }
  const podCIDRs = texts.map((text, i) => parseCidr(text, `podCIDRs[${i}]`));
  for (const [i, one] of podCIDRs.entries()) {
    const before = podCIDRs.slice(0, i).find((other) => cidrsOverlap(one, other));
    if (!before) continue;
    throw new AddressError({
      code: 'in-use',
      field: `podCIDRs[${i}]`,
      value: formatCidr(one),
      rule: `overlaps ${formatCidr(before)}`,
      fix: 'give ranges that are apart',
    });
  }
  const blockPrefix = {
    4: prefix(given.nodeBlockSize, 4, 'nodeBlockSize'),
    6: prefix(given.nodeBlockSizeIPv6, 6, 'nodeBlockSizeIPv6'),
  };
  for (const [i, one] of podCIDRs.entries()) {
    if (one.prefixLength <= blockPrefix[one.family]) continue;
    throw new AddressError({
      code: 'too-small',
      field: `podCIDRs[${i}]`,
      value: formatCidr(one),
      rule: `has no /${blockPrefix[one.family]} in it, and every node takes one`,
      fix: `use a /${blockPrefix[one.family]} or wider, or smaller node blocks`,
    });
  }
  return { podCIDRs, blockPrefix };
}

/** What the ConfigMap says; undefined when it says nothing about blocks. @throws AddressError */
export function settingsOf(map: ConfigMap): BlockSettings | undefined {
  const { podCIDRs, nodeBlockSize, nodeBlockSizeIPv6 } = map.data ?? {};
  if (podCIDRs === undefined) return undefined;
  return readSettings({ podCIDRs, nodeBlockSize, nodeBlockSizeIPv6 });
}

function prefix(text: string | undefined, family: 4 | 6, field: string): number {
  if (text === undefined || text === '') return DEFAULT_BLOCK_PREFIX[family];
  const [least, most] = PREFIXES[family];
  const value = /^\d{1,3}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw new AddressError({
    code: 'malformed',
    field,
    value: text.slice(0, 40),
    rule: `is not a prefix length of ${least} to ${most}`,
    fix: `use ${DEFAULT_BLOCK_PREFIX[family]}, which is 256 addresses a node`,
  });
}
