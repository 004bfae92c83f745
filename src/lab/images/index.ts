export { builtImage, ensureImage } from './build.ts';
export { ImageError } from './error.ts';
export { importImage } from './import.ts';
export { normalizedName } from './name.ts';
export { type BuiltImage, blobPath, type Descriptor, MANIFEST_TYPE } from './oci.ts';
export { READY_MADE, readyMadeOf } from './ready-made.ts';
export { BASE_LAYER, PATH_VARIABLE, PAUSE, type Recipe, TOOLBOX } from './recipe.ts';
export {
  familiarName,
  fullName,
  type ImageReference,
  isDigest,
  isTag,
  parseReference,
  repositoryOf,
} from './reference.ts';
