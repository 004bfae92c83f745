// What a CRD serves.

import type { KindInfo } from '../schema/types.ts';
import { objectSchema } from './structural.ts';
import type { Crd, CrdVersion } from './types.ts';

const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];
const PART_VERBS = ['get', 'patch', 'update'];
const SCALE = { group: 'autoscaling', version: 'v1', kind: 'Scale' };
const AGE = {
  name: 'Age',
  type: 'date',
  jsonPath: '.metadata.creationTimestamp',
  description:
    'CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.',
};

/** The kinds of a CRD's served versions, under the names it was given. */
export function kindsOf(crd: Crd): KindInfo[] {
  return crd.spec.versions.filter((version) => version.served).map((version) => kindOf(crd, version));
}

function kindOf(crd: Crd, version: CrdVersion): KindInfo {
  const { group, scope, names } = crd.spec;
  const accepted = crd.status?.acceptedNames;
  const { status, scale } = version.subresources ?? {};
  const raw = version.schema?.openAPIV3Schema ?? {
    type: 'object',
    'x-kubernetes-preserve-unknown-fields': true,
  };
  const selectable = version.selectableFields?.map((field) => field.jsonPath);
  return {
    group,
    version: version.name,
    kind: names.kind,
    listKind: names.listKind ?? `${names.kind}List`,
    plural: names.plural,
    singular: names.singular ?? names.kind.toLowerCase(),
    shortNames: accepted?.shortNames ?? [],
    categories: accepted?.categories ?? [],
    namespaced: scope === 'Namespaced',
    verbs: VERBS,
    schema: objectSchema(raw),
    subresources: [
      ...(status ? [{ name: 'status', verbs: PART_VERBS }] : []),
      ...(scale ? [{ name: 'scale', kind: SCALE, verbs: PART_VERBS }] : []),
    ],
    builtin: false,
    ...(scale && { scale }),
    printerColumns: version.additionalPrinterColumns?.length ? version.additionalPrinterColumns : [AGE],
    ...(selectable && { selectableFields: selectable }),
    ...(version.deprecated && { deprecationWarning: deprecation(crd, version) }),
  };
}

function deprecation({ spec }: Crd, { name, deprecationWarning }: CrdVersion): string {
  return deprecationWarning ?? `${spec.group}/${name} ${spec.names.kind} is deprecated`;
}
