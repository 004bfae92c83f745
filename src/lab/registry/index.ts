export type { PushAccess } from './access.ts';
export { loadArchive } from './archive.ts';
export { type ImageView, listImages, removeImage, showImage } from './catalog.ts';
export { buildOwn, wordsOf } from './own-image.ts';
export { type RunningRegistry, serveRegistry } from './server.ts';
export { ImageStore } from './store.ts';
