/** An entry of a role, as rbac.authorization.k8s.io/v1 PolicyRule. */
export interface PolicyRule {
  verbs: string[];
  apiGroups?: string[];
  resources?: string[];
  resourceNames?: string[];
  nonResourceURLs?: string[];
}

/** What a decision asks about; `resource` without its subresource. */
export interface RuleQuery {
  readonly verb: string;
  readonly isResource: boolean;
  readonly path: string;
  readonly group?: string;
  readonly resource?: string;
  readonly subresource?: string;
  readonly name?: string;
}

const has = (list: readonly string[] | undefined, value: string): boolean => list?.includes(value) ?? false;

/** Whether a URL path is one of a rule's; `*` at the end of an entry stands for any rest. */
export function pathMatches(entry: string, path: string): boolean {
  return (
    entry === '*' || entry === path || (entry.endsWith('*') && path.startsWith(entry.replace(/\*+$/, '')))
  );
}

/** Whether the rule alone allows it. Upstream's rules: `*` stands for all, `*\/scale` for that subresource of all. */
export function ruleAllows(rule: PolicyRule, query: RuleQuery): boolean {
  const { verbs } = rule;
  if (!verbs.includes(query.verb) && !verbs.includes('*')) return false;
  if (!query.isResource)
    return rule.nonResourceURLs?.some((entry) => pathMatches(entry, query.path)) ?? false;
  const { apiGroups, resources } = rule;
  if (!has(apiGroups, query.group ?? '') && !has(apiGroups, '*')) return false;
  const combined = query.subresource ? `${query.resource}/${query.subresource}` : (query.resource ?? '');
  if (
    !has(resources, combined) &&
    !has(resources, '*') &&
    !(query.subresource && has(resources, `*/${query.subresource}`))
  )
    return false;
  return !rule.resourceNames?.length || has(rule.resourceNames, query.name ?? '');
}

const coversAll = (owner: string[] | undefined, wanted: string[]): boolean =>
  has(owner, '*') || wanted.every((each) => has(owner, each));

function coversResources(owner: string[] | undefined, wanted: string[]): boolean {
  if (has(owner, '*')) return true;
  return wanted.every((each) => {
    const slash = each.indexOf('/');
    return has(owner, each) || (slash > 0 && has(owner, `*${each.slice(slash)}`));
  });
}

function ruleCovers(owner: PolicyRule, wanted: PolicyRule): boolean {
  if (!coversAll(owner.verbs, wanted.verbs)) return false;
  if (wanted.nonResourceURLs?.length)
    return wanted.nonResourceURLs.every((path) =>
      (owner.nonResourceURLs ?? []).some((entry) => pathMatches(entry, path)),
    );
  if (!coversAll(owner.apiGroups, wanted.apiGroups ?? [])) return false;
  if (!coversResources(owner.resources, wanted.resources ?? [])) return false;
  if (!owner.resourceNames?.length) return true;
  return Boolean(wanted.resourceNames?.length) && coversAll(owner.resourceNames, wanted.resourceNames ?? []);
}

const each = <T, R>(list: readonly T[], map: (entry: T) => R): R[] => list.map(map);

/** The rule as rules of one verb, one group, one resource, and one name or none each. */
function breakDown(rule: PolicyRule): PolicyRule[] {
  const parts: PolicyRule[] = [];
  for (const verb of rule.verbs) {
    for (const apiGroup of rule.apiGroups ?? []) {
      for (const resource of rule.resources ?? []) {
        const part = { verbs: [verb], apiGroups: [apiGroup], resources: [resource] };
        if (rule.resourceNames?.length)
          parts.push(...each(rule.resourceNames, (name) => ({ ...part, resourceNames: [name] })));
        else parts.push(part);
      }
    }
    parts.push(...each(rule.nonResourceURLs ?? [], (path) => ({ verbs: [verb], nonResourceURLs: [path] })));
  }
  return parts;
}

/** What of `wanted` no single rule of `owned` covers, broken down to single rights; empty when all is covered. */
export function uncovered(owned: readonly PolicyRule[], wanted: readonly PolicyRule[]): PolicyRule[] {
  return wanted.flatMap((rule) =>
    owned.some((owner) => ruleCovers(owner, rule))
      ? []
      : breakDown(rule).filter((part) => !owned.some((owner) => ruleCovers(owner, part))),
  );
}

/** Puts rights for one group, resource and name into one rule with all their verbs. */
export function compactRules(rules: readonly PolicyRule[]): PolicyRule[] {
  const found = new Map<string, PolicyRule>();
  for (const rule of rules) {
    const { verbs, ...rest } = rule;
    const key = JSON.stringify(rest);
    const known = found.get(key);
    if (!known) found.set(key, { ...rest, verbs: [...verbs] });
    else known.verbs.push(...verbs.filter((verb) => !known.verbs.includes(verb)));
  }
  return [...found.values()];
}

/** A list of strings as Go's `%q` writes it: `["a" "b"]`. */
export const quoted = (list: readonly string[]): string =>
  `[${list.map((text) => JSON.stringify(text)).join(' ')}]`;

/** A rule as upstream writes it in messages: `{APIGroups:[""], Resources:["pods"], Verbs:["get"]}`. */
export function ruleText(rule: PolicyRule): string {
  const parts = [
    ['APIGroups', rule.apiGroups],
    ['Resources', rule.resources],
    ['NonResourceURLs', rule.nonResourceURLs],
    ['ResourceNames', rule.resourceNames],
    ['Verbs', rule.verbs],
  ] as const;
  return `{${parts.flatMap(([name, list]) => (list?.length ? [`${name}:${quoted(list)}`] : [])).join(', ')}}`;
}
