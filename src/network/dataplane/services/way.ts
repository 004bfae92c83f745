import { formatAddress, parseAddress } from '../../../address/ip.ts';
import type { Backend, Frontend, PortTranslation, ServiceTranslation } from '../../../service/types.ts';
import { addressTexts, type Family, rangeTexts } from './layout.ts';

/** More are not used: bounds for what one object of the API can cost here. EndpointSlices have 1,000 each. */
export const MOST_BACKENDS = 10_000;
const MOST_RANGES = 1_000;
/** nft's own bound of a comment in bytes. */
const MOST_COMMENT = 127;

/** One frontend at one address as the tables have it, all in the kernel's notation. Node ports are one for each address. */
export interface Way {
  /** `10.0.0.10 . tcp . 80`: the key of its elements. */
  readonly key: string;
  readonly family: Family;
  readonly address: string;
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly kind: Frontend['kind'];
  /** For a person who reads the tables. */
  readonly comment: string;
  /** `10.244.0.5 . 8080` each. */
  readonly backends: readonly string[];
  /** For packets from inside, where they differ. */
  readonly inside: readonly string[] | undefined;
  /** Addresses of those backends that are on this node. */
  readonly here: readonly string[];
  readonly affinitySeconds: number | undefined;
  readonly ranges: readonly string[] | undefined;
  readonly masquerade: boolean;
  readonly empty: 'reject' | 'drop';
}

/** All ways to a Service. What cannot be used is left out and told by `problem`. */
export function waysOf(
  service: ServiceTranslation,
  nodeAddresses: readonly string[],
  problem: (text: string) => void,
): Map<string, Way> {
  const ways = new Map<string, Way>();
  for (const port of service.ports)
    for (const frontend of port.frontends) {
      try {
        for (const way of waysOfFrontend(port, frontend, nodeAddresses, problem)) {
          // The families of a node port may come as two frontends: the one that has backends counts.
          const other = ways.get(way.key);
          if (other === undefined || other.backends.length + (other.inside?.length ?? 0) === 0)
            ways.set(way.key, way);
        }
      } catch (error) {
        problem(`${port.id}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  return ways;
}

function waysOfFrontend(
  port: PortTranslation,
  frontend: Frontend,
  nodeAddresses: readonly string[],
  problem: (text: string) => void,
): Way[] {
  checkPort(frontend.port, 'port');
  const addresses =
    frontend.kind === 'node-port'
      ? ([4, 6] as const).flatMap((family) => addressTexts(nodeAddresses, family))
      : [formatAddress(parseAddress(frontend.address ?? '', 'address'))];
  return addresses.map((address) => {
    const family: Family = address.includes(':') ? 6 : 4;
    const protocol = protocolOf(frontend);
    const here = new Set<string>();
    const take = (list: readonly Backend[]): string[] => {
      const taken = backendTexts(list, family, here);
      if (taken.length <= MOST_BACKENDS) return taken;
      problem(`${port.id}: has ${taken.length} backends; only the first ${MOST_BACKENDS} are used`);
      return taken.slice(0, MOST_BACKENDS);
    };
    const backends = take(frontend.backends);
    const inside = frontend.insideBackends && take(frontend.insideBackends);
    return {
      key: `${address} . ${protocol} . ${frontend.port}`,
      family,
      address,
      protocol,
      kind: frontend.kind,
      comment: commentOf(port.id, frontend.kind),
      backends,
      inside: inside && sameList(inside, backends) ? undefined : inside,
      here: [...here],
      affinitySeconds: affinityOf(frontend),
      ranges: rangesOf(frontend, family),
      masquerade: frontend.masquerade,
      empty: frontend.empty,
    };
  });
}

function protocolOf({ protocol }: Frontend): Way['protocol'] {
  if (protocol === 'TCP') return 'tcp';
  if (protocol === 'UDP') return 'udp';
  if (protocol === 'SCTP') return 'sctp';
  throw new RangeError(`protocol '${String(protocol)}' must be TCP, UDP or SCTP`);
}

function backendTexts(list: readonly Backend[], family: Family, here: Set<string>): string[] {
  const texts = new Set<string>();
  for (const { address, port, local } of list) {
    const parsed = parseAddress(address, 'backend');
    if (parsed.family !== family) continue;
    checkPort(port, 'backend port');
    const text = formatAddress(parsed);
    texts.add(`${text} . ${port}`);
    if (local) here.add(text);
  }
  return [...texts];
}

function affinityOf({ affinitySeconds }: Frontend): number | undefined {
  if (affinitySeconds === undefined) return undefined;
  if (!Number.isInteger(affinitySeconds) || affinitySeconds < 1 || affinitySeconds > 86_400)
    throw new RangeError(`affinitySeconds ${affinitySeconds} must be a whole number 1..86400`);
  return affinitySeconds;
}

/** Undefined when everybody may. A list without a range of this family, or of any, lets nobody of this family in. */
function rangesOf({ sourceRanges }: Frontend, family: Family): string[] | undefined {
  if (sourceRanges === undefined) return undefined;
  const ranges = rangeTexts(sourceRanges, family);
  if (ranges.length > MOST_RANGES)
    throw new RangeError(`${ranges.length} source ranges; at most ${MOST_RANGES} are possible`);
  return ranges.some((range) => range.endsWith('/0')) ? undefined : ranges;
}

function checkPort(port: number, field: string): void {
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new RangeError(`${field} ${port} must be a whole number 1..65535`);
}

function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((one, i) => one === b[i]);
}

function commentOf(id: string, kind: Frontend['kind']): string {
  const text = kind === 'cluster-ip' ? id : `${id} (${kind})`;
  // Names of the API are ASCII; two of 63 letters and a port's name may be longer together than a comment.
  return text.length <= MOST_COMMENT ? text : `${text.slice(0, MOST_COMMENT - 3)}...`;
}
