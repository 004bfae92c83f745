import type { Family } from '../address/ip.ts';
import type { Problems } from '../manifest/problem.ts';
import type { ServiceObject } from './objects.ts';
import { listOf, rangeIn } from './read.ts';

/** Kubernetes' older way to say `spec.loadBalancerSourceRanges`: separated by commas. */
const ANNOTATION = 'service.beta.kubernetes.io/load-balancer-source-ranges';
/** Azure's. */
const AZURE_ANNOTATION = 'service.beta.kubernetes.io/azure-allowed-ip-ranges';
/** In the order in which they count. */
export const RANGE_ANNOTATIONS = [ANNOTATION, AZURE_ANNOTATION] as const;

/**
 * Who may use a Service's load balancer addresses, by family; undefined: everybody. `spec.loadBalancerSourceRanges`,
 * without it the annotation of that name, without that Azure's. Ranges of the other family are ignored, and where none
 * of this family is given everybody of it may come in, as upstream. What is no range at all is left out; where nothing
 * else was given, nobody may come in, rather than everybody.
 */
export class SourceRanges {
  readonly #ranges: readonly { readonly family: Family; readonly text: string }[];
  readonly #given: boolean;

  constructor({ metadata, spec }: ServiceObject, problems: Problems) {
    const sources = [
      { field: 'spec.loadBalancerSourceRanges', values: listOf(spec?.loadBalancerSourceRanges) as unknown[] },
      ...RANGE_ANNOTATIONS.map((name) => ({
        field: `metadata.annotations[${name}]`,
        values: split(metadata?.annotations?.[name]),
      })),
    ];
    const source = sources.find(({ values }) => values.length > 0);
    this.#given = source !== undefined;
    this.#ranges = (source?.values ?? []).flatMap((value, i) => {
      const range = rangeIn(value, `${source?.field}[${i}]`, problems);
      return range ? [range] : [];
    });
  }

  of(family: Family): readonly string[] | undefined {
    if (this.#given && this.#ranges.length === 0) return [];
    const texts = this.#ranges.filter((range) => range.family === family).map(({ text }) => text);
    return texts.length === 0 ? undefined : [...new Set(texts)];
  }
}

function split(text: unknown): string[] {
  if (typeof text !== 'string') return [];
  return text
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '');
}
