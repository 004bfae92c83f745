import type { AdmissionStep } from '../types.ts';

const NOT_READY = { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' };

interface Taint {
  key: string;
  effect: string;
}

/**
 * A new node takes no pods until its conditions are known: the node controller takes the taint away when it is Ready. Upstream's
 * TaintNodesByCondition.
 */
export const taintNewNode: AdmissionStep = ({ operation, kind, object, subresource }) => {
  if (operation !== 'CREATE' || subresource || !object) return;
  if (kind.group !== '' || kind.plural !== 'nodes') return;
  object.spec ??= {};
  const spec = object.spec as { taints?: Taint[] };
  const taints = spec.taints ?? [];
  if (taints.some(({ key, effect }) => key === NOT_READY.key && effect === NOT_READY.effect)) return;
  spec.taints = [...taints, { ...NOT_READY }];
};
