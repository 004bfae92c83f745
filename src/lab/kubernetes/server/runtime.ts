import type { Cidr } from '../../../address/cidr.ts';
import type { Store } from '../store/store.ts';
import type { WatchHub } from '../watch/hub.ts';
import type { Metrics } from './metrics.ts';
import type { Reservations } from './reservations.ts';
import type { Access, Plugins } from './types.ts';
import type { Writer } from './writer.ts';

/** What handlers share. */
export interface Runtime {
  store: Store;
  hub: WatchHub;
  plugins: Plugins;
  access: Access;
  writer: Writer;
  reservations: Reservations;
  serviceCidr: Cidr;
  metrics: Metrics;
}
