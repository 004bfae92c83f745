// What the embedded API server knows of the shape of an object. One form for built-in kinds (from the official client's models)
// and for CustomResourceDefinitions (from their openAPIV3Schema), so that decoding, patching, pruning and explaining have one case.

/** Names a kind's definition: `io.k8s.api.core.v1.PodSpec`. */
export type DefinitionName = string;

/** The shape of a value; an OpenAPI v3 schema as Kubernetes uses it, with the `x-kubernetes-…` extensions as plain properties. */
export interface Schema {
  type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean';
  /** `int32`, `int64`, `double`, `date-time`, `byte`, `int-or-string`, `quantity`, `micro-time`, or what a CRD says. */
  format?: string;
  /** Built-in kinds: not in memory; `Descriptions` has it. CRDs: here. */
  description?: string;
  enum?: unknown[];
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: Schema | boolean;
  items?: Schema;
  /** A definition to look up with `SchemaRegistry.resolve`; the other properties beside it (default, listType…) win over the definition's. */
  ref?: DefinitionName;
  intOrString?: true;
  preserveUnknownFields?: true;
  embeddedResource?: true;
  nullable?: boolean;
  default?: unknown;
  listType?: 'atomic' | 'set' | 'map';
  listMapKeys?: string[];
  mapType?: 'atomic' | 'granular';
  /** `merge`, `replace`, `retainKeys`, `merge,retainKeys`: how a strategic merge patch treats the field. */
  patchStrategy?: string;
  patchMergeKey?: string;
  /** Discriminated unions only explain themselves; nothing checks them. */
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: boolean;
  exclusiveMaximum?: boolean;
  multipleOf?: number;
  minLength?: number;
  maxLength?: number;
  pattern?: string;
  minItems?: number;
  maxItems?: number;
  uniqueItems?: boolean;
  minProperties?: number;
  maxProperties?: number;
  allOf?: Schema[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  not?: Schema;
  title?: string;
  example?: unknown;
  externalDocs?: { url?: string; description?: string };
  /** CEL rules, as written; kept so that they come back, not evaluated here. */
  validations?: unknown[];
}

/** Group (empty for the core), version and kind. */
export interface GroupVersionKind {
  group: string;
  version: string;
  kind: string;
}

/** Group (empty for the core), version and plural resource name. */
export interface GroupVersionResource {
  group: string;
  version: string;
  plural: string;
}

export interface Subresource {
  /** `status`, `scale`, `log`, `exec`, `eviction`, `binding`, `token`, `finalize`, … */
  name: string;
  /** The kind that is sent and answered; the parent's own when missing. */
  kind?: GroupVersionKind;
  /** As discovery says it: `get`, `patch`, `update`, `create`, … */
  verbs: string[];
}

export type PrinterColumn = {
  name: string;
  type: string;
  format?: string;
  description?: string;
  /** 0 is always shown, above 0 only with `-o wide`. */
  priority?: number;
  /** JSONPath within the object, for instance `.spec.replicas`. */
  jsonPath: string;
};

/** A resource type that the server serves in one version. */
export interface KindInfo {
  group: string;
  version: string;
  kind: string;
  listKind: string;
  plural: string;
  singular: string;
  shortNames: string[];
  categories: string[];
  namespaced: boolean;
  /** As discovery says it: `create`, `delete`, `deletecollection`, `get`, `list`, `patch`, `update`, `watch`. */
  verbs: string[];
  schema: Schema;
  subresources: Subresource[];
  builtin: boolean;
  /** CRDs only, as in the CRD; built-in scale subresources use spec.replicas, status.replicas and the selector. */
  scale?: { specReplicasPath: string; statusReplicasPath: string; labelSelectorPath?: string };
  /** CRDs only. */
  printerColumns?: PrinterColumn[];
  /** CRDs only: JSONPaths that a field selector may name. */
  selectableFields?: string[];
  /** CRDs only: keep what the schema does not know (`spec.preserveUnknownFields`). */
  preserveUnknownFields?: boolean;
  /** A version whose use earns a warning header; the text. */
  deprecationWarning?: string;
}

/** JSON as it stands in a request, a row or an answer. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** An object of the API: at least the four properties that all have. */
export interface KubeObject {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  [key: string]: unknown;
}

export interface ObjectMeta {
  name?: string;
  generateName?: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  creationTimestamp?: string | null;
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
  ownerReferences?: OwnerReference[];
  managedFields?: ManagedFieldsEntry[];
  selfLink?: string;
}

export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}

export interface ManagedFieldsEntry {
  manager?: string;
  operation?: 'Apply' | 'Update';
  apiVersion?: string;
  time?: string;
  fieldsType?: 'FieldsV1';
  fieldsV1?: { [key: string]: Json };
  subresource?: string;
}

/** What is wrong with a field, in the form of a Status' `details.causes` and upstream's aggregate messages. */
export interface FieldError {
  /** `spec.containers[0].image` */
  field: string;
  /** The `reason` of the cause. */
  type:
    | 'FieldValueInvalid'
    | 'FieldValueRequired'
    | 'FieldValueDuplicate'
    | 'FieldValueForbidden'
    | 'FieldValueNotFound'
    | 'FieldValueNotSupported'
    | 'FieldValueTooLong'
    | 'FieldValueTooMany'
    | 'FieldValueTypeInvalid'
    | 'InternalError';
  /** Without the field: `Invalid value: "A": a lowercase RFC 1123 …`. The whole text is `${field}: ${message}`. */
  message: string;
}
