import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { pino } from 'pino';
import { KubeClient } from '../../kube/client.ts';
import { EventRecorder } from '../../kube/event-recorder.ts';
import { loadKubeConfig } from '../../kube/kube-config.ts';
import { LeaderElector } from '../../kube/leader-elector.ts';
import { serveHealth } from './health.ts';
import { Operator } from './operator.ts';
import { type BlockSettings, readSettings } from './settings.ts';

const HELP = `Usage: operator [options]

The Flyover operator: gives every node of a cluster its pod block (spec.podCIDRs). Several may run; one leads.

  --kubeconfig FILE            default $KUBECONFIG, ~/.kube/config, or the pod's service account
  --in-cluster                 the pod's service account, whatever files there are
  --pod-cidr LIST              ranges separated by commas; default podCIDRs of ConfigMap kube-system/flyover-config
  --node-block-size N          prefix length of a node's IPv4 block, 8..29 (default 24); with --pod-cidr
  --node-block-size-ipv6 N     of its IPv6 block, 32..125 (default 120); with --pod-cidr
  --lease-name NAME            of the Lease in kube-system that the leader holds (default flyover-operator)
  --identity NAME              holder of the Lease (default host name and a random part). A process that is started again
                               under the name it had leads at once; two at a time must never have one name
  --metrics ADDR               health and metrics over TCP, on loopback only: 127.0.0.1:9471
  --log-level L                trace, debug, info (default), warn or error
  --help

Exit codes: 0 stopped by a signal, 1 failure, 2 wrong usage.
`;

function usage(message: string): never {
  process.stderr.write(`operator: ${message}\n\n${HELP}`);
  process.exit(2);
}

function readArguments() {
  try {
    const { values } = parseArgs({
      options: {
        kubeconfig: { type: 'string' },
        'in-cluster': { type: 'boolean', default: false },
        'pod-cidr': { type: 'string', multiple: true },
        'node-block-size': { type: 'string' },
        'node-block-size-ipv6': { type: 'string' },
        'lease-name': { type: 'string', default: 'flyover-operator' },
        identity: { type: 'string' },
        metrics: { type: 'string' },
        'log-level': { type: 'string', default: 'info' },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) {
      process.stdout.write(HELP);
      process.exit(0);
    }
    if (!['trace', 'debug', 'info', 'warn', 'error'].includes(values['log-level']))
      usage(`--log-level '${values['log-level']}' is none; use trace, debug, info, warn or error`);
    return values;
  } catch (error) {
    usage(error instanceof Error ? error.message : String(error));
  }
}

type Values = ReturnType<typeof readArguments>;

function settingsOf(values: Values): BlockSettings | undefined {
  const ranges = values['pod-cidr'];
  if (ranges) {
    return readSettings({
      podCIDRs: ranges.join(','),
      nodeBlockSize: values['node-block-size'],
      nodeBlockSizeIPv6: values['node-block-size-ipv6'],
    });
  }
  if (values['node-block-size'] ?? values['node-block-size-ipv6'])
    throw new RangeError(
      '--node-block-size goes with --pod-cidr; add it, or set nodeBlockSize in the ConfigMap',
    );
  return undefined;
}

async function run(values: Values): Promise<void> {
  // As in the agent: objects come in small pieces, and V8 would keep 32 MB for the young ones.
  setFlagsFromString('--semi-space-growth-factor=1');
  const { kubeconfig } = values;
  const log = pino(
    {
      level: values['log-level'],
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }) },
    },
    pino.destination({ fd: 2, sync: true }),
  );
  const settings = settingsOf(values);
  const config = loadKubeConfig({
    inCluster: values['in-cluster'],
    ...(kubeconfig === undefined ? {} : { kubeconfig }),
  });
  // Less than what lies between the end of our term and the start of another's: no write of ours is late for it.
  const client = new KubeClient(config, { userAgent: 'flyover-operator', timeoutMs: 4000 });
  const host = hostname();
  const warn = (error: unknown): void =>
    log.warn({ err: error }, error instanceof Error ? error.message : String(error));
  const events = new EventRecorder(client, { component: 'flyover-operator', host, onError: warn });
  const elector = new LeaderElector(client, {
    namespace: 'kube-system',
    name: values['lease-name'],
    identity: values.identity || `${host}_${randomUUID()}`,
    onError: warn,
    onLeader: (identity) => log.info({ leader: identity }, 'leader'),
  });
  let operator: Operator | undefined;
  if (values.metrics !== undefined) {
    await serveHealth(values.metrics, {
      notReady: () => undefined,
      metrics: () => metricsOf(elector.leads, operator),
    });
  }
  const stopping = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stopping.abort());
  log.info({ api: config.server, from: config.source }, 'started');
  while (!stopping.signal.aborted) {
    await elector.run(stopping.signal, async (term) => {
      operator = new Operator({
        client,
        events,
        log,
        leads: () => elector.leads,
        ...(settings ? { settings } : {}),
      });
      await operator.run(term);
      operator = undefined;
    });
  }
  await events.flush();
  client.close();
  process.exit(0);
}

function metricsOf(leads: boolean, operator: Operator | undefined): string {
  const stats = operator?.stats();
  const lines: string[] = [];
  const metric = (name: string, kind: string, help: string, value: number): void => {
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${kind}`, `${name} ${value}`);
  };
  metric('flyover_operator_leader', 'gauge', 'Whether this operator leads, 1 or 0.', leads ? 1 : 0);
  if (stats) {
    metric('flyover_operator_nodes', 'gauge', 'Nodes of the cluster.', stats.nodes);
    metric('flyover_operator_nodes_waiting', 'gauge', 'Nodes without a block.', stats.waiting);
    metric('flyover_operator_blocks_used', 'gauge', 'Blocks that nodes have.', stats.used);
    metric('flyover_operator_blocks_capacity', 'gauge', 'Blocks that the pod CIDRs hold.', stats.capacity);
    metric('flyover_operator_blocks_given_total', 'counter', 'Blocks given in this term.', stats.assigned);
    metric('flyover_operator_refusals_total', 'counter', 'Nodes refused in this term.', stats.refused);
  }
  return `${lines.join('\n')}\n`;
}

const values = readArguments();
await run(values).catch((error: unknown) => {
  process.stderr.write(`operator: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
