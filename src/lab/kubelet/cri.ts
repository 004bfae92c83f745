import type { Client } from '@grpc/grpc-js';
import type { MethodDefinition, ServiceDefinition } from '@grpc/proto-loader';
import { CRI_SCHEMA, CRI_SERVICES, type CriReply, type CriRequest, type CriSchema } from './cri-schema.ts';
import { GrpcError, openClient, unary } from './grpc-client.ts';
import { defineServices } from './grpc-schema.ts';

/** A refusal or failure of the container runtime. */
export class CriError extends GrpcError {
  override readonly name = 'CriError';
}

/** Whether `error` is the runtime's refusal with one of these codes (`NOT_FOUND`). */
export function isCriError(error: unknown, ...codes: string[]): error is CriError {
  return error instanceof CriError && (codes.length === 0 || codes.includes(error.code));
}

type AllMethods = (typeof CRI_SERVICES)['RuntimeService'] & (typeof CRI_SERVICES)['ImageService'];
type MethodName = keyof AllMethods;
type RequestOf<M extends MethodName> = CriRequest<AllMethods[M][0] & keyof CriSchema>;
type ReplyOf<M extends MethodName> = CriReply<AllMethods[M][1] & keyof CriSchema>;

/** Milliseconds for one ordinary call, as kubelets have it. */
const ORDINARY = 120_000;
/** Plugins may take their time: twice an ordinary call. */
const SANDBOX = 240_000;
const PULL = 600_000;

let definitions: Record<string, ServiceDefinition> | undefined;

function methodOf(name: MethodName): MethodDefinition<object, object> {
  definitions ??= defineServices('runtime.v1', CRI_SCHEMA, CRI_SERVICES);
  const service = name in CRI_SERVICES.ImageService ? 'ImageService' : 'RuntimeService';
  return definitions[`runtime.v1.${service}`]![name]! as MethodDefinition<object, object>;
}

/**
 * The Container Runtime Interface (v1) over a unix socket. One connection, made on first use and made again by
 * itself after the runtime's restart. All calls reject with {@link CriError}.
 */
export class CriClient {
  readonly #client: Client;
  /** The socket's path, for messages. */
  readonly socketPath: string;

  constructor(socketPath: string) {
    this.socketPath = socketPath;
    this.#client = openClient(socketPath);
  }

  /** Ends the connection; calls under way fail with CANCELLED. */
  close(): void {
    this.#client.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #call<M extends MethodName>(
    name: M,
    request: RequestOf<M>,
    object: string,
    options: { timeoutMs?: number; waitForReady?: boolean } = {},
  ): Promise<ReplyOf<M>> {
    try {
      const all = { timeoutMs: ORDINARY, ...options };
      return await unary<ReplyOf<M>>(this.#client, name, methodOf(name), request, object, all);
    } catch (error) {
      if (!(error instanceof GrpcError)) throw error;
      throw new CriError(error.operation, error.object, error.code, error.detail, error.cause);
    }
  }

  /** The runtime's name and version; with `waitMs`, as soon as it answers within that time. */
  version(waitMs?: number): Promise<CriReply<'VersionResponse'>> {
    const options = waitMs === undefined ? { timeoutMs: 10_000 } : { timeoutMs: waitMs, waitForReady: true };
    return this.#call('Version', { version: 'v1' }, this.socketPath, options);
  }

  /** The conditions `RuntimeReady` and `NetworkReady`, and with `verbose` the configuration as JSON texts. */
  status(verbose = false): Promise<CriReply<'StatusResponse'>> {
    return this.#call('Status', { verbose }, this.socketPath);
  }

  /** Tells the runtime the node's pod range; containerd writes a conflist from it only when told to by template. */
  async updateRuntimeConfig(podCidr: string): Promise<void> {
    await this.#call('UpdateRuntimeConfig', { runtimeConfig: { networkConfig: { podCidr } } }, podCidr);
  }

  /** Makes and starts a pod's sandbox, the CNI plugin called in between. @returns its id */
  async runPodSandbox(config: CriRequest<'PodSandboxConfig'>, runtimeHandler = ''): Promise<string> {
    const { namespace, name } = config.metadata ?? {};
    const options = { timeoutMs: SANDBOX };
    return (await this.#call('RunPodSandbox', { config, runtimeHandler }, `${namespace}/${name}`, options))
      .podSandboxId;
  }

  /** Kills what runs in the sandbox and calls the plugin's DEL. Again and again is no error. */
  async stopPodSandbox(podSandboxId: string): Promise<void> {
    await this.#call('StopPodSandbox', { podSandboxId }, podSandboxId, { timeoutMs: SANDBOX });
  }

  /** Removes the sandbox and its containers. One that is gone is no error. */
  async removePodSandbox(podSandboxId: string): Promise<void> {
    await this.#call('RemovePodSandbox', { podSandboxId }, podSandboxId);
  }

  async listPodSandbox(filter: CriRequest<'PodSandboxFilter'> = {}): Promise<CriReply<'PodSandbox'>[]> {
    return (await this.#call('ListPodSandbox', { filter }, 'all')).items;
  }

  /** State and addresses; with `verbose`, `info` holds JSON texts with the pid and the namespace's path. */
  async podSandboxStatus(
    podSandboxId: string,
    verbose = false,
  ): Promise<{ status: CriReply<'PodSandboxStatus'>; info: Record<string, string> }> {
    const reply = await this.#call('PodSandboxStatus', { podSandboxId, verbose }, podSandboxId);
    if (!reply.status) throw new CriError('PodSandboxStatus', podSandboxId, 'NOT_FOUND', 'no status');
    return { status: reply.status, info: reply.info };
  }

  /** @param sandboxConfig - the same that the sandbox was made with @returns the container's id */
  async createContainer(
    podSandboxId: string,
    config: CriRequest<'ContainerConfig'>,
    sandboxConfig: CriRequest<'PodSandboxConfig'>,
  ): Promise<string> {
    const object = `${config.metadata?.name} in ${podSandboxId}`;
    return (await this.#call('CreateContainer', { podSandboxId, config, sandboxConfig }, object)).containerId;
  }

  async startContainer(containerId: string): Promise<void> {
    await this.#call('StartContainer', { containerId }, containerId);
  }

  /** @param timeoutSeconds - between the stop signal and SIGKILL; 0 kills at once */
  async stopContainer(containerId: string, timeoutSeconds: number): Promise<void> {
    const timeoutMs = ORDINARY + timeoutSeconds * 1000;
    await this.#call('StopContainer', { containerId, timeout: timeoutSeconds }, containerId, { timeoutMs });
  }

  async removeContainer(containerId: string): Promise<void> {
    await this.#call('RemoveContainer', { containerId }, containerId);
  }

  async listContainers(filter: CriRequest<'ContainerFilter'> = {}): Promise<CriReply<'Container'>[]> {
    return (await this.#call('ListContainers', { filter }, 'all')).containers;
  }

  async containerStatus(
    containerId: string,
    verbose = false,
  ): Promise<{ status: CriReply<'ContainerStatus'>; info: Record<string, string> }> {
    const reply = await this.#call('ContainerStatus', { containerId, verbose }, containerId);
    if (!reply.status) throw new CriError('ContainerStatus', containerId, 'NOT_FOUND', 'no status');
    return { status: reply.status, info: reply.info };
  }

  /**
   * Runs a program in a container and returns its output, at most 16 MiB of each stream.
   *
   * @param timeoutSeconds - 0: as long as it takes, within two minutes
   */
  execSync(
    containerId: string,
    cmd: readonly string[],
    timeoutSeconds = 0,
  ): Promise<CriReply<'ExecSyncResponse'>> {
    const timeoutMs = timeoutSeconds > 0 ? timeoutSeconds * 1000 + 10_000 : ORDINARY;
    const request = { containerId, cmd, timeout: timeoutSeconds };
    return this.#call('ExecSync', request, `${cmd[0]} in ${containerId}`, { timeoutMs });
  }

  /**
   * Where the runtime's streaming server waits for this program's streams (WebSocket or SPDY); good for one
   * connection within a minute. With `tty` there is no stderr.
   */
  async exec(request: CriRequest<'ExecRequest'>): Promise<string> {
    return (await this.#call('Exec', request, `${request.cmd?.[0]} in ${request.containerId}`)).url;
  }

  /** As {@link exec}, for the streams of the container's own first process. */
  async attach(request: CriRequest<'AttachRequest'>): Promise<string> {
    return (await this.#call('Attach', request, request.containerId ?? '')).url;
  }

  /** As {@link exec}, for connections to ports of the pod's loopback. */
  async portForward(podSandboxId: string, port: readonly number[]): Promise<string> {
    return (await this.#call('PortForward', { podSandboxId, port }, podSandboxId)).url;
  }

  /** Makes the runtime write to a new file at the container's log path, after the old one was moved away. */
  async reopenContainerLog(containerId: string): Promise<void> {
    await this.#call('ReopenContainerLog', { containerId }, containerId);
  }

  /** The file systems that hold images, and how much of them images take. */
  async imageFsInfo(): Promise<CriReply<'FilesystemUsage'>[]> {
    return (await this.#call('ImageFsInfo', {}, 'all')).imageFilesystems;
  }

  async listImages(): Promise<CriReply<'Image'>[]> {
    return (await this.#call('ListImages', {}, 'all')).images;
  }

  /** The image when the node has it. */
  async imageStatus(image: string): Promise<CriReply<'Image'> | undefined> {
    return (await this.#call('ImageStatus', { image: { image } }, image)).image ?? undefined;
  }

  /** @returns the reference under which the runtime knows it from now on */
  async pullImage(image: string, auth?: CriRequest<'AuthConfig'>): Promise<string> {
    const request = auth ? { image: { image }, auth } : { image: { image } };
    return (await this.#call('PullImage', request, image, { timeoutMs: PULL })).imageRef;
  }

  /** Removes an image with all its names. One that is not there is no error. */
  async removeImage(image: string): Promise<void> {
    await this.#call('RemoveImage', { image: { image } }, image);
  }
}
