/** A part of a policy that could not be read, and what it does now. */
export interface PolicyProblem {
  /** `NetworkPolicy default/web spec.ingress[0].from[1].ipBlock.cidr`. */
  readonly field: string;
  readonly value: string;
  readonly rule: string;
  readonly fix: string;
}

const LONGEST = 80;

/** What could not be read of one policy. */
export class Problems {
  readonly found: PolicyProblem[] = [];
  readonly #object: string;

  /** @param object `NetworkPolicy default/web` */
  constructor(object: string) {
    this.#object = object;
  }

  add(field: string, value: unknown, rule: string, fix: string): void {
    const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing');
    this.found.push({ field: `${this.#object} ${field}`, value: text.slice(0, LONGEST), rule, fix });
  }
}

export function sentenceOf({ field, value, rule, fix }: PolicyProblem): string {
  return `${field} '${value}' ${rule}; ${fix}`;
}
