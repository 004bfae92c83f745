import { dirname, join } from 'node:path';
import type { Logger } from 'pino';
import { nthAddress, parseCidr } from '../../address/cidr.ts';
import { formatAddress } from '../../address/ip.ts';
import { NAMESPACES } from '../../kube/resources.ts';
import { controlPlaneName } from '../azure/door/machine.ts';
import { hasOwnNetwork } from '../azure/door/network-plugin.ts';
import { dnsAddons } from '../dns/addon.ts';
import { ensurePki } from '../kubernetes/auth/pki.ts';
import {
  isAlive,
  type ProcessIdentity,
  type ServiceSpec,
  startMachine,
  startService,
} from '../machine/index.ts';
import { LAB_RUN } from '../paths.ts';
import { addons } from './addons.ts';
import type { ControlPlaneOrder } from './context.ts';
import { adminClient, ensureAdmin, ensureKubeconfig, waitFor } from './kube-access.ts';
import { controlPlaneRef, KUBERNETES_FOLDER, kubernetesFile, type Programs, pkiOf } from './machine-files.ts';
import { NODE_POOLS_SOCKET } from './node-pools.ts';

/** How long the API may take until it serves, in milliseconds; on two busy cores several start at once. */
const PATIENCE_MS = 60_000;
/** There is one of each: who is started again after a kill -9 need not wait for the end of its own Lease. */
const IDENTITY = ['--identity', 'control-plane'];
const FIELD_MANAGER = 'flyover-lab';

interface ControlPlaneBuild extends ControlPlaneOrder {
  netns: string;
  programs: Programs;
  log: Logger;
}

/**
 * Starts what of a control plane does not run yet, and waits until the API serves and has what the lab puts into it.
 * @throws Error with what did not start, and its log
 */
export async function startControlPlane(build: ControlPlaneBuild): Promise<Record<string, ProcessIdentity>> {
  const { name, apiServerAddress } = build;
  // The Service `kubernetes` has the first address of the range.
  const serviceAddress = formatAddress(nthAddress(parseCidr(build.serviceCidr), 1));
  await ensurePki(pkiOf(name), {
    cluster: name,
    names: [],
    addresses: [apiServerAddress, serviceAddress],
  });
  await Promise.all([
    ensureAdmin(build),
    ensureKubeconfig(kubernetesFile(name, 'controllers.conf'), build, {
      user: 'system:kube-controller-manager',
    }),
    ensureKubeconfig(kubernetesFile(name, 'scheduler.conf'), build, { user: 'system:kube-scheduler' }),
    ...(hasOwnNetwork(build)
      ? []
      : [ensureKubeconfig(kubernetesFile(name, 'operator.conf'), build, { user: 'flyover-operator' })]),
  ]);
  const machine = await startMachine({
    ...controlPlaneRef(name),
    hostname: controlPlaneName(name),
    netns: build.netns,
    addresses: [apiServerAddress],
    detach: [LAB_RUN],
    keep: [dirname(build.programs.dist)],
  });
  const [apiServerSpec, ...clients] = services(build);
  const apiServer = await startService(machine, apiServerSpec!);
  using client = adminClient(name);
  await waitFor('the API server', () => ready(client), {
    patienceMs: PATIENCE_MS,
    everyMs: 20,
    works: () => {
      if (!build.wanted()) return 'nobody wants it any more';
      return isAlive(apiServer.process) ? undefined : `it ended; see ${apiServer.log}`;
    },
  });
  for (const { type, object } of [...addons(build), ...dnsAddons(build, build.programs)]) {
    const { name, namespace } = object.metadata;
    await client.patch<object>(type, { name, ...(namespace ? { namespace } : {}) }, object, {
      type: 'apply',
      fieldManager: FIELD_MANAGER,
      force: true,
    });
  }
  // Begun before they would be refused, and would wait before they try again.
  const [controllers, operator] = await Promise.all(clients.map((spec) => startService(machine, spec)));
  return {
    init: machine.init,
    apiServer: apiServer.process,
    controllers: controllers!.process,
    ...(operator ? { operator: operator.process } : {}),
  };
}

function services(build: ControlPlaneBuild): ServiceSpec[] {
  const { node, dist } = build.programs;
  const file = (name: string): string => join(KUBERNETES_FOLDER, name);
  const program = (name: string, ...argv: string[]): string[] => [node, join(dist, name), ...argv];
  return [
    {
      name: 'apiserver',
      argv: program(
        'apiserver.js',
        ...['--state', KUBERNETES_FOLDER, '--pki', file('pki')],
        ...['--address', build.apiServerAddress, '--port', '443'],
        ...['--service-cidr', build.serviceCidr, '--cluster', build.name],
      ),
    },
    {
      name: 'controllers',
      argv: program(
        'controllers.js',
        ...['--kubeconfig', file('controllers.conf'), '--scheduler-kubeconfig', file('scheduler.conf')],
        ...IDENTITY,
        ...(build.autoscaler ? ['--node-pools', file(NODE_POOLS_SOCKET)] : []),
      ),
    },
    ...(hasOwnNetwork(build)
      ? []
      : [
          {
            name: 'operator',
            argv: program('operator.js', '--kubeconfig', file('operator.conf'), ...IDENTITY),
          },
        ]),
  ];
}

async function ready(client: ReturnType<typeof adminClient>): Promise<string | undefined> {
  const namespace = await client.find(NAMESPACES, { name: 'kube-system' });
  return namespace ? undefined : 'it has no namespace kube-system yet';
}
