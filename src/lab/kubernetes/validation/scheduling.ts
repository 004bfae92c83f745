import { labelValueErrors, qualifiedNameErrors } from '../../../kube/selector.ts';
import type { Affinity, NodeSelectorTerm, PodSpec, Toleration } from '../../../kube/types.ts';
import type { Report } from './report.ts';
import { checkNodeExpression, checkSelector } from './selector.ts';

export const EFFECTS = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

type PodTerm = NonNullable<
  NonNullable<Affinity['podAffinity']>['requiredDuringSchedulingIgnoredDuringExecution']
>[number];

export function checkTolerations(report: Report, field: string, tolerations: Toleration[] | undefined): void {
  for (const [index, toleration] of (tolerations ?? []).entries()) {
    const at = `${field}[${index}]`;
    const { key, operator, value, effect, tolerationSeconds } = toleration;
    if (key) report.all(`${at}.key`, key, qualifiedNameErrors(key));
    else if (operator !== 'Exists')
      report.invalid(
        `${at}.operator`,
        operator ?? '',
        'operator must be Exists when `key` is empty, which means "match all values and all keys"',
      );
    if (tolerationSeconds !== undefined && effect !== 'NoExecute')
      report.invalid(
        `${at}.effect`,
        effect ?? '',
        "effect must be 'NoExecute' when `tolerationSeconds` is set",
      );
    if (!operator || operator === 'Equal')
      report.all(`${at}.operator`, value ?? '', labelValueErrors(value ?? ''));
    else if (operator === 'Exists') {
      if (value)
        report.invalid(`${at}.operator`, toleration, "value must be empty when `operator` is 'Exists'");
    } else report.oneOf(`${at}.operator`, operator, ['Equal', 'Exists']);
    if (effect) report.oneOf(`${at}.effect`, effect, EFFECTS);
  }
}

function checkNodeTerm(report: Report, at: string, term: NodeSelectorTerm | undefined): void {
  for (const [index, expression] of (term?.matchExpressions ?? []).entries())
    checkNodeExpression(report, `${at}.matchExpressions[${index}]`, expression);
  for (const [index, { key, operator, values }] of (term?.matchFields ?? []).entries()) {
    const field = `${at}.matchFields[${index}]`;
    if (key !== 'metadata.name') report.invalid(`${field}.key`, key, 'not a valid field selector key');
    if (operator !== 'In' && operator !== 'NotIn')
      report.invalid(`${field}.operator`, operator, 'not a valid selector operator');
    if (values?.length !== 1)
      report.required(
        `${field}.values`,
        "must be only one value when `operator` is 'In' or 'NotIn' for node field selector",
      );
  }
}

function checkPodTerm(report: Report, at: string, term: PodTerm | undefined): void {
  if (!term) return;
  checkSelector(report, `${at}.labelSelector`, term.labelSelector);
  checkSelector(report, `${at}.namespaceSelector`, term.namespaceSelector);
  if (!term.topologyKey) report.required(`${at}.topologyKey`, 'can not be empty');
  else report.all(`${at}.topologyKey`, term.topologyKey, qualifiedNameErrors(term.topologyKey));
}

function checkAffinity(report: Report, field: string, affinity: Affinity | undefined): void {
  const required = 'requiredDuringSchedulingIgnoredDuringExecution';
  const preferred = 'preferredDuringSchedulingIgnoredDuringExecution';
  const node = affinity?.nodeAffinity;
  const terms = node?.[required]?.nodeSelectorTerms;
  if (node?.[required] && !terms?.length)
    report.required(
      `${field}.nodeAffinity.${required}.nodeSelectorTerms`,
      'must have at least one node selector term',
    );
  for (const [index, term] of (terms ?? []).entries())
    checkNodeTerm(report, `${field}.nodeAffinity.${required}.nodeSelectorTerms[${index}]`, term);
  for (const [index, { weight, preference }] of (node?.[preferred] ?? []).entries()) {
    const at = `${field}.nodeAffinity.${preferred}[${index}]`;
    if (weight < 1 || weight > 100) report.invalid(`${at}.weight`, weight, 'must be in the range 1-100');
    checkNodeTerm(report, `${at}.preference`, preference);
  }
  for (const part of ['podAffinity', 'podAntiAffinity'] as const) {
    for (const [index, term] of (affinity?.[part]?.[required] ?? []).entries())
      checkPodTerm(report, `${field}.${part}.${required}[${index}]`, term);
    for (const [index, { weight, podAffinityTerm }] of (affinity?.[part]?.[preferred] ?? []).entries()) {
      const at = `${field}.${part}.${preferred}[${index}]`;
      if (weight < 1 || weight > 100) report.invalid(`${at}.weight`, weight, 'must be in the range 1-100');
      checkPodTerm(report, `${at}.podAffinityTerm`, podAffinityTerm);
    }
  }
}

/** Where a pod may run. */
export function checkScheduling(report: Report, field: string, spec: PodSpec): void {
  checkTolerations(report, `${field}.tolerations`, spec.tolerations);
  checkAffinity(report, `${field}.affinity`, spec.affinity);
  for (const [index, constraint] of (spec.topologySpreadConstraints ?? []).entries()) {
    const at = `${field}.topologySpreadConstraints[${index}]`;
    if (constraint.maxSkew <= 0)
      report.invalid(`${at}.maxSkew`, constraint.maxSkew, 'must be greater than zero');
    if (!constraint.topologyKey) report.required(`${at}.topologyKey`, 'can not be empty');
    report.requiredOneOf(`${at}.whenUnsatisfiable`, constraint.whenUnsatisfiable, [
      'DoNotSchedule',
      'ScheduleAnyway',
    ]);
    checkSelector(report, `${at}.labelSelector`, constraint.labelSelector);
  }
  for (const [index, { name }] of (spec.schedulingGates ?? []).entries())
    report.all(`${field}.schedulingGates[${index}]`, name, qualifiedNameErrors(name));
}
