export { ensureImage } from './build.ts';
export { ImageError } from './error.ts';
export { importImage } from './import.ts';
export { normalizedName } from './name.ts';
export type { BuiltImage } from './oci.ts';
export { PAUSE, type Recipe, TOOLBOX } from './recipe.ts';
