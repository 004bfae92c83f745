// How endpoints are spread over slices with few writes. Pure.
import { canonical, same } from '../common/hash.ts';
import type { Endpoint, EndpointPort, EndpointSlice, Service } from '../common/objects.ts';
import { type AddressType, isHeadless, type PortGroup } from './desired.ts';

export const MOST_ENDPOINTS = 100;
export const MANAGED_BY = 'endpointslice-controller.k8s.io';
export const SERVICE_NAME = 'kubernetes.io/service-name';
const HEADLESS = 'service.kubernetes.io/headless';
export const MANAGED_LABEL = 'endpointslice.kubernetes.io/managed-by';

export interface SlicePlan {
  create: { ports: EndpointPort[]; endpoints: Endpoint[]; addressType: AddressType }[];
  update: { slice: EndpointSlice; endpoints: Endpoint[] }[];
  delete: EndpointSlice[];
}

/** The labels of the slices of a Service with a selector: the Service's, and who they belong to. */
export function sliceLabels(service: Service): Record<string, string> {
  const {
    [SERVICE_NAME]: _,
    [HEADLESS]: __,
    [MANAGED_LABEL]: ___,
    ...labels
  } = service.metadata.labels ?? {};
  return {
    ...labels,
    [SERVICE_NAME]: service.metadata.name,
    [MANAGED_LABEL]: MANAGED_BY,
    ...(isHeadless(service) && { [HEADLESS]: '' }),
  };
}

/** An endpoint stays the same one as long as its pod and addresses do. */
function identity(endpoint: Endpoint): string {
  return `${endpoint.targetRef?.uid ?? ''}/${endpoint.addresses.join(',')}`;
}

/**
 * The writes that bring the slices to the endpoints. An endpoint stays in its slice; new ones fill the slices that are changed anyway, then the
 * fullest with room for all of them, then new slices. Slices that lose all they have are reused or deleted.
 */
export function planSlices(
  labels: Record<string, string>,
  addressType: AddressType,
  existing: readonly EndpointSlice[],
  groups: readonly PortGroup[],
): SlicePlan {
  const plan: SlicePlan = { create: [], update: [], delete: [] };
  const own = existing.filter((slice) => slice.addressType === addressType);
  plan.delete.push(...existing.filter((slice) => slice.addressType !== addressType));
  const byPorts = new Map<string, EndpointSlice[]>();
  for (const slice of own) {
    const key = portsKey(slice.ports ?? []);
    byPorts.set(key, [...(byPorts.get(key) ?? []), slice]);
  }
  // A Service without endpoints has one empty slice: whoever watches sees that there are none.
  const wanted = groups.length ? groups : [{ ports: [], endpoints: [] }];
  for (const group of wanted) {
    const key = portsKey(group.ports);
    planGroup(plan, labels, addressType, byPorts.get(key) ?? [], group);
    byPorts.delete(key);
  }
  for (const slices of byPorts.values()) plan.delete.push(...slices);
  return plan;
}

function portsKey(ports: readonly EndpointPort[]): string {
  return canonical(
    [...ports]
      .map(({ name = '', port, protocol = 'TCP', appProtocol }) => ({ name, port, protocol, appProtocol }))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
  );
}

function planGroup(
  plan: SlicePlan,
  labels: Record<string, string>,
  addressType: AddressType,
  slices: readonly EndpointSlice[],
  { ports, endpoints }: PortGroup,
): void {
  const missing = new Map(endpoints.map((endpoint) => [identity(endpoint), endpoint]));
  const drafts = slices.map((slice) => {
    const kept: Endpoint[] = [];
    for (const old of slice.endpoints ?? []) {
      const now = missing.get(identity(old));
      if (!now || kept.length >= MOST_ENDPOINTS) continue;
      missing.delete(identity(old));
      kept.push(now);
    }
    const changed = !same(kept, slice.endpoints ?? []) || !same(slice.metadata.labels, labels);
    return { slice, kept, changed };
  });
  const rest = [...missing.values()];
  // What is written anyway is filled first, the fullest first.
  const room = drafts
    .filter((draft) => draft.changed && draft.kept.length < MOST_ENDPOINTS)
    .sort((a, b) => b.kept.length - a.kept.length);
  for (const draft of room) draft.kept.push(...rest.splice(0, MOST_ENDPOINTS - draft.kept.length));
  if (rest.length && rest.length < MOST_ENDPOINTS) {
    const fit = drafts
      .filter((draft) => !draft.changed && draft.kept.length + rest.length <= MOST_ENDPOINTS)
      .sort((a, b) => b.kept.length - a.kept.length)[0];
    if (fit) {
      fit.kept.push(...rest.splice(0));
      fit.changed = true;
    }
  }
  const placeholder = endpoints.length === 0;
  let kept = 0;
  for (const { slice, kept: list, changed } of drafts) {
    if (!list.length && !(placeholder && kept === 0)) {
      plan.delete.push(slice);
      continue;
    }
    kept++;
    if (changed) plan.update.push({ slice, endpoints: list });
  }
  while (rest.length) plan.create.push({ ports, endpoints: rest.splice(0, MOST_ENDPOINTS), addressType });
  if (placeholder && !kept) plan.create.push({ ports, endpoints: [], addressType });
}
