/** A part of an object of the Kubernetes API that could not be used. What is done without it, its reader says. */
export interface ManifestProblem {
  /** `Service default/web spec.ports[0].port`. */
  readonly field: string;
  readonly value: string;
  readonly rule: string;
  readonly fix: string;
}

const LONGEST = 80;

/** What could not be used of one object. */
export class Problems {
  readonly found: ManifestProblem[] = [];
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

export function sentenceOf({ field, value, rule, fix }: ManifestProblem): string {
  return `${field} '${value}' ${rule}; ${fix}`;
}
