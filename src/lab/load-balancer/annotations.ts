import type { ServicePort } from '../../kube/types.ts';
import type { LoadBalancerProbe } from '../azure/types.ts';
import { LabError } from '../errors.ts';

const PREFIX = 'service.beta.kubernetes.io/';

/** A probe's times. Source: cloud-provider-azure, "Custom load balancer health probe". */
const PROBE = { interval: 5, leastInterval: 5, count: 2, leastCount: 2, mostSeconds: 119, path: '/' };
/** Minutes until the load balancer forgets an idle connection. Source: cloud-provider-azure. */
const IDLE = { least: 4, most: 100, default: 4 };

/** Those that mean something here; of `port_…` only the ends. */
const KNOWN = new Set([
  'azure-load-balancer-internal',
  'azure-load-balancer-internal-subnet',
  'azure-load-balancer-ipv4',
  'azure-pip-name',
  'azure-load-balancer-resource-group',
  'azure-load-balancer-health-probe-protocol',
  'azure-load-balancer-health-probe-interval',
  'azure-load-balancer-health-probe-num-of-probe',
  'azure-load-balancer-health-probe-request-path',
  'azure-load-balancer-tcp-idle-timeout',
  // Reset or not, connections that are forgotten end in the fabric as they do on Azure's default.
  'azure-load-balancer-disable-tcp-reset',
]);

/** The annotations of a Service, by their names without `service.beta.kubernetes.io/`. */
export class Annotations {
  readonly #all: Readonly<Record<string, string>>;

  constructor(all: Readonly<Record<string, string>>) {
    this.#all = all;
  }

  /** Trimmed; undefined when it is absent or empty. */
  text(name: string): string | undefined {
    return this.#all[PREFIX + name]?.trim() || undefined;
  }

  /** `true` in any case, as upstream reads it. */
  flag(name: string): boolean {
    return this.text(name)?.toLowerCase() === 'true';
  }

  /** @throws LabError when it is not a whole number in its range */
  number(name: string, least: number, most: number, what: string): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    throw new LabError({
      code: 'InvalidAnnotation',
      field: PREFIX + name,
      value: text,
      rule: `is not ${what}, a whole number from ${least} to ${most}`,
      fix: 'change the annotation, or remove it for the default',
    });
  }

  /** Names that begin with the prefix, without it. */
  names(): string[] {
    return Object.keys(this.#all)
      .filter((name) => name.startsWith(PREFIX))
      .map((name) => name.slice(PREFIX.length));
  }
}

/** Minutes of idle connections. @throws LabError */
export function minutesOf(annotations: Annotations): { tcp: number; other: number } {
  const name = 'azure-load-balancer-tcp-idle-timeout';
  const tcp = annotations.number(name, IDLE.least, IDLE.most, 'minutes') ?? IDLE.default;
  return { tcp, other: IDLE.default };
}

/** Interval and number of a port's probes: those of the port, of the Service, or Azure's defaults. @throws LabError */
export function probeTimes(
  annotations: Annotations,
  port: number,
): Pick<LoadBalancerProbe, 'intervalInSeconds' | 'numberOfProbes'> {
  const read = (end: string, least: number, what: string): number | undefined =>
    annotations.number(`port_${port}_health-probe_${end}`, least, PROBE.mostSeconds, what) ??
    annotations.number(`azure-load-balancer-health-probe-${end}`, least, PROBE.mostSeconds, what);
  const intervalInSeconds = read('interval', PROBE.leastInterval, 'seconds') ?? PROBE.interval;
  const numberOfProbes = read('num-of-probe', PROBE.leastCount, 'a number of probes') ?? PROBE.count;
  if (intervalInSeconds * numberOfProbes <= PROBE.mostSeconds) {
    return { intervalInSeconds, numberOfProbes };
  }
  throw new LabError({
    code: 'InvalidAnnotation',
    field: `${PREFIX}azure-load-balancer-health-probe-interval`,
    value: `${intervalInSeconds} x ${numberOfProbes}`,
    rule: 'makes a probe of 120 seconds or more: total probe should be less than 120',
    fix: 'adjust interval and number of probes',
  });
}

/**
 * The probe of one port: TCP to its node port unless the Service says otherwise. UDP has none; without one every node
 * gets connections.
 * @param hasLocal - the Service's nodes say themselves whether they have an endpoint, unless the port names another
 * @throws LabError
 */
export function portProbe(
  name: string,
  port: ServicePort,
  all: readonly ServicePort[],
  annotations: Annotations,
  hasLocal: boolean,
): LoadBalancerProbe | undefined {
  if (port.protocol === 'UDP') return undefined;
  const named = annotations.text(`port_${port.port}_health-probe_port`);
  if (named === undefined && hasLocal) return undefined;
  const target = named === undefined ? port.nodePort : probePort(named, port.port, all);
  // A Service may do without node ports; then there is nothing to ask.
  if (!target) return undefined;
  const protocol = probeProtocol(port, annotations);
  const requestPath =
    annotations.text(`port_${port.port}_health-probe_request-path`) ??
    annotations.text('azure-load-balancer-health-probe-request-path') ??
    PROBE.path;
  return {
    name,
    protocol,
    port: target,
    ...(protocol === 'Tcp' ? {} : { requestPath }),
    ...probeTimes(annotations, port.port),
  };
}

/** A port of the Service by name or number means its node port; any other number means itself. */
function probePort(text: string, port: number, all: readonly ServicePort[]): number | undefined {
  const own = all.find(
    (each) => each.name?.toLowerCase() === text.toLowerCase() || String(each.port) === text,
  );
  if (own) return own.nodePort;
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= 1 && number <= 65_535) return number;
  throw new LabError({
    code: 'InvalidAnnotation',
    field: `${PREFIX}port_${port}_health-probe_port`,
    value: text,
    rule: 'is neither a port of the Service nor a number from 1 to 65535',
    fix: 'name a port of the Service',
  });
}

/** The port's own annotation, its appProtocol, the Service's annotation, TCP: in this order. What is unknown is TCP. */
function probeProtocol(port: ServicePort, annotations: Annotations): LoadBalancerProbe['protocol'] {
  const text =
    annotations.text(`port_${port.port}_health-probe_protocol`) ??
    port.appProtocol ??
    annotations.text('azure-load-balancer-health-probe-protocol') ??
    'tcp';
  switch (text.trim().toLowerCase()) {
    case 'http':
      return 'Http';
    case 'https':
      return 'Https';
    default:
      return 'Tcp';
  }
}

/** Annotations of Azure's that the lab does not follow, in words. */
export function notHonoured(annotations: Annotations): string[] {
  const mine =
    /^port_\d+_(no_lb_rule|no_probe_rule|health-probe_(port|protocol|interval|num-of-probe|request-path))$/;
  return annotations
    .names()
    .filter((name) => name.startsWith('azure-') || name.startsWith('port_'))
    .filter((name) => !KNOWN.has(name) && !mine.test(name))
    .map((name) => `The annotation ${PREFIX}${name} has no effect in the lab`);
}
