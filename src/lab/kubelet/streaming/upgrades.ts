import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { CriClient } from '../cri.ts';
import { StreamingError } from './error.ts';
import type { PodLookup } from './lookup.ts';
import { commandStreams } from './parameters.ts';
import { join } from './pipe.ts';
import { type CommandStreams, joinCommand, REMOTE_COMMAND, WEBSOCKET_COMMAND } from './remote-command.ts';
import { connectRuntime, type RuntimeConnection } from './runtime-stream.ts';
import { joinTunnel, PORT_FORWARD, TUNNELLED_PORT_FORWARD } from './tunnel.ts';
import { acceptWebSocket, chooseProtocol } from './websocket.ts';

/** A request that wants its connection for itself. */
export interface UpgradeRequest {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
  /** Parts of the path, decoded. */
  readonly path: readonly string[];
  readonly query: URLSearchParams;
}

interface Context {
  readonly cri: CriClient;
  readonly lookup: PodLookup;
}

const isWebSocket = (request: IncomingMessage): boolean =>
  request.headers.upgrade?.toLowerCase() === 'websocket';

/** Gives a SPDY client the runtime's own connection: both speak the same. */
async function passThrough(upgrade: UpgradeRequest, runtime: RuntimeConnection): Promise<void> {
  const { socket, head } = upgrade;
  const protocol = runtime.protocol && `X-Stream-Protocol-Version: ${runtime.protocol}\r\n`;
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n${protocol}\r\n`,
  );
  if (head.length > 0) runtime.socket.write(head);
  if (runtime.head.length > 0) socket.write(runtime.head);
  await join(socket, runtime.socket);
}

function spdyProtocols(request: IncomingMessage): string[] {
  const offered = request.headersDistinct['x-stream-protocol-version'] ?? [];
  return offered.flatMap((each) => each.split(',').map((one) => one.trim()));
}

async function command(upgrade: UpgradeRequest, url: () => Promise<string>, streams: CommandStreams) {
  const { request, socket, head } = upgrade;
  if (!isWebSocket(request)) {
    await passThrough(upgrade, await connectRuntime(await url(), spdyProtocols(request)));
    return;
  }
  const protocol = chooseProtocol(request, WEBSOCKET_COMMAND);
  const runtime = await connectRuntime(await url(), [REMOTE_COMMAND]);
  try {
    const ws = await acceptWebSocket(request, socket, head, protocol);
    await joinCommand(ws, protocol, runtime, streams);
  } finally {
    runtime.socket.destroy();
  }
}

/** `/exec/NAMESPACE/POD/CONTAINER?command=…&input=1&output=1&error=1&tty=1` */
async function exec(upgrade: UpgradeRequest, { cri, lookup }: Context): Promise<void> {
  const [namespace = '', pod = '', container = ''] = upgrade.path;
  const streams = commandStreams(upgrade.query);
  const cmd = upgrade.query.getAll('command');
  if (cmd.length === 0) throw new StreamingError(400, 'you must specify at least one command for exec');
  const { id } = await lookup.container(namespace, pod, container);
  await command(upgrade, () => cri.exec({ containerId: id, cmd, ...streams }), streams);
}

/** `/attach/NAMESPACE/POD/CONTAINER?input=1&output=1&error=1&tty=1` */
async function attach(upgrade: UpgradeRequest, { cri, lookup }: Context): Promise<void> {
  const [namespace = '', pod = '', container = ''] = upgrade.path;
  const found = await lookup.container(namespace, pod, container);
  const asked = commandStreams(upgrade.query);
  if (asked.tty && !found.tty)
    throw new StreamingError(
      400,
      `container ${container} of pod ${pod} was not started with a terminal: attach without one`,
    );
  await command(upgrade, () => cri.attach({ containerId: found.id, ...asked }), asked);
}

/** `/portForward/NAMESPACE/POD` */
async function portForward(upgrade: UpgradeRequest, { cri, lookup }: Context): Promise<void> {
  const { request, socket, head, path } = upgrade;
  const [namespace = '', pod = ''] = path;
  const protocol = isWebSocket(request) ? chooseProtocol(request, [TUNNELLED_PORT_FORWARD]) : undefined;
  const sandbox = await lookup.sandbox(namespace, pod);
  const runtime = await connectRuntime(await cri.portForward(sandbox, []), [PORT_FORWARD]);
  try {
    if (protocol === undefined) await passThrough(upgrade, runtime);
    else await joinTunnel(await acceptWebSocket(request, socket, head, protocol), runtime);
  } finally {
    runtime.socket.destroy();
  }
}

const HANDLERS: Record<string, { parts: number; serve: typeof exec }> = {
  exec: { parts: 3, serve: exec },
  attach: { parts: 3, serve: attach },
  portForward: { parts: 2, serve: portForward },
};

/** The first parts of the paths that are served by an upgrade. */
export const UPGRADED = new Set(Object.keys(HANDLERS));

/** Serves an upgrade to its end. @throws StreamingError before the upgrade was answered */
export async function serveUpgrade(upgrade: UpgradeRequest, context: Context): Promise<void> {
  const [verb = '', ...path] = upgrade.path;
  const handler = HANDLERS[verb];
  if (!handler || path.length !== handler.parts) throw new StreamingError(404, '404 page not found');
  const wanted = upgrade.request.headers.upgrade?.toLowerCase();
  if (wanted !== 'websocket' && wanted !== 'spdy/3.1')
    throw new StreamingError(
      400,
      `unable to upgrade: unknown upgrade header "${upgrade.request.headers.upgrade}"`,
    );
  await handler.serve({ ...upgrade, path }, context);
}
