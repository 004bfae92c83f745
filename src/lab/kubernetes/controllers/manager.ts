// All controllers of a cluster, on one set of informers.
import type { KubeClient } from '../../../kube/client.ts';
import { schedulerController } from '../scheduler/scheduler.ts';
import { disruptionController } from './cluster/disruption.ts';
import { namespaceController } from './cluster/namespaces.ts';
import { serviceAccountController } from './cluster/service-accounts.ts';
import type { Context, Controller, Log } from './common/context.ts';
import { Events } from './common/events.ts';
import { Informers } from './common/informers.ts';
import { messageOf } from './common/message.ts';
import { daemonSetController } from './daemonset/controller.ts';
import { deploymentController } from './deployment/controller.ts';
import { endpointsController } from './endpoints/controller.ts';
import { endpointsMirrorController } from './endpoints/mirror-controller.ts';
import { garbageCollector } from './gc/controller.ts';
import { jobController } from './job/controller.ts';
import { cronJobController } from './job/cron-controller.ts';
import { ttlAfterFinishedController } from './job/ttl.ts';
import { taintEvictionController } from './node/eviction.ts';
import { type NodeLifecycleOptions, nodeLifecycleController } from './node/lifecycle.ts';
import { type PodGcOptions, podGarbageCollector } from './node/pod-gc.ts';
import { replicaSetController } from './replicaset/controller.ts';
import { statefulSetController } from './statefulset/controller.ts';

export interface ManagerOptions {
  client: KubeClient;
  /** The scheduler's own identity; the controllers' when there is none. */
  schedulerClient?: KubeClient;
  /** PEM for the ConfigMaps `kube-root-ca.crt`. */
  rootCa?: string | undefined;
  log: Log;
  nodeLifecycle?: NodeLifecycleOptions;
  podGc?: PodGcOptions;
  /** Further controllers: the autoscaler. */
  more?: ((context: Context) => Controller)[];
}

export interface Manager {
  readonly context: Context;
  stop(): Promise<void>;
}

/** Starts every controller. It is the caller who sees to it that only one process does so. */
export function startManager(options: ManagerOptions): Manager {
  const { client, schedulerClient = client, log } = options;
  const informers = new Informers(client, (type, error) =>
    log.warn({ resource: type.plural, error: messageOf(error) }, 'watch failed'),
  );
  const events = new Events(client);
  const context: Context = { client, informers, events, log, now: Date.now };
  const schedulerEvents = schedulerClient === client ? events : new Events(schedulerClient);
  const controllers: Controller[] = [
    serviceAccountController(context, options.rootCa),
    schedulerController({ ...context, events: schedulerEvents }, schedulerClient),
    replicaSetController(context),
    deploymentController(context),
    daemonSetController(context),
    statefulSetController(context),
    jobController(context),
    cronJobController(context),
    ttlAfterFinishedController(context),
    endpointsController(context),
    endpointsMirrorController(context),
    namespaceController(context),
    nodeLifecycleController(context, options.nodeLifecycle),
    taintEvictionController(context),
    podGarbageCollector(context, options.podGc),
    disruptionController(context),
    ...(options.more ?? []).map((start) => start(context)),
    // Last: it shares the informers that are there by then.
    garbageCollector(context),
  ];
  return {
    context,
    stop: async () => {
      await Promise.all(controllers.map((controller) => controller.stop()));
      await informers.stop();
    },
  };
}
