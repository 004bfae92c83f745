import type { KubeObject } from '../../schema/types.ts';
import type { AdmissionStep } from '../types.ts';

const CLASSES = { group: 'networking.k8s.io', plural: 'ingressclasses' };
const IS_DEFAULT = 'ingressclass.kubernetes.io/is-default-class';
const OLD_CLASS = 'kubernetes.io/ingress.class';

/**
 * Upstream's DefaultIngressClass plugin: an Ingress that names no class gets the one that is marked as the default; of several the
 * newest, and of equally old ones the first by name.
 */
export const defaultIngressClass: AdmissionStep = ({ operation, kind, object, subresource }, access) => {
  if (operation !== 'CREATE' || subresource || !object) return;
  if (kind.group !== 'networking.k8s.io' || kind.plural !== 'ingresses') return;
  object.spec ??= {};
  const spec = object.spec as { ingressClassName?: string };
  if (spec.ingressClassName !== undefined || object.metadata?.annotations?.[OLD_CLASS] !== undefined) return;
  const age = ({ metadata }: KubeObject): string => String(metadata?.creationTimestamp ?? '');
  const nameOf = ({ metadata }: KubeObject): string => metadata?.name ?? '';
  const [chosen] = (access.list(CLASSES) as KubeObject[])
    .filter(({ metadata }) => metadata?.annotations?.[IS_DEFAULT] === 'true')
    .sort((a, b) => age(b).localeCompare(age(a)) || nameOf(a).localeCompare(nameOf(b)));
  if (chosen) spec.ingressClassName = nameOf(chosen);
};
