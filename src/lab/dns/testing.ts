import { type DecodedPacket, decode, encode, type Packet } from 'dns-packet';
import type { EndpointSlice, Service } from '../../kube/types.ts';
import { HEADER, TYPE } from './wire/constants.ts';

export interface Asked {
  id?: number;
  /** Bytes that we take by UDP; without it there is no OPT record. */
  edns?: number;
  dnssecOk?: boolean;
  version?: number;
  flags?: number;
}

/** A query as clients write it. */
export function queryPacket(name: string, type: keyof typeof TYPE | number, asked: Asked = {}): Buffer {
  const { id = 4711, edns, dnssecOk = false, version = 0, flags = 0x0100 } = asked;
  const opt = {
    type: 'OPT' as const,
    name: '.' as const,
    udpPayloadSize: edns ?? 0,
    extendedRcode: 0,
    ednsVersion: version,
    flags: dnssecOk ? 0x8000 : 0,
    flag_do: dnssecOk,
    options: [],
  };
  const packet: Packet = {
    type: 'query',
    id,
    flags,
    questions: [{ name, type: 'A' }],
    additionals: edns === undefined ? [] : [opt],
  };
  const message = encode(packet);
  const number = typeof type === 'number' ? type : TYPE[type];
  message.writeUInt16BE(number, HEADER + encode({ questions: [{ name, type: 'A' }] }).length - HEADER - 4);
  return message;
}

/** The records of an answer as `NAME TYPE DATA`, in the order of its bytes. */
export function shown(message: Buffer): string[] {
  return (read(message).answers ?? []).map(
    (record) => `${record.name} ${record.type} ${'data' in record ? text(record.data) : ''}`,
  );
}

function text(data: unknown): string {
  if (Array.isArray(data)) return data.map(String).join(' ');
  if (typeof data !== 'object' || data === null) return String(data);
  const { priority, weight, port, target } = data as Record<string, unknown>;
  return target === undefined ? JSON.stringify(data) : `${priority} ${weight} ${port} ${target}`;
}

export function read(message: Buffer): DecodedPacket {
  return decode(message);
}

export function rcodeOf(message: Buffer): number {
  return message.readUInt16BE(2) & 0xf;
}

interface ServiceShape {
  clusterIP?: string;
  clusterIPs?: string[];
  externalName?: string;
  type?: string;
  /** `http:80/TCP`, or `80`. */
  ports?: string[];
}

let version = 0;

/** @param key `namespace/name` */
export function service(key: string, shape: ServiceShape = {}): Service {
  const [namespace, name] = key.split('/') as [string, string];
  const { clusterIP, clusterIPs, externalName, type, ports = [] } = shape;
  return {
    metadata: { namespace, name, uid: key, resourceVersion: String(++version) },
    spec: {
      ...(type ? { type } : {}),
      ...(clusterIP ? { clusterIP } : {}),
      ...(clusterIPs ? { clusterIPs, clusterIP: clusterIPs[0]! } : {}),
      ...(externalName === undefined ? {} : { type: 'ExternalName', externalName }),
      ports: ports.map((text) => {
        const [, portName, port, protocol] = /^(?:(.+):)?(\d+)(?:\/(\w+))?$/.exec(text)!;
        return {
          port: Number(port),
          ...(portName ? { name: portName } : {}),
          ...(protocol ? { protocol } : {}),
        };
      }),
    },
  };
}

interface EndpointShape {
  addresses: string[];
  hostname?: string;
  ready?: boolean;
}

/** @param key `namespace/name` of the Service */
export function slice(
  key: string,
  endpoints: EndpointShape[],
  ports: { name?: string; port: number; protocol?: string }[] = [],
  suffix = 'a',
): EndpointSlice {
  const [namespace, name] = key.split('/') as [string, string];
  return {
    addressType: endpoints[0]?.addresses[0]?.includes(':') ? 'IPv6' : 'IPv4',
    metadata: {
      namespace,
      name: `${name}-${suffix}`,
      uid: `${key}-${suffix}`,
      resourceVersion: String(++version),
      labels: { 'kubernetes.io/service-name': name },
    },
    ports,
    endpoints: endpoints.map(({ addresses, hostname, ready }) => ({
      addresses,
      ...(hostname === undefined ? {} : { hostname }),
      ...(ready === undefined ? {} : { conditions: { ready } }),
    })),
  };
}
