import type { EndpointSlice, ObjectMeta, Service } from '../../../kube/types.ts';
import { EXCLUDING_LABELS, SERVICE_NAME_LABEL } from '../../../service/objects.ts';
import { RANGE_ANNOTATIONS } from '../../../service/source-ranges.ts';

/** Not watched at all: Services and EndpointSlices of other proxies, as upstream selects them. */
export const SELECTOR = EXCLUDING_LABELS.map((label) => `!${label}`).join(',');

const KEPT = {
  spec: [
    'type',
    'clusterIP',
    'clusterIPs',
    'externalIPs',
    'sessionAffinity',
    'sessionAffinityConfig',
    'internalTrafficPolicy',
    'externalTrafficPolicy',
    'healthCheckNodePort',
    'loadBalancerSourceRanges',
  ],
  port: ['name', 'protocol', 'port', 'nodePort'],
  labels: [...EXCLUDING_LABELS, SERVICE_NAME_LABEL],
  annotations: RANGE_ANNOTATIONS,
} as const;

/** What the service proxy needs of a Service. There may be ten thousand of them on each node. */
export function essentialService({ metadata, spec, status }: Service): Service {
  const ingress = status?.loadBalancer?.ingress;
  const ports = spec?.ports?.map((port) => pick(port, KEPT.port));
  return {
    metadata: metadataOf(metadata),
    spec: { ...pick(spec ?? {}, KEPT.spec), ...(ports ? { ports } : {}) } as Service['spec'],
    ...(ingress?.length
      ? { status: { loadBalancer: { ingress: ingress.map((one) => pick(one, ['ip', 'ipMode'])) } } }
      : {}),
  } as Service;
}

/** What almost every endpoint says, once in memory. */
const READY = Object.freeze({ ready: true, serving: true, terminating: false });
const texts = new Map<string, string>();
const MOST_TEXTS = 10_000;

/** The same text, once in memory: there are few nodes, and each is named by thousands of endpoints. */
function shared(text: string): string {
  const known = texts.get(text);
  if (known !== undefined) return known;
  if (texts.size >= MOST_TEXTS) texts.clear();
  texts.set(text, text);
  return text;
}

/** What the service proxy needs of an EndpointSlice. */
export function essentialSlice({ metadata, addressType, endpoints, ports }: EndpointSlice): EndpointSlice {
  return {
    metadata: metadataOf(metadata),
    addressType,
    endpoints: (endpoints ?? []).map((one) => {
      const { ready, serving, terminating } = one.conditions ?? {};
      const ordinary = ready === true && serving === true && terminating === false;
      return {
        ...pick(one, ['addresses', 'hints']),
        ...(one.conditions ? { conditions: ordinary ? READY : one.conditions } : {}),
        ...(one.nodeName ? { nodeName: shared(one.nodeName) } : {}),
      };
    }),
    ports: (ports ?? []).map((one) => pick(one, ['name', 'protocol', 'port'])),
  } as EndpointSlice;
}

function metadataOf(metadata: ObjectMeta = {}): ObjectMeta {
  const kept: ObjectMeta = pick(metadata, ['name', 'namespace', 'uid', 'resourceVersion']);
  const labels = some(metadata.labels, KEPT.labels);
  const annotations = some(metadata.annotations, KEPT.annotations);
  if (labels) kept.labels = labels;
  if (annotations) kept.annotations = annotations;
  return kept;
}

function pick<T extends object, K extends keyof T>(from: T, fields: readonly K[]): Pick<T, K> {
  const kept: Partial<T> = {};
  for (const field of fields)
    if (from[field] !== undefined && from[field] !== null) kept[field] = from[field];
  return kept as Pick<T, K>;
}

function some(
  from: Record<string, string> | undefined,
  names: readonly string[],
): Record<string, string> | undefined {
  const found = names.flatMap((name) => (from?.[name] === undefined ? [] : [[name, from[name]] as const]));
  return found.length === 0 ? undefined : Object.fromEntries(found);
}
