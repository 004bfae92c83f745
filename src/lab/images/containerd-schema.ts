import type { Services } from '../kubelet/grpc-schema.ts';

/*
 * The part of containerd's own API (packages containerd.services.*.v1, unchanged from 1.6 to 2.x) that handing over
 * an image takes.
 */

export const CONTENT_PACKAGE = 'containerd.services.content.v1';
export const CONTENT_SCHEMA = {
  WriteContentRequest: {
    /** 0 status, 1 write, 2 commit. */
    action: [1, 'int32'],
    ref: [2, 'string'],
    total: [3, 'int64'],
    expected: [4, 'string'],
    offset: [5, 'int64'],
    data: [6, 'bytes'],
    labels: [7, 'map'],
  },
  WriteContentResponse: {
    action: [1, 'int32'],
    offset: [4, 'int64'],
    total: [5, 'int64'],
    digest: [6, 'string'],
  },
} as const;
export const CONTENT_SERVICES = {
  Content: { Write: ['WriteContentRequest', 'WriteContentResponse', 'stream'] },
} as const satisfies Services;
export const STAT = 0;
export const WRITE = 1;
export const COMMIT = 2;

export const IMAGES_PACKAGE = 'containerd.services.images.v1';
export const IMAGES_SCHEMA = {
  Empty: {},
  /** `containerd.types.Descriptor`; the package is not on the wire. */
  Descriptor: {
    mediaType: [1, 'string'],
    digest: [2, 'string'],
    size: [3, 'int64'],
    annotations: [5, 'map'],
  },
  Image: { name: [1, 'string'], labels: [2, 'map'], target: [3, 'Descriptor'] },
  ImageRequest: { image: [1, 'Image'] },
  ImageResponse: { image: [1, 'Image'] },
  GetImageRequest: { name: [1, 'string'] },
} as const;
export const IMAGES_SERVICES = {
  Images: {
    Get: ['GetImageRequest', 'ImageResponse'],
    Create: ['ImageRequest', 'ImageResponse'],
    Update: ['ImageRequest', 'ImageResponse'],
  },
} as const satisfies Services;

export const LEASES_PACKAGE = 'containerd.services.leases.v1';
export const LEASES_SCHEMA = {
  Empty: {},
  CreateRequest: { id: [1, 'string'], labels: [3, 'map'] },
  Lease: { id: [1, 'string'] },
  CreateResponse: { lease: [1, 'Lease'] },
  DeleteRequest: { id: [1, 'string'], sync: [2, 'bool'] },
} as const;
export const LEASES_SERVICES = {
  Leases: { Create: ['CreateRequest', 'CreateResponse'], Delete: ['DeleteRequest', 'Empty'] },
} as const satisfies Services;
