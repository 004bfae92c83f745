// CustomResourceDefinitions as they are stored, in so far as the server reads them.

import type { KubeObject, PrinterColumn } from '../schema/types.ts';

/** A JSONSchemaProps: OpenAPI v3 with `x-kubernetes-…` extensions. */
export type RawSchema = { [key: string]: unknown };

export interface CrdVersion {
  name: string;
  served: boolean;
  storage: boolean;
  deprecated?: boolean;
  deprecationWarning?: string;
  schema?: { openAPIV3Schema?: RawSchema };
  subresources?: {
    status?: object;
    scale?: { specReplicasPath: string; statusReplicasPath: string; labelSelectorPath?: string };
  };
  additionalPrinterColumns?: PrinterColumn[];
  selectableFields?: { jsonPath: string }[];
}

export interface CrdNames {
  plural: string;
  singular?: string;
  kind: string;
  listKind?: string;
  shortNames?: string[];
  categories?: string[];
}

export interface CrdCondition {
  type: 'NamesAccepted' | 'Established' | 'NonStructuralSchema' | 'Terminating' | string;
  status: 'True' | 'False' | 'Unknown';
  reason: string;
  message: string;
  lastTransitionTime?: string;
}

export interface Crd extends KubeObject {
  spec: {
    group: string;
    scope: 'Namespaced' | 'Cluster';
    names: CrdNames;
    versions: CrdVersion[];
    preserveUnknownFields?: boolean;
    conversion?: { strategy: string };
  };
  status?: { conditions?: CrdCondition[]; acceptedNames?: CrdNames; storedVersions?: string[] };
}

export const CRDS = { group: 'apiextensions.k8s.io', plural: 'customresourcedefinitions' } as const;

/** Holds a CRD that is being deleted until its objects are gone. */
export const CLEANUP = 'customresourcecleanup.apiextensions.k8s.io';

export function conditionOf(crd: Crd, type: string): CrdCondition | undefined {
  return crd.status?.conditions?.find((one) => one.type === type);
}

export function isTrue(crd: Crd, type: string): boolean {
  return conditionOf(crd, type)?.status === 'True';
}
