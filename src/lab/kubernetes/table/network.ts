import { formatLabelSelector, type LabelSelector } from '../../../kube/selector.ts';
import type {
  EndpointSlice,
  Endpoints,
  Ingress,
  IngressClass,
  NetworkPolicy,
  Service,
} from '../../../kube/types.ts';
import { since } from './age.ts';
import { NONE, printer, someOf, UNSET } from './columns.ts';
import { formatLabels } from './workloads.ts';

const MOST = 3;

/** The EXTERNAL-IP column. */
export function externalAddress({ spec, status }: Service): string {
  const external = spec?.externalIPs ?? [];
  if (spec?.type === 'ExternalName') return spec.externalName ?? '';
  if (spec?.type !== 'LoadBalancer') return external.join(',') || NONE;
  const given = (status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip || hostname || '');
  return [...new Set([...given.filter(Boolean), ...external])].join(',') || '<pending>';
}

export const SERVICE = printer<Service>(
  ['Name', 'Type', 'Cluster-IP', 'External-IP', 'Port(s)', 'Age', 'Selector*'],
  (service, { now }) => {
    const { metadata, spec } = service;
    const ports = (spec?.ports ?? []).map(({ port, nodePort, protocol }) =>
      nodePort ? `${port}:${nodePort}/${protocol}` : `${port}/${protocol}`,
    );
    return [
      metadata?.name ?? '',
      spec?.type ?? '',
      spec?.clusterIPs?.[0] || spec?.clusterIP || NONE,
      externalAddress(service),
      ports.join(',') || NONE,
      since(metadata?.creationTimestamp, now),
      formatLabels(spec?.selector),
    ];
  },
);

function endpointsText({ subsets }: Endpoints): string {
  const all: string[] = [];
  for (const { addresses = [], ports = [] } of subsets ?? [])
    if (ports.length === 0) all.push(...addresses.map(({ ip }) => ip));
    else
      for (const { port } of ports)
        for (const { ip } of addresses) all.push(ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`);
  return all.length ? someOf(all, MOST) : NONE;
}

export const ENDPOINTS = printer<Endpoints>(['Name', 'Endpoints', 'Age'], (endpoints, { now }) => [
  endpoints.metadata?.name ?? '',
  endpointsText(endpoints),
  since(endpoints.metadata?.creationTimestamp, now),
]);

export const ENDPOINT_SLICE = printer<EndpointSlice>(
  ['Name', 'AddressType', 'Ports', 'Endpoints', 'Age'],
  ({ metadata, addressType, ports, endpoints }, { now }) => {
    const numbers = [...new Set((ports ?? []).map(({ port }) => (port === undefined ? '*' : String(port))))];
    const addresses = (endpoints ?? []).flatMap((one) => one.addresses ?? []);
    return [
      metadata?.name ?? '',
      addressType ?? '',
      numbers.length ? someOf(numbers, MOST) : UNSET,
      addresses.length ? someOf(addresses, MOST) : UNSET,
      since(metadata?.creationTimestamp, now),
    ];
  },
);

export const NETWORK_POLICY = printer<NetworkPolicy>(
  ['Name', 'Pod-Selector', 'Age'],
  ({ metadata, spec }, { now }) => [
    metadata?.name ?? '',
    formatLabelSelector(spec?.podSelector as LabelSelector | undefined),
    since(metadata?.creationTimestamp, now),
  ],
);

export const INGRESS = printer<Ingress>(
  ['Name', 'Class', 'Hosts', 'Address', 'Ports', 'Age'],
  ({ metadata, spec, status }, { now }) => {
    const hosts = (spec?.rules ?? []).map(({ host }) => host || '').filter(Boolean);
    const addresses = (status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip || hostname || '');
    return [
      metadata?.name ?? '',
      spec?.ingressClassName || NONE,
      hosts.length ? someOf(hosts, MOST) : '*',
      addresses.filter(Boolean).join(','),
      spec?.tls?.length ? '80, 443' : '80',
      since(metadata?.creationTimestamp, now),
    ];
  },
);

export const INGRESS_CLASS = printer<IngressClass>(
  ['Name', 'Controller', 'Parameters', 'Age'],
  ({ metadata, spec }, { now }) => {
    const { apiGroup, kind, name } = spec?.parameters ?? {};
    return [
      metadata?.name ?? '',
      spec?.controller ?? '',
      kind ? `${kind}${apiGroup ? `.${apiGroup}` : ''}/${name}` : NONE,
      since(metadata?.creationTimestamp, now),
    ];
  },
);
