import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { parseCidr } from '../../../address/cidr.ts';
import { Store } from '../store/store.ts';
import { WatchHub } from '../watch/hub.ts';
import { accessOf } from './access.ts';
import {
  ensureKubernetesService,
  ensureNamespaces,
  followNamespaces,
  keepKubernetesService,
} from './bootstrap.ts';
import { compactRegularly, sweepRegularly } from './housekeeping.ts';
import { Metrics } from './metrics.ts';
import { Reservations } from './reservations.ts';
import type { Runtime } from './runtime.ts';
import { HttpServer } from './server.ts';
import type { Plugins } from './types.ts';
import { wire } from './wiring.ts';
import { Writer } from './writer.ts';

export interface ApiServerOptions {
  /** The folder of kube.sqlite; made when missing. */
  state: string;
  /** The folder that `ensurePki` made. */
  pki: string;
  /** Where to serve: the first one is what pods are told. */
  addresses: readonly string[];
  /** 0 for any. */
  port: number;
  /** `10.0.0.0/16` */
  serviceCidr: string;
  /** Told of failures that no client hears of. */
  onError?: (error: unknown, what: string) => void;
  /** Changes what the rooms bring; for tests. */
  plugins?: (plugins: Plugins) => Plugins;
}

export interface RunningApiServer {
  readonly runtime: Runtime;
  readonly port: number;
  /** Ends watches, lets requests finish, closes the store. */
  close(): Promise<void>;
}

/** Opens the store, puts the rooms together, makes what every cluster has, and serves. */
export async function startApiServer(options: ApiServerOptions): Promise<RunningApiServer> {
  const { pki, addresses, onError = () => {} } = options;
  const serviceCidr = parseCidr(options.serviceCidr, '--service-cidr');
  const wired = wire({ pki, onError });
  const plugins = options.plugins?.(wired) ?? wired;
  const store = new Store(join(options.state, 'kube.sqlite'));
  const endings: (() => void)[] = [];
  try {
    const access = accessOf(store, plugins, () => writer);
    const reservations = new Reservations(store);
    const writer: Writer = new Writer({ store, plugins, access, reservations, serviceCidr });
    const hub = new WatchHub(store);
    const metrics = new Metrics();
    const runtime: Runtime = { store, hub, plugins, access, writer, reservations, serviceCidr, metrics };
    metrics.gauge('apiserver_registered_watchers', 'Watches that are open.', () => hub.size);
    metrics.gauge('apiserver_storage_size_bytes', 'Size of the database.', () => store.bytes);
    metrics.gauge('apiserver_storage_revision', 'The newest revision.', () => store.revision);
    metrics.gauge('process_resident_memory_bytes', 'Resident memory.', () => process.memoryUsage.rss());
    const server = new HttpServer({
      runtime,
      tls: {
        cert: readFileSync(join(pki, 'apiserver.crt')),
        key: readFileSync(join(pki, 'apiserver.key')),
        ca: readFileSync(join(pki, 'ca.crt')),
      },
      onError,
    });
    server.checks.set('store', () => store.get('health'));
    endings.push(followNamespaces(access, onError));
    await ensureNamespaces(access);
    await plugins.start?.(access, store);
    const [first = '127.0.0.1', ...others] = addresses;
    const { port } = (await server.listen(options.port, first)) as AddressInfo;
    for (const address of others) await server.listen(port, address);
    const place = { address: first, port };
    await ensureKubernetesService(runtime, place);
    endings.push(
      keepKubernetesService(runtime, place, onError),
      compactRegularly(store),
      sweepRegularly(runtime, onError),
    );
    return {
      runtime,
      port,
      async close() {
        for (const end of endings) end();
        await server.close();
        store.close();
      },
    };
  } catch (error) {
    for (const end of endings) end();
    store.close();
    throw error;
  }
}
