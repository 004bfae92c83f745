// The process of a cluster's controllers and scheduler: kube-controller-manager, kube-scheduler and cluster-autoscaler in one.
import { randomUUID } from 'node:crypto';
import { chmodSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { pino } from 'pino';
import { KubeClient } from '../../../kube/client.ts';
import { loadKubeConfig } from '../../../kube/kube-config.ts';
import { LeaderElector } from '../../../kube/leader-elector.ts';
import { autoscalerController } from '../autoscaler/controller.ts';
import { HttpNodePools } from '../autoscaler/http-node-pools.ts';
import { messageOf } from './common/message.ts';
import { type ManagerOptions, startManager } from './manager.ts';

const HELP = `Usage: controllers --kubeconfig FILE [options]

The controllers and the scheduler of a cluster. Several may run; one leads.

  --kubeconfig FILE             how to reach the API server
  --scheduler-kubeconfig FILE   another identity for the scheduler (default the same)
  --health SOCKET               unix socket that answers GET /healthz and /readyz
  --node-pools SOCKET           unix socket of who adds and removes nodes; turns the autoscaler on
  --scale-down-after SECONDS    how long a node must be idle before it leaves (default 600)
  --node-grace SECONDS          silence after which a node is not ready (default 40)
  --lease-name NAME             of the Lease in kube-system (default kube-controller-manager)
  --identity NAME               holder of the Lease (default host name and a random part). A process that is started again
                                under the same name leads at once; no two may have it at a time
  --log-level L                 trace, debug, info (default), warn or error
  --help

Exit codes: 0 stopped by a signal, 1 failure or lost leadership, 2 wrong usage.
`;

function usage(message: string): never {
  process.stderr.write(`controllers: ${message}\n\n${HELP}`);
  process.exit(2);
}

function readArguments() {
  try {
    const { values } = parseArgs({
      options: {
        kubeconfig: { type: 'string' },
        'scheduler-kubeconfig': { type: 'string' },
        health: { type: 'string' },
        'node-pools': { type: 'string' },
        'scale-down-after': { type: 'string', default: '600' },
        'node-grace': { type: 'string', default: '40' },
        'lease-name': { type: 'string', default: 'kube-controller-manager' },
        identity: { type: 'string' },
        'log-level': { type: 'string', default: 'info' },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) {
      process.stdout.write(HELP);
      process.exit(0);
    }
    const { kubeconfig } = values;
    if (!kubeconfig) usage('--kubeconfig is missing; give the file that says how to reach the API server');
    if (!['trace', 'debug', 'info', 'warn', 'error'].includes(values['log-level']))
      usage(`--log-level '${values['log-level']}' is none; use trace, debug, info, warn or error`);
    return { ...values, kubeconfig };
  } catch (error) {
    usage(messageOf(error));
  }
}

function seconds(name: string, text: string): number {
  if (!/^[0-9]{1,6}$/.test(text) || Number(text) === 0)
    usage(`--${name} '${text}' is no number of seconds; use 1 to 999999`);
  return Number(text) * 1000;
}

/** Answers on a unix socket that only its owner may use. */
function serveHealth(path: string, leads: () => boolean): void {
  rmSync(path, { force: true });
  const server = createServer((request, response) => {
    const known = request.method === 'GET' && ['/healthz', '/readyz', '/livez'].includes(request.url ?? '');
    response.writeHead(known ? 200 : 404, { 'content-type': 'text/plain' });
    response.end(known ? `ok${leads() ? ' leader' : ''}\n` : 'not found\n');
  });
  const mask = process.umask(0o177);
  server.listen(path, () => chmodSync(path, 0o600));
  process.umask(mask);
}

async function run(): Promise<number> {
  // Objects come in small pieces, and V8 would keep 32 MB for the young ones.
  setFlagsFromString('--semi-space-growth-factor=1');
  const values = readArguments();
  const scaleDownMs = seconds('scale-down-after', values['scale-down-after']);
  const graceMs = seconds('node-grace', values['node-grace']);
  const log = pino(
    { level: values['log-level'], base: null, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ fd: 2, sync: true }),
  );
  const config = loadKubeConfig({ kubeconfig: values.kubeconfig });
  const client = new KubeClient(config, { userAgent: 'flyover-controllers' });
  const schedulerFile = values['scheduler-kubeconfig'];
  const schedulerClient = schedulerFile
    ? new KubeClient(loadKubeConfig({ kubeconfig: schedulerFile }), { userAgent: 'flyover-scheduler' })
    : client;
  // A client of its own, with short waits: when the lead is lost no renewal of ours is on its way.
  const leaseClient = new KubeClient(config, { userAgent: 'flyover-controllers', timeoutMs: 4000 });
  const elector = new LeaderElector(leaseClient, {
    namespace: 'kube-system',
    name: values['lease-name'],
    identity: values.identity || `${hostname()}_${randomUUID()}`,
    onError: (error) => log.warn({ error: messageOf(error) }, 'leader election'),
    onLeader: (leader) => log.info({ leader }, 'leader'),
  });
  if (values.health) serveHealth(values.health, () => elector.leads);
  const stopping = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stopping.abort());
  const pools = values['node-pools'];
  const options: ManagerOptions = {
    client,
    schedulerClient,
    rootCa: config.ca,
    log,
    nodeLifecycle: { graceMs },
    more: pools
      ? [(context) => autoscalerController(context, new HttpNodePools(pools), { scaleDownMs })]
      : [],
  };
  await elector.run(stopping.signal, async (term) => {
    const manager = startManager(options);
    log.info({ server: config.server }, 'controllers run');
    if (!term.aborted)
      await new Promise((resolve) => term.addEventListener('abort', resolve, { once: true }));
    // Whoever leads next is not to find us still writing.
    if (!stopping.signal.aborted) {
      log.error({}, 'leadership lost');
      process.exit(1);
    }
    await Promise.race([manager.stop(), new Promise((resolve) => setTimeout(resolve, 3000).unref())]);
  });
  return 0;
}

run().then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`controllers: ${messageOf(error)}\n`);
    process.exit(1);
  },
);
