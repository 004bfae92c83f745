export { ConflictError } from './conflict.ts';
export { type PatchCause, PatchError } from './error.ts';
export { managerError, managerName } from './manager.ts';
export { applyPatch, type PatchRequest, type PatchType } from './patch.ts';
export { type Tracking, trackManagedFields } from './track.ts';
