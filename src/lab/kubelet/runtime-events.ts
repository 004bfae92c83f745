import type { Client, ClientReadableStream } from '@grpc/grpc-js';
import type { MethodDefinition } from '@grpc/proto-loader';
import { metadataOf, openClient } from './grpc-client.ts';
import { defineServices } from './grpc-schema.ts';

/** The part of containerd's own API (package containerd.services.events.v1) that says when a process has ended. */
const SCHEMA = {
  SubscribeRequest: { filters: [1, 'string[]'] },
  Envelope: { namespace: [2, 'string'], topic: [3, 'string'] },
} as const;
const SERVICES = { Events: { Subscribe: ['SubscribeRequest', 'Envelope', 'stream'] } } as const;
/** Where containerd keeps what was asked of it by CRI. */
const NAMESPACE = 'k8s.io';
const FILTERS = ['topic=="/tasks/exit"', 'topic=="/tasks/oom"', 'topic=="/tasks/delete"'];
const RETRY_MS = 1000;

/**
 * Tells as soon as something ends in containerd, which CRI 1.6 cannot. It may say nothing for a while (a restart, another
 * runtime): {@link connected} says whether it would.
 */
export class RuntimeEvents {
  readonly #client: Client;
  readonly #ended: () => void;
  #stream: ClientReadableStream<object> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  connected = false;

  /** @param ended - called for everything that ends */
  constructor(socketPath: string, ended: () => void) {
    this.#client = openClient(socketPath);
    this.#ended = ended;
  }

  start(): void {
    const method = defineServices('containerd.services.events.v1', SCHEMA, SERVICES)[
      'containerd.services.events.v1.Events'
    ]!.Subscribe as MethodDefinition<object, object>;
    this.#follow(method);
  }

  #follow(method: MethodDefinition<object, object>): void {
    const stream = this.#client.makeServerStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      { filters: FILTERS.map((filter) => `${filter},namespace==${NAMESPACE}`) },
      metadataOf({ 'containerd-namespace': NAMESPACE }),
    );
    this.#stream = stream;
    stream.on('metadata', () => {
      this.connected = true;
    });
    stream.on('data', () => {
      this.connected = true;
      this.#ended();
    });
    const again = (): void => {
      if (this.#stream !== stream) return;
      this.#stream = undefined;
      const missed = this.connected;
      this.connected = false;
      // What ended while nobody listened.
      if (missed) this.#ended();
      if (!this.#stopped) this.#timer = setTimeout(() => this.#follow(method), RETRY_MS);
    };
    stream.on('error', again);
    stream.on('end', again);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#stream?.cancel();
    this.#client.close();
  }
}
