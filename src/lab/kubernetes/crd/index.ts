export { type CrdPlugin, crdPlugin } from './plugin.ts';
export { CLEANUP, CRDS } from './types.ts';
