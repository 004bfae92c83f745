/** A part of an object that could not be used, and was left out. */
export interface ServiceProblem {
  /** `Service default/web spec.ports[0].port`. */
  readonly field: string;
  readonly value: string;
  readonly rule: string;
  readonly fix: string;
}

const LONGEST = 80;

/** What could not be used of one Service and its slices. */
export class Problems {
  readonly found: ServiceProblem[] = [];
  readonly #object: string;

  /** @param object `Service default/web` */
  constructor(object: string) {
    this.#object = object;
  }

  add(field: string, value: unknown, rule: string, fix: string): void {
    const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing');
    this.found.push({ field: `${this.#object} ${field}`, value: text.slice(0, LONGEST), rule, fix });
  }
}

export function sentenceOf({ field, value, rule, fix }: ServiceProblem): string {
  return `${field} '${value}' ${rule}; ${fix}`;
}
