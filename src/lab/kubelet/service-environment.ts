import type { Service } from './model.ts';

/** `my-db` as a variable's name has it. */
const upper = (name: string): string => name.toUpperCase().replaceAll('-', '_');

/** The API server's own service, which every pod is told of. */
const MASTER = { namespace: 'default', name: 'kubernetes' };

function variablesOf(service: Service): [string, string][] {
  const { clusterIP, ports = [] } = service.spec ?? {};
  if (!clusterIP || clusterIP === 'None' || ports.length === 0) return [];
  const name = upper(service.metadata?.name ?? '');
  const host = clusterIP.includes(':') ? `[${clusterIP}]` : clusterIP;
  const result: [string, string][] = [
    [`${name}_SERVICE_HOST`, clusterIP],
    [`${name}_SERVICE_PORT`, String(ports[0]?.port)],
  ];
  for (const port of ports)
    if (port.name) result.push([`${name}_SERVICE_PORT_${upper(port.name)}`, String(port.port)]);
  for (const [index, port] of ports.entries()) {
    const protocol = port.protocol ?? 'TCP';
    const url = `${protocol.toLowerCase()}://${host}:${port.port}`;
    const prefix = `${name}_PORT_${port.port}_${protocol}`;
    if (index === 0) result.push([`${name}_PORT`, url]);
    result.push([prefix, url]);
    result.push([`${prefix}_PROTO`, protocol.toLowerCase()]);
    result.push([`${prefix}_PORT`, String(port.port)]);
    result.push([`${prefix}_ADDR`, clusterIP]);
  }
  return result;
}

/**
 * The variables by which containers find services (`DB_SERVICE_HOST`), and Docker's links of old (`DB_PORT_80_TCP`).
 *
 * @param links - false: of the API server's service only (`enableServiceLinks`)
 */
export function serviceEnvironment(
  services: readonly Service[],
  namespace: string,
  links: boolean,
): Map<string, string> {
  const isMaster = ({ metadata }: Service): boolean =>
    metadata?.namespace === MASTER.namespace && metadata.name === MASTER.name;
  const own = services.filter((service) => links && service.metadata?.namespace === namespace);
  const named = new Set(own.map((service) => service.metadata?.name));
  const master = named.has(MASTER.name) ? [] : services.filter(isMaster);
  return new Map([...master, ...own].flatMap(variablesOf));
}
