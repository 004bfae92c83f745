import { chmodSync, chownSync, existsSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { parseQuantity } from '../../../kube/quantity.ts';
import type { CriRequest } from '../cri-schema.ts';
import { expand } from '../expand.ts';
import { allContainers, type Container, type KubeletPod, type Volume } from '../model.ts';
import type { ObjectCache } from '../objects.ts';
import type { PodPaths } from '../paths.ts';
import type { NodeResources } from '../resources.ts';
import type { TokenCache } from '../tokens.ts';
import { writeAtomically } from './atomic-writer.ts';
import { ensureHostPath } from './host-path.ts';
import { mountsBelow, mountTmpfs, unmountBelow } from './mounts.ts';
import {
  DEFAULT_MODE,
  downwardPayload,
  forGroup,
  objectPayload,
  type Payload,
  VolumeError,
} from './payload.ts';
import { mountSubPath } from './sub-path.ts';

export interface VolumeSources {
  readonly paths: PodPaths;
  readonly objects: ObjectCache;
  readonly tokens: TokenCache;
  readonly node: NodeResources;
  readonly nodeIps: readonly string[];
}

/** The folder or file of each volume by its name. */
export type Mounted = ReadonlyMap<string, string>;

type Projection = NonNullable<NonNullable<Volume['projected']>['sources']>[number];
/** Mount propagation: 0 private, 1 host to container, 2 both ways. */
const PROPAGATION: Record<string, number> = { HostToContainer: 1, Bidirectional: 2 };

/** The volumes of the node's pods: made before a pod starts, kept up to date, removed after its end. */
export class PodVolumes {
  readonly #sources: VolumeSources;

  constructor(sources: VolumeSources) {
    this.#sources = sources;
  }

  /**
   * Makes a pod's volumes, or brings those up to date that show objects of the API. Doing it again is cheap.
   *
   * @throws VolumeError naming the volume, in upstream's words
   */
  async setUp(pod: KubeletPod, podIps: readonly string[]): Promise<Mounted> {
    const mounted = new Map<string, string>();
    for (const volume of pod.spec.volumes ?? []) {
      try {
        mounted.set(volume.name, await this.#one(pod, volume, podIps));
      } catch (error) {
        const why = (error as Error).message;
        throw new VolumeError(`MountVolume.SetUp failed for volume "${volume.name}" : ${why}`, {
          cause: error,
        });
      }
    }
    return mounted;
  }

  async #one(pod: KubeletPod, volume: Volume, podIps: readonly string[]): Promise<string> {
    const { paths } = this.#sources;
    const { uid } = pod;
    if (volume.hostPath) {
      ensureHostPath(volume.hostPath.path, volume.hostPath.type);
      return volume.hostPath.path;
    }
    if (volume.emptyDir)
      return await this.#emptyDir(pod, volume, paths.volume(uid, 'empty-dir', volume.name));
    if (volume.configMap) {
      const path = paths.volume(uid, 'configmap', volume.name);
      return this.#write(
        pod,
        path,
        await this.#configMap(pod, volume.configMap, volume.configMap.defaultMode),
      );
    }
    if (volume.secret) {
      const { secretName: name, items, optional, defaultMode } = volume.secret;
      const source = { name, items, optional } as Source;
      const path = paths.volume(uid, 'secret', volume.name);
      return this.#write(pod, path, await this.#secret(pod, source, defaultMode));
    }
    if (volume.downwardAPI) {
      const payload = this.#downward(pod, volume.downwardAPI.items, podIps, volume.downwardAPI.defaultMode);
      return this.#write(pod, paths.volume(uid, 'downward-api', volume.name), payload);
    }
    if (volume.projected) {
      const payload: Payload = new Map();
      for (const source of volume.projected.sources ?? []) {
        const part = await this.#projection(pod, source, podIps, volume.projected.defaultMode);
        for (const [name, file] of part) payload.set(name, file);
      }
      return this.#write(pod, paths.volume(uid, 'projected', volume.name), payload);
    }
    const kind = Object.keys(volume).find((key) => key !== 'name') ?? 'none';
    throw new VolumeError(
      `volumes of type ${kind} are not supported by this node; use emptyDir, hostPath, configMap, secret, downwardAPI or projected`,
    );
  }

  async #emptyDir(pod: KubeletPod, volume: Volume, path: string): Promise<string> {
    const isNew = !existsSync(path);
    mkdirSync(path, { recursive: true, mode: 0o755 });
    if (volume.emptyDir?.medium === 'Memory' && mountsBelow(path).length === 0) {
      const limit = volume.emptyDir.sizeLimit;
      await mountTmpfs(path, limit === undefined ? undefined : parseQuantity(limit).value());
    } else if (!isNew) return path;
    const fsGroup = pod.spec.securityContext?.fsGroup;
    if (fsGroup !== undefined) chownSync(path, statSync(path).uid, fsGroup);
    chmodSync(path, fsGroup === undefined ? 0o777 : 0o2777);
    return path;
  }

  async #configMap(pod: KubeletPod, source: Source, mode = DEFAULT_MODE): Promise<Payload> {
    const name = source.name ?? '';
    const data = await this.#sources.objects.configMapData(pod.namespace, name);
    if (!data && !source.optional) throw new VolumeError(`configmap "${name}" not found`);
    return objectPayload('ConfigMap', name, data ?? new Map(), source.items, {
      mode,
      optional: source.optional ?? false,
    });
  }

  async #secret(pod: KubeletPod, source: Source, mode = DEFAULT_MODE): Promise<Payload> {
    const name = source.name ?? '';
    const data = await this.#sources.objects.secretData(pod.namespace, name);
    if (!data && !source.optional) throw new VolumeError(`secret "${name}" not found`);
    return objectPayload('Secret', name, data ?? new Map(), source.items, {
      mode,
      optional: source.optional ?? false,
    });
  }

  #downward(pod: KubeletPod, items: unknown, podIps: readonly string[], mode = DEFAULT_MODE): Payload {
    const { node, nodeIps } = this.#sources;
    return downwardPayload(pod, (items ?? []) as Parameters<typeof downwardPayload>[1], {
      podIps,
      nodeIps,
      node,
      mode,
    });
  }

  async #projection(
    pod: KubeletPod,
    source: Projection,
    podIps: readonly string[],
    mode: number | undefined,
  ): Promise<Payload> {
    if (source.configMap) return await this.#configMap(pod, source.configMap, mode);
    if (source.secret) return await this.#secret(pod, source.secret, mode);
    if (source.downwardAPI) return this.#downward(pod, source.downwardAPI.items, podIps, mode);
    if (source.serviceAccountToken) {
      const { path, audience, expirationSeconds } = source.serviceAccountToken;
      const token = await this.#sources.tokens.token(pod, audience ?? '', expirationSeconds ?? 3600);
      // Readable by whom the pod runs as alone, where that is known.
      const closed = pod.spec.securityContext?.fsGroup !== undefined || commonUser(pod) !== undefined;
      return new Map([[path, { data: Buffer.from(token), mode: closed ? 0o600 : (mode ?? DEFAULT_MODE) }]]);
    }
    throw new VolumeError(`projected sources of type ${Object.keys(source).join(', ')} are not supported`);
  }

  #write(pod: KubeletPod, path: string, payload: Payload): string {
    const gid = pod.spec.securityContext?.fsGroup;
    const uid = gid === undefined ? commonUser(pod) : undefined;
    writeAtomically(path, forGroup(payload, gid), { uid: uid ?? -1, gid: gid ?? -1 });
    return path;
  }

  /** The mounts of a container's volumeMounts. @throws VolumeError */
  async mounts(
    pod: KubeletPod,
    container: Container,
    mounted: Mounted,
    environment: ReadonlyMap<string, string>,
  ): Promise<CriRequest<'Mount'>[]> {
    const result: CriRequest<'Mount'>[] = [];
    for (const [index, mount] of (container.volumeMounts ?? []).entries()) {
      const volume = mounted.get(mount.name);
      if (volume === undefined)
        throw new VolumeError(
          `container ${container.name} mounts volume "${mount.name}", which the pod has not`,
        );
      const subPath = mount.subPathExpr
        ? expand(mount.subPathExpr, (name) => environment.get(name))
        : mount.subPath;
      let hostPath = volume;
      if (subPath) {
        hostPath = this.#sources.paths.subPath(pod.uid, mount.name, container.name, index);
        await mountSubPath(volume, subPath, hostPath, !mount.readOnly);
      }
      result.push({
        containerPath: mount.mountPath.startsWith('/') ? mount.mountPath : `/${mount.mountPath}`,
        hostPath,
        readonly: mount.readOnly ?? false,
        propagation: PROPAGATION[mount.mountPropagation ?? ''] ?? 0,
      });
    }
    return result;
  }

  /**
   * Removes a pod's volumes, and with `all` everything it had on the node. Done again it is no error.
   *
   * @throws VolumeError what is still in use
   */
  async tearDown(uid: string, all: boolean): Promise<void> {
    for (const root of this.#sources.paths.roots()) {
      const parts = all ? [''] : ['/volume-subpaths', '/volumes'];
      for (const part of parts) {
        const folder = `${root}/${uid}${part}`;
        if (!existsSync(folder)) continue;
        await unmountBelow(folder);
        rmSync(folder, { recursive: true, force: true });
      }
    }
    this.#sources.tokens.forget(uid);
  }
}

interface Source {
  readonly name?: string;
  readonly items?: Parameters<typeof objectPayload>[3];
  readonly optional?: boolean;
}

/** The number of the user that all containers run as, when there is one. */
function commonUser(pod: KubeletPod): number | undefined {
  const users = allContainers(pod).map(
    (each) => each.securityContext?.runAsUser ?? pod.spec.securityContext?.runAsUser,
  );
  return users.every((user) => user === users[0]) ? users[0] : undefined;
}
