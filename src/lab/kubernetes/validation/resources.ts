import { tryQuantity } from '../../../kube/quantity.ts';
import { qualifiedNameErrors } from '../../../kube/selector.ts';
import type { ResourceRequirements } from '../../../kube/types.ts';
import type { Report } from './report.ts';

const STANDARD = ['cpu', 'memory', 'ephemeral-storage'];

function isStandard(name: string): boolean {
  return STANDARD.includes(name) || name.startsWith('hugepages-');
}

/** Names and amounts of a map of resources. */
export function checkResourceList(
  report: Report,
  field: string,
  list: Record<string, string> | undefined,
): void {
  for (const [name, amount] of Object.entries(list ?? {})) {
    const at = `${field}[${name}]`;
    const quantity = tryQuantity(amount);
    if (!quantity) report.invalid(at, amount, 'must be a quantity, for instance 100m or 1Gi');
    else if (quantity.nanos < 0n) report.invalid(at, amount, 'must be greater than or equal to 0');
  }
}

/** Of a container. */
export function checkResources(
  report: Report,
  field: string,
  resources: ResourceRequirements | undefined,
): void {
  const { requests, limits } = resources ?? {};
  for (const [part, list] of [
    ['limits', limits],
    ['requests', requests],
  ] as const) {
    for (const name of Object.keys(list ?? {})) {
      const at = `${field}.${part}`;
      const wrong = qualifiedNameErrors(name);
      report.all(at, name, wrong);
      if (wrong.length === 0 && !name.includes('/') && !isStandard(name))
        report.invalid(at, name, 'must be a standard resource for containers');
    }
    checkResourceList(report, `${field}.${part}`, list);
  }
  for (const [name, amount] of Object.entries(requests ?? {})) {
    const [request, limit] = [tryQuantity(amount), tryQuantity(limits?.[name])];
    if (request && limit && request.compare(limit) > 0)
      report.invalid(`${field}.requests`, amount, `must be less than or equal to ${name} limit of ${limit}`);
    else if (request && name.includes('/') && !name.includes('kubernetes.io/') && !limit)
      report.required(`${field}.limits`, 'Limit must be set for non overcommitable resources');
  }
}
