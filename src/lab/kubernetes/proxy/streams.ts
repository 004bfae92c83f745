import { badRequest, methodNotAllowed } from '../server/status.ts';
import type { ConnectHandler, RequestContext } from '../server/types.ts';
import { forward } from './forward.ts';
import { containerOf, hostOf, type Kubelets, podOf, specOf } from './kubelet.ts';

/** As Go's strconv.ParseBool; what is no boolean is false. */
const isTrue = (query: URLSearchParams, name: string): boolean =>
  ['1', 't', 'T', 'true', 'TRUE', 'True'].includes(query.get(name) ?? '');

const LOG_PARAMETERS = [
  'follow',
  'previous',
  'timestamps',
  'sinceSeconds',
  'sinceTime',
  'tailLines',
  'limitBytes',
];

/** `pods/log` */
export function logHandler(kubelets: Kubelets): ConnectHandler {
  return async (context, access) => {
    if (context.verb !== 'get') throw methodNotAllowed(context.kind, context.verb);
    const pod = podOf(access, context.namespace, context.name);
    const container = containerOf(pod, context.query.get('container'));
    const node = specOf(pod).nodeName;
    if (!node) {
      // A pod without a node has written nothing.
      context.response.setHeader('content-type', 'text/plain');
      context.response.end();
      return undefined;
    }
    const query = new URLSearchParams();
    for (const name of LOG_PARAMETERS) {
      const value = context.query.get(name);
      if (value !== null) query.set(name, value);
    }
    const path = ['containerLogs', context.namespace ?? '', context.name ?? '', container];
    return forward(context, kubelets.target(access, node, path, query));
  };
}

function needsUpgrade(context: RequestContext): void {
  if (!['get', 'create'].includes(context.verb)) throw methodNotAllowed(context.kind, context.verb);
  if (!context.upgrade) throw badRequest('Upgrade request required');
}

const STREAMS = [
  ['stdin', 'input'],
  ['stdout', 'output'],
  ['stderr', 'error'],
  ['tty', 'tty'],
] as const;

/** `pods/exec` and `pods/attach` */
export function commandHandler(kubelets: Kubelets, verb: 'exec' | 'attach'): ConnectHandler {
  return async (context, access) => {
    needsUpgrade(context);
    const { query } = context;
    const pod = podOf(access, context.namespace, context.name);
    const container = containerOf(pod, query.get('container'));
    const node = hostOf(pod);
    if (!STREAMS.slice(0, 3).some(([name]) => isTrue(query, name)))
      throw badRequest('you must specify at least 1 of stdin, stdout, stderr');
    const commands = query.getAll('command');
    if (verb === 'exec' && commands.length === 0)
      throw badRequest('you must specify at least one command for exec');
    const asked = new URLSearchParams();
    for (const [from, to] of STREAMS) if (isTrue(query, from)) asked.set(to, '1');
    if (verb === 'exec') for (const each of commands) asked.append('command', each);
    const path = [verb, context.namespace ?? '', context.name ?? '', container];
    return forward(context, kubelets.target(access, node, path, asked));
  };
}

/** `pods/portforward` */
export function portForwardHandler(kubelets: Kubelets): ConnectHandler {
  return async (context, access) => {
    needsUpgrade(context);
    const pod = podOf(access, context.namespace, context.name);
    const path = ['portForward', context.namespace ?? '', context.name ?? ''];
    return forward(context, kubelets.target(access, hostOf(pod), path));
  };
}
