import { type ChannelOptions, Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import type { MethodDefinition } from '@grpc/proto-loader';

/** A refusal or failure of a daemon behind a unix socket: what was asked of it, about which object, and why. */
export class GrpcError extends Error {
  override readonly name: string = 'GrpcError';
  /** The method, such as `RunPodSandbox`. */
  readonly operation: string;
  /** What it was about: a container's id, an image's name. */
  readonly object: string;
  /** gRPC's own name: `NOT_FOUND`, `ALREADY_EXISTS`, `UNAVAILABLE`, `DEADLINE_EXCEEDED`. */
  readonly code: string;
  /** What the daemon said. */
  readonly detail: string;

  constructor(operation: string, object: string, code: string, detail: string, cause?: unknown) {
    super(`${operation} ${object}: ${code}: ${detail}`, { cause });
    this.operation = operation;
    this.object = object;
    this.code = code;
    this.detail = detail;
  }
}

/** gRPC requires that replies are taken as the service's own names for status numbers. */
export function statusName(code: number): string {
  return Object.entries(status).find(([, value]) => value === code)?.[0] ?? `STATUS_${code}`;
}

const CHANNEL: ChannelOptions = {
  // The default, the socket's path in percent encoding, is refused by Go's HTTP/2 server.
  'grpc.default_authority': 'localhost',
  'grpc.max_receive_message_length': 16 * 1024 * 1024,
  'grpc.max_send_message_length': 16 * 1024 * 1024,
  // One connection per client: sockets below /proc/<pid>/root are other sockets once the pid is another's.
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_retries': 0,
  // A daemon that is being restarted is back within a tenth of a second.
  'grpc.initial_reconnect_backoff_ms': 20,
  'grpc.min_reconnect_backoff_ms': 20,
  'grpc.max_reconnect_backoff_ms': 500,
};

export interface CallOptions {
  /** Milliseconds until the call is given up; the daemon is told and may still finish it. */
  readonly timeoutMs: number;
  /** Wait within the time limit for a daemon that is not there yet, instead of failing at once. */
  readonly waitForReady?: boolean;
  /** Request headers, such as containerd's namespace. */
  readonly headers?: Readonly<Record<string, string>>;
}

export function openClient(socketPath: string): Client {
  return new Client(`unix:${socketPath}`, credentials.createInsecure(), CHANNEL);
}

export function metadataOf(headers: Readonly<Record<string, string>> = {}): Metadata {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(headers)) metadata.set(key, value);
  return metadata;
}

/** Makes one call; every failure is a {@link GrpcError}. */
export function unary<Reply>(
  client: Client,
  operation: string,
  method: MethodDefinition<object, object>,
  request: object,
  object: string,
  options: CallOptions,
): Promise<Reply> {
  const metadata = metadataOf(options.headers);
  metadata.setOptions({ waitForReady: options.waitForReady ?? false });
  return new Promise((resolve, reject) => {
    const done = (error: ServiceError | null, reply?: object): void => {
      if (error) reject(new GrpcError(operation, object, statusName(error.code), error.details, error));
      else resolve(reply as Reply);
    };
    client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      metadata,
      { deadline: Date.now() + options.timeoutMs },
      done,
    );
  });
}
