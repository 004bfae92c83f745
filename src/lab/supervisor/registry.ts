import { join } from 'node:path';
import type { Logger } from 'pino';
import { REGISTRY_ADDRESS } from '../fabric/ranges.ts';
import { clusterDnsImage } from '../images/cluster-dns.ts';
import { LAB_CACHE } from '../paths.ts';
import { buildApart } from '../registry/builder.ts';
import { ImageStore, type RunningRegistry, serveRegistry } from '../registry/index.ts';

const PORT = 5000;
/** Where the nodes of the lab pull their images from first. */
export const REGISTRY_URL = `http://${REGISTRY_ADDRESS}:${PORT}`;

/** The lab's registry, on the lab's internet. Its images outlive the lab. */
export class LabRegistry {
  readonly #netns: string;
  readonly #builder: string;
  readonly #log: Logger;
  #running: RunningRegistry | undefined;

  /** @param builder - the bundle that builds ready-made images */
  constructor(netns: string, builder: string, log: Logger) {
    this.#netns = netns;
    this.#builder = builder;
    this.#log = log;
  }

  /** Never rejects: without it nodes pull from the real registries alone. */
  async start(): Promise<void> {
    try {
      const store = new ImageStore(join(LAB_CACHE, 'images'));
      this.#running = await serveRegistry({
        store,
        listen: { host: REGISTRY_ADDRESS, port: PORT, netns: this.#netns },
        standIns: {
          build: (recipe, step) => buildApart(this.#builder, store.folder, recipe, step),
        },
        log: (text) => this.#log.info(text),
      });
      // Every cluster wants it, and as soon as its first node is Ready.
      void this.#running.prepare([clusterDnsImage()]);
    } catch (error) {
      this.#log.error({ err: error }, 'the registry does not start: images come from the real ones alone');
    }
  }

  close(): void {
    void this.#running?.close();
  }
}
