import { isIP } from 'node:net';
import { parseArgs } from 'node:util';

export const HELP = `Usage: dns [options]

The DNS server of a cluster: names of Services and pods from its API, all others from the servers in resolv.conf.

  --kubeconfig FILE      default $KUBECONFIG, ~/.kube/config, or the pod's service account
  --domain NAME          of the cluster (default cluster.local)
  --ttl SECONDS          of its names, 0..3600 (default 30)
  --listen ADDR          IP address, may be given twice (default 0.0.0.0)
  --port N               for queries by UDP and TCP (default 53)
  --pages ADDR           IP address of the pages /health, /ready and /metrics (default 0.0.0.0)
  --health-port N        (default 8080)
  --ready-port N         (default 8181)
  --metrics-port N       (default 9153)
  --resolv-conf FILE     who is asked for names outside the cluster (default /etc/resolv.conf)
  --lameduck SECONDS     how long it still answers after SIGTERM, 0..60 (default 5)
  --log WHAT             errors (default), or queries: a line for each of them, too
  --help

FLYOVER_DNS_LOG=queries says the same as --log queries.
Exit codes: 0 stopped by a signal, 1 failure, 2 wrong usage.
`;

export interface DnsSettings {
  readonly kubeconfig: string | undefined;
  readonly domain: string;
  readonly ttl: number;
  readonly hosts: readonly string[];
  readonly port: number;
  readonly pages: { host: string; health: number; ready: number; metrics: number };
  readonly resolvConf: string;
  readonly lameduckMs: number;
  readonly logQueries: boolean;
}

/** @returns nothing when help is wanted. @throws Error that names the option, its value, the rule and the way out */
export function readSettings(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>> = {},
): DnsSettings | undefined {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      kubeconfig: { type: 'string' },
      domain: { type: 'string', default: 'cluster.local' },
      ttl: { type: 'string', default: '30' },
      listen: { type: 'string', multiple: true, default: ['0.0.0.0'] },
      port: { type: 'string', default: '53' },
      pages: { type: 'string', default: '0.0.0.0' },
      'health-port': { type: 'string', default: '8080' },
      'ready-port': { type: 'string', default: '8181' },
      'metrics-port': { type: 'string', default: '9153' },
      'resolv-conf': { type: 'string', default: '/etc/resolv.conf' },
      lameduck: { type: 'string', default: '5' },
      log: { type: 'string', default: env.FLYOVER_DNS_LOG || 'errors' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  for (const address of [...values.listen, values.pages])
    if (isIP(address) === 0) throw new Error(`'${address}' is not an IP address to listen at; use 0.0.0.0`);
  if (!/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i.test(values.domain))
    throw new Error(`--domain '${values.domain}' is not a domain; use a name such as cluster.local`);
  if (values.log !== 'errors' && values.log !== 'queries')
    throw new Error(`--log '${values.log}' is none of errors, queries; choose one`);
  const port = (name: string, text: string): number => number(name, text, 0, 65_535);
  return {
    kubeconfig: values.kubeconfig,
    domain: values.domain.toLowerCase(),
    ttl: number('--ttl', values.ttl, 0, 3600),
    hosts: [...new Set(values.listen)],
    port: port('--port', values.port),
    pages: {
      host: values.pages,
      health: port('--health-port', values['health-port']),
      ready: port('--ready-port', values['ready-port']),
      metrics: port('--metrics-port', values['metrics-port']),
    },
    resolvConf: values['resolv-conf'],
    lameduckMs: 1000 * number('--lameduck', values.lameduck, 0, 60),
    logQueries: values.log === 'queries',
  };
}

function number(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (/^\d{1,5}$/.test(text) && value >= least && value <= most) return value;
  throw new Error(`${name} '${text}' is not a whole number from ${least} to ${most}; give one`);
}
