import type { KubeObject } from '../../schema/types.ts';
import { since } from '../../table/age.ts';

/** What `kubectl get --subresource=scale` prints. */
export function scaleTable(scale: KubeObject): KubeObject {
  const { metadata, spec, status } = scale as KubeObject & Record<'spec' | 'status', { replicas?: number }>;
  const column = (name: string, type: string) => ({ name, type, format: '', description: '', priority: 0 });
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata: {},
    columnDefinitions: [
      { ...column('Name', 'string'), format: 'name' },
      column('Desired', 'integer'),
      column('Available', 'integer'),
      column('Age', 'string'),
    ],
    rows: [
      {
        cells: [
          metadata?.name,
          spec?.replicas ?? 0,
          status?.replicas ?? 0,
          since(metadata?.creationTimestamp, new Date()),
        ],
        object: { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata },
      },
    ],
  };
}
