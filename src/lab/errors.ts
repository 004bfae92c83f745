/** What a refusal tells: the field, the value, the rule that it breaks, and the way out. */
export interface Refusal {
  /** Stable identifier in PascalCase, as Azure's are: `PodCidrOverlapVnet`. */
  code: string;
  /** The input at fault, by the name the user gave it: `--pod-cidr`. */
  field?: string;
  value?: string;
  /** The rule that it breaks, as the rest of a sentence about the value. */
  rule: string;
  /** What to do instead. */
  fix?: string;
  /** HTTP status for doors that speak HTTP. Default 400. */
  status?: number;
}

/** A refusal by the lab. Nothing was changed when it is thrown. */
export class LabError extends Error {
  override readonly name = 'LabError';
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    const subject = refusal.field
      ? `${refusal.field}${refusal.value === undefined ? '' : ` '${refusal.value}'`} `
      : '';
    super(`${subject}${refusal.rule}${refusal.fix ? `; ${refusal.fix}` : ''}`);
    this.refusal = refusal;
  }
}

export function notFound(kind: string, name: string, known: string[]): LabError {
  return new LabError({
    code: 'NotFound',
    field: kind,
    value: name,
    rule: 'does not exist',
    fix: known.length > 0 ? `there are: ${known.join(', ')}` : `there is no ${kind} yet`,
    status: 404,
  });
}

/** The thing of that name. @throws LabError NotFound, which names those that there are */
export function pickByName<T extends { name: string }>(kind: string, all: readonly T[], name: string): T {
  const found = all.find((candidate) => candidate.name === name);
  if (found) return found;
  throw notFound(
    kind,
    name,
    all.map((candidate) => candidate.name),
  );
}
