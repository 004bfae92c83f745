import { labelValueErrors, qualifiedNameErrors } from '../../../kube/selector.ts';
import type { LabelSelector } from '../../../kube/types.ts';
import { checkLabels } from './metadata.ts';
import type { Report } from './report.ts';

const OPERATORS = ['In', 'NotIn', 'Exists', 'DoesNotExist'];

export interface Expression {
  key: string;
  operator: string;
  values?: string[];
}

function checkExpression(report: Report, at: string, { key, operator, values = [] }: Expression): void {
  if (operator === 'In' || operator === 'NotIn') {
    if (values.length === 0)
      report.required(`${at}.values`, "must be specified when `operator` is 'In' or 'NotIn'");
  } else if (operator === 'Exists' || operator === 'DoesNotExist') {
    if (values.length > 0)
      report.forbidden(`${at}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
  } else report.invalid(`${at}.operator`, operator, 'not a valid selector operator');
  report.all(`${at}.key`, key, qualifiedNameErrors(key));
  for (const [index, value] of values.entries())
    report.all(`${at}.values[${index}]`, value, labelValueErrors(value));
}

/** A LabelSelector object. */
export function checkSelector(report: Report, field: string, selector: LabelSelector | undefined): void {
  checkLabels(report, `${field}.matchLabels`, selector?.matchLabels);
  for (const [index, expression] of (selector?.matchExpressions ?? []).entries())
    checkExpression(report, `${field}.matchExpressions[${index}]`, expression);
}

/** Of a node selector, which has two more operators. */
export function checkNodeExpression(report: Report, at: string, expression: Expression): void {
  const { key, operator, values = [] } = expression;
  if (operator === 'Gt' || operator === 'Lt') {
    if (values.length !== 1)
      report.required(`${at}.values`, "must be specified single value when `operator` is 'Lt' or 'Gt'");
    report.all(`${at}.key`, key, qualifiedNameErrors(key));
  } else if (OPERATORS.includes(operator)) checkExpression(report, at, expression);
  else report.invalid(`${at}.operator`, operator, 'not a valid selector operator');
}

export function isEmptySelector(selector: LabelSelector | undefined): boolean {
  return (
    Object.keys(selector?.matchLabels ?? {}).length === 0 && (selector?.matchExpressions ?? []).length === 0
  );
}
