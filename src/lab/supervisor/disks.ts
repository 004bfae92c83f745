import { mkdirSync } from 'node:fs';
import { MNT_DETACH, mount, umount } from '../../kernel/libc.ts';
import { onOverlay } from '../machine/index.ts';
import { LAB_DISKS } from '../paths.ts';
import { isMountPoint } from './run-folder.ts';

/**
 * Makes the folder of the nodes' disks. Where the machine itself lies on an overlay, as a container does, it cannot
 * carry the overlays of nodes and of their containers: there the disks live in memory, up to half of it.
 */
export function prepareDisks(): void {
  mkdirSync(LAB_DISKS, { recursive: true, mode: 0o700 });
  if (onOverlay(LAB_DISKS)) mount('flyover-lab', LAB_DISKS, 'tmpfs', 0, 'mode=700');
}

/** Lets go of what {@link prepareDisks} has mounted; disks in memory are gone with it. */
export function releaseDisks(): void {
  while (isMountPoint(LAB_DISKS)) umount(LAB_DISKS, MNT_DETACH);
}
