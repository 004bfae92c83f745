import { mkdirSync } from 'node:fs';
import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import type { Logger } from 'pino';
import { DEFAULT_SPOOL } from '../cni/protocol.ts';
import type { ConfigSource } from './config-source.ts';
import { crashStepProblem } from './crash.ts';
import { LIST_ARGUMENT, printSandboxes } from './runtime.ts';
import { VERSION } from './version.ts';

const HELP = `Usage: agent [options]

The Flyover node agent: gives pods their addresses and their network.

       agent install-front --front FILE [--root DIR]     puts the plugin on the node, and ends
       agent uninstall [--wait] [--force] [--purge]      takes what agents put on the node away again; see below

  --config FILE    node configuration (default /etc/flyover/node.json); read again on SIGHUP and when it changes
  --state DIR      address journal (default /var/lib/flyover/agent)
  --run DIR        sockets agent.sock and metrics.sock (default /run/flyover)
  --spool DIR      queued DELs (default ${DEFAULT_SPOOL})
  --metrics ADDR   serve health and metrics over TCP too, on loopback only: 127.0.0.1:9470
  --log-level L    trace, debug, info (default), warn or error
  --version, --help

In a cluster, instead of --config:
  --kubeconfig FILE   take node, settings and pods from this API server
  --in-cluster        the same by the pod's service account
  --node-name N       which Node this is (default $NODE_NAME, then the host name)
  --cri SOCKET        the runtime's socket (default /run/containerd/containerd.sock)
  --no-conflist       do not write the CNI configuration when the agent can serve; somebody else does

Of uninstall, for which no agent may run:
  --wait    begin when no pod is attached any more, instead of refusing
  --force   also while pods are attached: they keep their network, and nothing will release it
  --purge   also the agent's state

Exit codes: 0 stopped by a signal, 1 failure, 2 wrong usage.
`;

interface Values {
  config: string;
  state: string;
  run: string;
  spool: string;
  metrics?: string;
  kubeconfig?: string;
  'in-cluster': boolean;
  'node-name'?: string;
  cri: string;
  'no-conflist': boolean;
  'log-level': string;
}

function usage(message: string): never {
  process.stderr.write(`agent: ${message}\n\n${HELP}`);
  process.exit(2);
}

function readArguments(): Values {
  try {
    const { values } = parseArgs({
      options: {
        config: { type: 'string', default: '/etc/flyover/node.json' },
        state: { type: 'string', default: '/var/lib/flyover/agent' },
        run: { type: 'string', default: '/run/flyover' },
        spool: { type: 'string', default: DEFAULT_SPOOL },
        metrics: { type: 'string' },
        kubeconfig: { type: 'string' },
        'in-cluster': { type: 'boolean', default: false },
        'node-name': { type: 'string' },
        cri: { type: 'string', default: '/run/containerd/containerd.sock' },
        'no-conflist': { type: 'boolean', default: false },
        'log-level': { type: 'string', default: 'info' },
        version: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
    if (values.help || values.version) {
      process.stdout.write(values.help ? HELP : `${VERSION}\n`);
      process.exit(0);
    }
    return values;
  } catch (error) {
    return usage(error instanceof Error ? error.message : String(error));
  }
}

async function run(values: Values): Promise<void> {
  // V8 lets its space for young objects grow to 32 MB under load and keeps it. Work here comes in small pieces:
  // after a thousand pods this is 37 MB of memory instead of 58, and costs no time that could be measured.
  setFlagsFromString('--semi-space-growth-factor=1');
  // Else the heap may double after a list of ten thousand Services, and keeps what it took: 160 MB instead of 125.
  setFlagsFromString('--heap-growing-percent=20');
  const { pino } = await import('pino');
  const { Agent } = await import('./agent.ts');
  const { metrics, state, run, spool } = values;
  const log = pino(
    {
      level: values['log-level'],
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }) },
    },
    pino.destination({ fd: 2, sync: true }),
  );
  mkdirSync(run, { recursive: true, mode: 0o755 });
  const agent = await Agent.start(
    {
      config: await sourceOf(values, log),
      state,
      run,
      spool,
      version: VERSION,
      self: [process.execPath, process.argv[1] ?? ''],
      ...(metrics === undefined ? {} : { metrics }),
    },
    log,
  );
  process.on(
    'SIGHUP',
    () => void agent.reload().catch((error: unknown) => log.error({ err: error }, 'reload failed')),
  );
  let stopping = false;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (stopping) return;
      stopping = true;
      log.info({ signal }, 'stopping; pods keep their network');
      void agent.stop().then(() => process.exit(0));
    });
  }
}

/** The file, or a cluster. What only a cluster needs is loaded only there. */
async function sourceOf(values: Values, log: Logger): Promise<string | ConfigSource> {
  const { kubeconfig } = values;
  if (kubeconfig === undefined && !values['in-cluster']) return values.config;
  const { startKubernetesSource } = await import('./kubernetes/start.ts');
  return startKubernetesSource({
    ...(kubeconfig === undefined ? {} : { kubeconfig }),
    nodeName: values['node-name'] ?? process.env.NODE_NAME ?? hostname(),
    state: values.state,
    cri: values.cri,
    conflist: !values['no-conflist'],
    log,
  });
}

/** The plugin on the node, for whoever starts the agent afterwards. */
async function placeFront(): Promise<void> {
  const { values } = parseArgs({
    args: process.argv.slice(3),
    options: { front: { type: 'string' }, root: { type: 'string', default: '/' } },
  });
  if (values.front === undefined) usage('install-front: --front FILE is missing; name the built plugin');
  const { installFront } = await import('./install.ts');
  const { written, kept } = installFront({ root: values.root, front: values.front });
  for (const path of written) process.stdout.write(`written ${path}\n`);
  for (const path of kept) process.stdout.write(`kept    ${path}\n`);
}

/** What agents have put on the node, away again. */
async function removeAll(): Promise<void> {
  const flag = { type: 'boolean', default: false } as const;
  const { values } = parseArgs({
    args: process.argv.slice(3),
    options: { wait: flag, force: flag, purge: flag },
  });
  const { noMorePods, removeFromNode } = await import('./remove.ts');
  // Of a process without a parent's init to do it for it, as in a container, signals are ignored by default.
  process.on('SIGTERM', () => process.exit(1));
  if (values.wait) {
    await noMorePods((attached) =>
      process.stdout.write(`waiting for ${attached.length} pod interfaces to go: drain the node\n`),
    );
  }
  const { removed, left } = removeFromNode(values);
  for (const path of removed) process.stdout.write(`removed ${path}\n`);
  for (const path of left) process.stdout.write(`left    ${path}: it was changed since\n`);
}

/** Steps that are run once and end. */
const STEPS: Record<string, () => Promise<void>> = { 'install-front': placeFront, uninstall: removeAll };
const step = STEPS[process.argv[2] ?? ''];

if (step) {
  await step().catch((error: unknown) => {
    process.stderr.write(`agent: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  });
} else if (process.argv[2] === LIST_ARGUMENT) {
  await printSandboxes(process.argv[3] ?? '').catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  });
} else {
  const values = readArguments();
  if (!['trace', 'debug', 'info', 'warn', 'error'].includes(values['log-level'])) {
    usage(`--log-level '${values['log-level']}' is none; use trace, debug, info, warn or error`);
  }
  const problem = crashStepProblem();
  if (problem) usage(problem);
  await run(values).catch((error: unknown) => {
    process.stderr.write(`agent: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  });
}
