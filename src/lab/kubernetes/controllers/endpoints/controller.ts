import { isKubeError } from '../../../../kube/error.ts';
import { timestamp } from '../common/conditions.ts';
import {
  type Context,
  type Controller,
  controllerLoop,
  create,
  isNamespaceTerminating,
  merge,
  remove,
} from '../common/context.ts';
import { same } from '../common/hash.ts';
import {
  ENDPOINT_SLICES,
  ENDPOINTS,
  keyOf,
  NODES,
  PODS,
  type Pod,
  SERVICES,
  type Service,
} from '../common/objects.ts';
import { isReady } from '../common/pods.ts';
import { addressTypes, desiredEndpoints, isManaged, selects } from './desired.ts';
import { desiredSubsets, isElectionRecord } from './legacy.ts';
import { SliceWriter, TRIGGER, withNulls } from './slice-writer.ts';
import { MANAGED_BY, sliceLabels } from './slices.ts';

/** Upstream lets one wait too (--endpointslice-updates-batch-period), by default not at all. */
const MOST_GATHERED_MS = 500;
/** An endpoint that goes away must be gone for everybody within 200 ms, so that no new connection meets it. */
const MOST_GATHERED_LEAVING_MS = 50;

/** EndpointSlices and Endpoints of the Services that select pods. */
export function endpointsController(context: Context): Controller {
  const services = context.informers.of(SERVICES);
  const pods = context.informers.of(PODS);
  const nodes = context.informers.of(NODES);
  const writer = new SliceWriter(context, MANAGED_BY);
  const endpoints = context.informers.of(ENDPOINTS);
  /** Services by namespace: each change of a pod asks which select it. */
  const byNamespace = new Map<string, Map<string, Service>>();
  /** How many pods a Service had at last: of many, changes are gathered for a moment before they are written. */
  const sizes = new Map<string, number>();
  const loop = controllerLoop(
    context,
    { name: 'endpoints', workers: 8, needs: [SERVICES, PODS, NODES, ENDPOINT_SLICES, ENDPOINTS] },
    reconcile,
  );

  const noteService = (service: Service): void => {
    const { namespace } = service.metadata;
    const known = byNamespace.get(namespace) ?? new Map<string, Service>();
    byNamespace.set(namespace, known.set(keyOf(service), service));
    loop.add(keyOf(service));
  };
  for (const service of services.list()) noteService(service);
  services.on('add', noteService).on('update', noteService);
  services.on('delete', (service) => {
    byNamespace.get(service.metadata.namespace)?.delete(keyOf(service));
    loop.add(keyOf(service));
  });
  const podChanged = (pod: Pod, leaves = false): void => {
    const most = leaves ? MOST_GATHERED_LEAVING_MS : MOST_GATHERED_MS;
    for (const [key, service] of byNamespace.get(pod.metadata.namespace) ?? [])
      if (selects(service, pod)) loop.addAfter(key, Math.min(most, (sizes.get(key) ?? 0) >> 1));
  };
  pods.on('add', (pod) => podChanged(pod)).on('delete', (pod) => podChanged(pod, true));
  pods.on('update', (pod, old) => {
    if (!same(pod.metadata.labels, old.metadata.labels)) podChanged(old, true);
    podChanged(pod, isUsable(old) && !isUsable(pod));
  });
  writer.onChange((key) => loop.add(key));
  endpoints.on('delete', (o) => loop.add(keyOf(o)));
  nodes.on('update', (node, old) => {
    if (same(node.metadata.labels, old.metadata.labels)) return;
    for (const pod of pods.byIndex('node', node.metadata.name)) podChanged(pod);
  });

  async function reconcile(key: string): Promise<number | undefined> {
    const service = services.get(key);
    if (!service) {
      sizes.delete(key);
      // Endpoints are not owned by their Service; slices are, and the garbage collector has them too.
      await writer.clear(key);
      const legacy = endpoints.get(key);
      if (legacy && !isElectionRecord(legacy.metadata.annotations)) await remove(context, ENDPOINTS, legacy);
      return undefined;
    }
    if (!isManaged(service) || service.metadata.deletionTimestamp) return undefined;
    const wait = writer.wait(key);
    if (wait) return wait;
    const members = pods
      .byIndex('namespace', service.metadata.namespace)
      .filter((pod) => selects(service, pod));
    sizes.set(key, members.length);
    try {
      await writeSlices(key, service, members);
      await writeLegacy(key, service, members);
    } catch (error) {
      if (isNamespaceTerminating(error)) return undefined;
      const message = `Error updating Endpoint Slices for Service ${key}: ${(error as Error).message}`;
      if (!isKubeError(error, 409))
        context.events.event(
          SERVICES,
          service,
          'Warning',
          'FailedToUpdateEndpointSlices',
          message,
          'endpoint-slice-controller',
        );
      throw error;
    }
    return undefined;
  }

  async function writeSlices(key: string, service: Service, members: Pod[]): Promise<void> {
    const nodeOf = (name: string) => nodes.get(name);
    const families = addressTypes(service).map(
      (type) => [type, desiredEndpoints(service, members, type, nodeOf)] as const,
    );
    const owner = { type: SERVICES, object: service, labels: sliceLabels(service) };
    await writer.write(key, owner, new Map(families));
  }

  async function writeLegacy(key: string, service: Service, members: Pod[]): Promise<void> {
    const subsets = desiredSubsets(service, members);
    const labels = {
      ...service.metadata.labels,
      'endpoints.kubernetes.io/managed-by': 'endpoint-controller',
      ...(service.spec.clusterIP === 'None' && { 'service.kubernetes.io/headless': '' }),
    };
    const annotations = { [TRIGGER]: timestamp(context.now()) };
    const existing = endpoints.get(key);
    if (!existing) {
      const { name, namespace } = service.metadata;
      await create(context, ENDPOINTS, {
        metadata: { name, namespace, labels, annotations },
        subsets,
      }).catch((error) => {
        if (!isKubeError(error, 409)) throw error;
      });
      return;
    }
    if (same(existing.subsets ?? [], subsets) && same(existing.metadata.labels, labels)) return;
    await merge(context, ENDPOINTS, existing, {
      metadata: {
        resourceVersion: existing.metadata.resourceVersion,
        labels: withNulls(existing.metadata.labels, labels),
        annotations,
      },
      subsets,
    });
  }

  return { name: 'endpoints', stop: () => loop.stop() };
}

/** Whether a pod may be among those that get new connections. */
function isUsable(pod: Pod): boolean {
  return pod.metadata.deletionTimestamp === undefined && isReady(pod);
}
