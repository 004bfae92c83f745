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
  type EndpointSlice,
  keyOf,
  NODES,
  PODS,
  type Pod,
  SERVICES,
  type Service,
} from '../common/objects.ts';
import { controllerRef } from '../common/owners.ts';
import { namePrefix } from '../common/pods.ts';
import { addressTypes, desiredEndpoints, isManaged, selects } from './desired.ts';
import { desiredSubsets } from './legacy.ts';
import { MANAGED_BY, planSlices, sliceLabels } from './slices.ts';

const TRIGGER = 'endpoints.kubernetes.io/last-change-trigger-time';
/** A slice that the cache does not show after so many ms was deleted before it could. */
const UNSEEN_MS = 1000;
/** Upstream lets one wait too (--endpointslice-updates-batch-period), by default not at all. */
const MOST_GATHERED_MS = 500;
const MANAGED_LABEL = 'endpointslice.kubernetes.io/managed-by';

/** EndpointSlices and Endpoints of the Services that select pods. */
export function endpointsController(context: Context): Controller {
  const services = context.informers.of(SERVICES);
  const pods = context.informers.of(PODS);
  const nodes = context.informers.of(NODES);
  const slices = context.informers.of(ENDPOINT_SLICES);
  const endpoints = context.informers.of(ENDPOINTS);
  /** Services by namespace: each change of a pod asks which select it. */
  const byNamespace = new Map<string, Map<string, Service>>();
  /** Slices we have made that the cache does not show yet, by service key. */
  /** How many pods a Service had at last: of many, changes are gathered for a moment before they are written. */
  const sizes = new Map<string, number>();
  const unseen = new Map<string, Map<string, number>>();
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
  const podChanged = (pod: Pod): void => {
    for (const [key, service] of byNamespace.get(pod.metadata.namespace) ?? [])
      if (selects(service, pod)) loop.addAfter(key, Math.min(MOST_GATHERED_MS, (sizes.get(key) ?? 0) >> 1));
  };
  pods.on('add', podChanged).on('delete', podChanged);
  pods.on('update', (pod, old) => {
    if (!same(pod.metadata.labels, old.metadata.labels)) podChanged(old);
    podChanged(pod);
  });
  const sliceChanged = (slice: EndpointSlice): void => {
    const name = slice.metadata.labels?.['kubernetes.io/service-name'];
    if (!name || slice.metadata.labels?.[MANAGED_LABEL] !== MANAGED_BY) return;
    const key = `${slice.metadata.namespace}/${name}`;
    unseen.get(key)?.delete(slice.metadata.uid);
    loop.add(key);
  };
  slices.on('add', sliceChanged).on('delete', sliceChanged).on('update', sliceChanged);
  endpoints.on('delete', (o) => loop.add(keyOf(o)));
  nodes.on('update', (node, old) => {
    if (same(node.metadata.labels, old.metadata.labels)) return;
    for (const pod of pods.byIndex('node', node.metadata.name)) podChanged(pod);
  });

  async function reconcile(key: string): Promise<number | undefined> {
    const service = services.get(key);
    const own = slices
      .byIndex('service', key)
      .filter((slice) => slice.metadata.labels?.[MANAGED_LABEL] === MANAGED_BY);
    if (!service) {
      unseen.delete(key);
      sizes.delete(key);
      // Endpoints are not owned by their Service; slices are, and the garbage collector has them too.
      for (const slice of own) await remove(context, ENDPOINT_SLICES, slice);
      const legacy = endpoints.get(key);
      if (legacy && !isElectionRecord(legacy.metadata.annotations)) await remove(context, ENDPOINTS, legacy);
      return undefined;
    }
    if (!isManaged(service) || service.metadata.deletionTimestamp) return undefined;
    // Slices of ours are on their way into the cache: they queue us again. Should one have gone before it came, we look again.
    const waiting = unseen.get(key);
    for (const [uid, since] of waiting ?? []) if (context.now() - since > UNSEEN_MS) waiting?.delete(uid);
    if (waiting?.size) return UNSEEN_MS;
    const members = pods
      .byIndex('namespace', service.metadata.namespace)
      .filter((pod) => selects(service, pod));
    sizes.set(key, members.length);
    try {
      await writeSlices(key, service, own, members);
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

  async function writeSlices(
    key: string,
    service: Service,
    own: EndpointSlice[],
    members: Pod[],
  ): Promise<void> {
    const families = addressTypes(service);
    const labels = sliceLabels(service);
    for (const stray of own)
      if (!families.includes(stray.addressType as 'IPv4')) await remove(context, ENDPOINT_SLICES, stray);
    for (const type of families) {
      const existing = own.filter((slice) => slice.addressType === type);
      const groups = desiredEndpoints(service, members, type, (name) => nodes.get(name));
      const plan = planSlices(service, type, existing, groups);
      const annotations = { [TRIGGER]: timestamp(context.now()) };
      for (const { ports, endpoints: list, addressType } of plan.create) {
        const made = await create(context, ENDPOINT_SLICES, {
          metadata: {
            generateName: namePrefix(service.metadata.name),
            namespace: service.metadata.namespace,
            labels,
            annotations,
            ownerReferences: [controllerRef(SERVICES, service)],
          },
          addressType,
          ports,
          endpoints: list,
        });
        if (slices.get(keyOf(made))) continue;
        const waiting = unseen.get(key) ?? new Map<string, number>();
        unseen.set(key, waiting.set(made.metadata.uid, context.now()));
      }
      for (const { slice, endpoints: list } of plan.update)
        await merge(context, ENDPOINT_SLICES, slice, {
          metadata: {
            resourceVersion: slice.metadata.resourceVersion,
            labels: withNulls(slice.metadata.labels, labels),
            annotations,
          },
          endpoints: list,
        });
      for (const slice of plan.delete) await remove(context, ENDPOINT_SLICES, slice);
    }
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

/** Old lock objects of leader elections are Endpoints without a Service. */
function isElectionRecord(annotations: Record<string, string> | undefined): boolean {
  return annotations?.['control-plane.alpha.kubernetes.io/leader'] !== undefined;
}

/** For a merge patch that leaves exactly these labels. */
function withNulls(
  old: Record<string, string> | undefined,
  next: Record<string, string>,
): Record<string, string | null> {
  const result: Record<string, string | null> = { ...next };
  for (const key in old) if (!(key in next)) result[key] = null;
  return result;
}
