// What CRDs bring to the request pipeline.

import type { FieldError, KindInfo, KubeObject } from '../schema/types.ts';
import { StatusError } from '../server/status.ts';
import type { Access, AdmissionStep } from '../server/types.ts';
import { CrdController, type KindRegistry } from './controller.ts';
import { checkCrd, checkCrdUpdate } from './crd-check.ts';
import { applySchemaDefaults } from './defaulting.ts';
import { completeNames } from './names.ts';
import { CLEANUP, CRDS, type Crd, type RawSchema } from './types.ts';
import { checkValue } from './value-check.ts';

export interface CrdPlugin {
  /** Whether the functions below are for objects of this kind: CRDs themselves, and what they define. */
  concerns(kind: KindInfo): boolean;
  applyDefaults(kind: KindInfo, object: KubeObject): void;
  validateCreate(kind: KindInfo, object: KubeObject): FieldError[];
  validateUpdate(kind: KindInfo, object: KubeObject, old: KubeObject): FieldError[];
  /** For `Plugins.admission`. */
  admit: AdmissionStep;
  /** For `Plugins.start`. */
  start(access: Access): void;
}

/** @param log told of what goes wrong in the background */
export function crdPlugin(
  registry: KindRegistry,
  log?: (message: string, error: unknown) => void,
): CrdPlugin {
  const controller = new CrdController(registry, log);
  return {
    concerns: (kind) => !kind.builtin || isCrd(kind),
    applyDefaults(kind, object) {
      if (isCrd(kind)) defaultCrd(object as Crd);
      else if (!kind.builtin) applySchemaDefaults(object, kind.schema);
    },
    validateCreate: (kind, object) =>
      isCrd(kind) ? checkCrd(object as Crd) : kind.builtin ? [] : checkValue(object, kind.schema, ''),
    validateUpdate: (kind, object, old) =>
      isCrd(kind)
        ? checkCrdUpdate(object as Crd, old as Crd)
        : kind.builtin
          ? []
          : checkValue(object, kind.schema, ''),
    admit(request) {
      const { operation, kind, subresource, object, oldObject, warnings } = request;
      if (isCrd(kind)) {
        if (operation === 'DELETE') holdForCleanup(oldObject as Crd | undefined);
        else if (!subresource) warnings.push(...warningsOf(object as Crd));
      } else if (operation === 'CREATE' && !kind.builtin && controller.isTerminating(kind.group, kind.plural))
        throw new StatusError(
          405,
          'MethodNotAllowed',
          'create not allowed while custom resource definition is terminating',
        );
    },
    start: (access) => controller.start(access),
  };
}

function isCrd(kind: KindInfo): boolean {
  return kind.group === CRDS.group && kind.plural === CRDS.plural;
}

function defaultCrd(crd: Crd): void {
  if (!crd.spec) return;
  if (crd.spec.names?.kind) crd.spec.names = completeNames(crd.spec.names);
  crd.spec.conversion ??= { strategy: 'None' };
  for (const version of crd.spec.versions ?? []) {
    version.served ??= false;
    version.storage ??= false;
  }
}

/** Deletion begins with this: the CRD stays until its objects have gone. `live` becomes the object that is stored. */
function holdForCleanup(live: Crd | undefined): void {
  if (!live?.metadata || live.metadata.finalizers?.includes(CLEANUP)) return;
  live.metadata.finalizers = [...(live.metadata.finalizers ?? []), CLEANUP];
}

/** What is accepted but does less than a reader may think. */
function warningsOf({ spec }: Crd): string[] {
  const found: string[] = [];
  if (spec?.conversion?.strategy === 'Webhook')
    found.push(
      'spec.conversion.strategy: "Webhook" is not called by this API server; versions are converted by changing apiVersion only',
    );
  for (const [i, version] of (spec?.versions ?? []).entries())
    if (hasRules(version.schema?.openAPIV3Schema))
      found.push(
        `spec.versions[${i}].schema.openAPIV3Schema: x-kubernetes-validations are kept but not enforced by this API server`,
      );
  return found;
}

function hasRules(schema: unknown): boolean {
  if (typeof schema !== 'object' || schema === null) return false;
  if (Array.isArray(schema)) return schema.some(hasRules);
  const raw = schema as RawSchema;
  if (Array.isArray(raw['x-kubernetes-validations']) && raw['x-kubernetes-validations'].length > 0)
    return true;
  return Object.values(raw).some(hasRules);
}
