import { randomUUID } from 'node:crypto';
import { linkSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { type Client, type ServiceError, status } from '@grpc/grpc-js';
import type { MethodDefinition } from '@grpc/proto-loader';
import { CriClient } from '../kubelet/cri.ts';
import { GrpcError, metadataOf, openClient, statusName, unary } from '../kubelet/grpc-client.ts';
import { defineServices, type Reply } from '../kubelet/grpc-schema.ts';
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
  STAT,
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

/**
 * Links a blob into containerd's content store, so that its bytes need neither be sent nor stored again. Only a
 * help: over a file system's border, or before containerd has made its folders, the bytes are sent.
 */
function seed(contentStore: string, image: BuiltImage, digest: string): void {
  try {
    linkSync(blobPath(image.layout, digest), blobPath(contentStore, digest));
  } catch {
    // Sent instead.
  }
}

/**
 * Writes one blob. containerd answers each message; the first answer says how much it has already: nothing, a part
 * from an import that broke off, or all of it. A blob that it knows already is no error.
 */
async function writeBlob(
  client: Client,
  path: string,
  blob: Descriptor,
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
  const replies = call[Symbol.asyncIterator]() as AsyncIterator<
    Reply<typeof CONTENT_SCHEMA, 'WriteContentResponse'>
  >;
  const ask = async (message: object): Promise<number> => {
    call.write({ ref: `flyover-${blob.digest}`, total: blob.size, expected: blob.digest, ...message });
    const reply = await replies.next();
    if (reply.done) throw new GrpcError('Write', blob.digest, 'ABORTED', 'containerd closed the stream');
    return Number(reply.value.offset);
  };
  const file = await open(path);
  try {
    let offset = await ask({ action: STAT });
    while (offset < blob.size) {
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(CHUNK), 0, CHUNK, offset);
      if (bytesRead === 0) throw new GrpcError('Write', blob.digest, 'DATA_LOSS', `${path} is cut short`);
      offset = await ask({ action: WRITE, offset, data: buffer.subarray(0, bytesRead) });
    }
    await ask({ action: COMMIT, offset, labels });
    call.end();
  } catch (error) {
    call.cancel();
    const { code, details } = error as ServiceError;
    if (code === status.ALREADY_EXISTS) return;
    if (error instanceof GrpcError) throw error;
    throw new GrpcError('Write', blob.digest, statusName(code), details, error);
  } finally {
    call.on('error', () => undefined);
    await file.close();
  }
}

/**
 * Waits until the CRI plugin, which hears of new images by an event, knows this one. A pod that comes earlier would
 * have it pulled from a registry.
 */
async function known(socketPath: string, name: string): Promise<void> {
  using cri = new CriClient(socketPath);
  for (const deadline = Date.now() + CALL_TIMEOUT; !(await cri.imageStatus(name)); await delay(5)) {
    if (Date.now() > deadline) {
      throw new GrpcError(
        'CreateImage',
        name,
        'DEADLINE_EXCEEDED',
        'the CRI plugin does not take notice of it',
      );
    }
  }
}

/**
 * Hands a built image to a node's containerd, through its own API: no program is started and no registry needed. It
 * is unpacked when its first container is made. Handing it over again changes nothing.
 *
 * @param socketPath - containerd's socket, `criSocket(machine)`
 * @param options - `contentStore`: the folder of containerd's content store as this process reaches it,
 *   `contentStore(machine)`; blobs are then linked into it instead of copied where the file system allows
 * @throws GrpcError naming the blob or the image.
 */
export async function importImage(
  socketPath: string,
  image: BuiltImage,
  { contentStore }: { contentStore?: string } = {},
): Promise<void> {
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
      if (contentStore !== undefined) seed(contentStore, image, blob.digest);
      const labels = blob === image.manifest ? references(image) : {};
      await writeBlob(client, blobPath(image.layout, blob.digest), blob, labels, leased);
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
    await known(socketPath, image.name);
  } finally {
    client.close();
  }
}
