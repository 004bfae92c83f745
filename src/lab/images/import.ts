import { randomUUID } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { type Client, type ServiceError, status } from '@grpc/grpc-js';
import type { MethodDefinition } from '@grpc/proto-loader';
import { GrpcError, metadataOf, openClient, statusName, unary } from '../kubelet/grpc-client.ts';
import { defineServices } from '../kubelet/grpc-schema.ts';
import {
  COMMIT,
  CONTENT_PACKAGE,
  CONTENT_SCHEMA,
  CONTENT_SERVICES,
  IMAGES_PACKAGE,
  IMAGES_SCHEMA,
  IMAGES_SERVICES,
  LEASES_PACKAGE,
  LEASES_SCHEMA,
  LEASES_SERVICES,
  WRITE,
} from './containerd-schema.ts';
import { type BuiltImage, blobPath, type Descriptor } from './oci.ts';

/** The namespace in which containerd's CRI plugin looks. */
const NAMESPACE = 'k8s.io';
const CALL_TIMEOUT = 60_000;
/** Bytes a message; containerd takes 16 MiB at most. */
const CHUNK = 1024 * 1024;

type AnyMethod = MethodDefinition<object, object>;
let methods: { write: AnyMethod; images: Record<string, AnyMethod>; leases: Record<string, AnyMethod> };

function allMethods(): typeof methods {
  methods ??= (() => {
    const content = defineServices(CONTENT_PACKAGE, CONTENT_SCHEMA, CONTENT_SERVICES);
    const images = defineServices(IMAGES_PACKAGE, IMAGES_SCHEMA, IMAGES_SERVICES);
    const leases = defineServices(LEASES_PACKAGE, LEASES_SCHEMA, LEASES_SERVICES);
    return {
      write: content[`${CONTENT_PACKAGE}.Content`]!.Write as AnyMethod,
      images: images[`${IMAGES_PACKAGE}.Images`] as unknown as Record<string, AnyMethod>,
      leases: leases[`${LEASES_PACKAGE}.Leases`] as unknown as Record<string, AnyMethod>,
    };
  })();
  return methods;
}

/** Labels by which containerd's garbage collector follows a manifest to its parts. */
function references(image: BuiltImage): Record<string, string> {
  const labels: Record<string, string> = { 'containerd.io/gc.ref.content.config': image.config.digest };
  for (const [index, layer] of image.layers.entries()) {
    labels[`containerd.io/gc.ref.content.l.${index}`] = layer.digest;
  }
  return labels;
}

/** Writes one blob; one that containerd has already is no error. */
async function writeBlob(
  client: Client,
  blob: Descriptor,
  file: FileHandle,
  labels: Record<string, string>,
  headers: Record<string, string>,
): Promise<void> {
  const { write } = allMethods();
  const call = client.makeBidiStreamRequest(
    write.path,
    write.requestSerialize,
    write.responseDeserialize,
    metadataOf(headers),
    { deadline: Date.now() + CALL_TIMEOUT },
  );
  const ended = new Promise<void>((resolve, reject) => {
    call.on('error', (error: ServiceError) => {
      if (error.code === status.ALREADY_EXISTS) resolve();
      else reject(new GrpcError('Write', blob.digest, statusName(error.code), error.details, error));
    });
    call.on('end', resolve);
    call.on('data', () => undefined);
  });
  let over = false;
  const settled = ended.finally(() => {
    over = true;
  });
  settled.catch(() => undefined);
  const common = { ref: `flyover-${blob.digest}`, total: blob.size, expected: blob.digest };
  for (let offset = 0; offset < blob.size && !over; ) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(CHUNK), 0, CHUNK, offset);
    if (bytesRead === 0) break;
    const message = { ...common, action: WRITE, offset, data: buffer.subarray(0, bytesRead) };
    offset += bytesRead;
    if (!call.write(message)) {
      await Promise.race([new Promise((resolve) => call.once('drain', resolve)), ended]);
    }
  }
  if (!over) call.write({ ...common, action: COMMIT, offset: blob.size, labels });
  call.end();
  await ended;
}

/**
 * Hands a built image to a node's containerd, through its own API: no program is started and no registry needed. It
 * is unpacked when its first container is made. Handing it over again changes nothing.
 *
 * @param socketPath - containerd's socket, `criSocket(machine)`
 * @throws GrpcError naming the blob or the image.
 */
export async function importImage(socketPath: string, image: BuiltImage): Promise<void> {
  const client = openClient(socketPath);
  const { images, leases } = allMethods();
  const lease = `flyover-${randomUUID()}`;
  const headers = { 'containerd-namespace': NAMESPACE };
  const options = { timeoutMs: CALL_TIMEOUT, headers };
  try {
    // Without a lease the collector may take a blob before the image names it. It expires by itself after a crash.
    const expire = new Date(Date.now() + 10 * CALL_TIMEOUT).toISOString();
    const labels = { 'containerd.io/gc.expire': expire };
    await unary(client, 'CreateLease', leases.Create!, { id: lease, labels }, image.name, options);
    const leased = { ...headers, 'containerd-lease': lease };
    for (const blob of [...image.layers, image.config, image.manifest]) {
      const file = await open(blobPath(image.layout, blob.digest));
      try {
        await writeBlob(client, blob, file, blob === image.manifest ? references(image) : {}, leased);
      } finally {
        await file.close();
      }
    }
    const record = {
      name: image.name,
      target: image.manifest,
      labels: { 'io.cri-containerd.image': 'managed' },
    };
    try {
      await unary(client, 'CreateImage', images.Create!, { image: record }, image.name, options);
    } catch (error) {
      if (!(error instanceof GrpcError) || error.code !== 'ALREADY_EXISTS') throw error;
      await unary(client, 'UpdateImage', images.Update!, { image: record }, image.name, options);
    }
    await unary(client, 'DeleteLease', leases.Delete!, { id: lease }, image.name, options);
  } finally {
    client.close();
  }
}
