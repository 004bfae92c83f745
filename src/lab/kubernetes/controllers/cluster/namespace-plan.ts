// The conditions of a namespace on its way out. Pure.
import { type Condition, withCondition } from '../common/conditions.ts';

export interface Remaining {
  /** `pods.` or `widgets.example.com` to number of objects. */
  resources: Map<string, number>;
  /** Finalizer to number of objects that wait for it. */
  finalizers: Map<string, number>;
  discoveryFailures: string[];
  deletionFailures: string[];
}

/** Upstream's five conditions, with its words. */
export function namespaceConditions(
  old: readonly Condition[] | undefined,
  remaining: Remaining,
  now: number,
): Condition[] {
  const { resources, finalizers, discoveryFailures, deletionFailures } = remaining;
  const list: [type: string, problem: string | undefined, reasons: [string, string, string]][] = [
    [
      'NamespaceDeletionDiscoveryFailure',
      discoveryFailures.length
        ? `Discovery failed for some groups, ${discoveryFailures.length} failing: ${discoveryFailures.join(', ')}`
        : undefined,
      ['DiscoveryFailed', 'ResourcesDiscovered', 'All resources successfully discovered'],
    ],
    [
      'NamespaceDeletionGroupVersionParsingFailure',
      undefined,
      ['GroupVersionParsingFailed', 'ParsedGroupVersions', 'All legacy kube types successfully parsed'],
    ],
    [
      'NamespaceDeletionContentFailure',
      deletionFailures.length
        ? `Failed to delete all resource types, ${deletionFailures.length} remaining: ${deletionFailures.sort().join(', ')}`
        : undefined,
      [
        'ContentDeletionFailed',
        'ContentDeleted',
        'All content successfully deleted, may be waiting on finalization',
      ],
    ],
    [
      'NamespaceContentRemaining',
      resources.size
        ? `Some resources are remaining: ${[...resources]
            .sort()
            .map(([name, n]) => `${name} has ${n} resource instances`)
            .join(', ')}`
        : undefined,
      ['SomeResourcesRemain', 'ContentRemoved', 'All content successfully removed'],
    ],
    [
      'NamespaceFinalizersRemaining',
      finalizers.size
        ? `Some content in the namespace has finalizers remaining: ${[...finalizers]
            .sort()
            .map(([name, n]) => `${name} in ${n} resource instances`)
            .join(', ')}`
        : undefined,
      ['SomeFinalizersRemain', 'ContentHasNoFinalizers', 'All content-preserving finalizers finished'],
    ],
  ];
  let conditions = [...(old ?? [])];
  for (const [type, problem, [bad, good, fine]] of list)
    conditions = withCondition(
      conditions,
      {
        type,
        status: problem ? 'True' : 'False',
        reason: problem ? bad : good,
        message: problem ?? fine,
      },
      now,
    );
  return conditions;
}
