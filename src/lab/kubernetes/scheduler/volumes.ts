import type { PersistentVolumeClaim, Pod } from '../controllers/common/objects.ts';

/** Why the pod's claims keep it from every node, in upstream's words; undefined when they do not. */
export function claimProblem(
  pod: Pod,
  find: (name: string) => PersistentVolumeClaim | undefined,
): string | undefined {
  for (const volume of pod.spec.volumes ?? []) {
    const name =
      volume.persistentVolumeClaim?.claimName ??
      (volume.ephemeral ? `${pod.metadata.name}-${volume.name}` : undefined);
    if (name === undefined) continue;
    const claim = find(name);
    if (!claim) return `persistentvolumeclaim "${name}" not found`;
    if (claim.metadata.deletionTimestamp) return `persistentvolumeclaim "${name}" is being deleted`;
    if (!claim.spec.volumeName) return 'pod has unbound immediate PersistentVolumeClaims';
  }
  return undefined;
}
