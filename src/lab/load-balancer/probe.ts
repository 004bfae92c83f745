import { type ClientRequest, request } from 'node:http';
import { BoundSocket, Socket } from 'node:net';
import { connect as secure } from 'node:tls';
import { inNamespace } from '../../kernel/netns.ts';
import type { LoadBalancerProbe } from '../azure/types.ts';

/** One question to one node. */
export interface Probe extends Pick<LoadBalancerProbe, 'protocol' | 'port' | 'requestPath'> {
  /** The node's. */
  readonly address: string;
  /** Milliseconds within which an answer counts. */
  readonly timeoutMs: number;
}

/** Whether the node answered as it should. Never rejects. */
export type AskNode = (probe: Probe) => Promise<boolean>;

/**
 * Asks from an address that lies in a network namespace; the process itself stays where it is, and makes no other one.
 * @param onTrouble - told when a socket could not even be made there
 */
export function askFrom(options: {
  /** Path; without it the process's own namespace. */
  netns?: string;
  address: string;
  onTrouble?: (error: Error) => void;
}): AskNode {
  const bind = (): BoundSocket => new BoundSocket({ host: options.address, port: 0 });
  return async (probe) => {
    let bound: BoundSocket;
    try {
      bound = options.netns === undefined ? bind() : inNamespace(options.netns, bind);
    } catch (error) {
      options.onTrouble?.(error as Error);
      return false;
    }
    return await ask(new Socket({ handle: bound }), probe);
  };
}

/** TCP: the node accepts. HTTP and HTTPS: it answers 200; whose certificate it shows does not matter, as on Azure. */
function ask(socket: Socket, probe: Probe): Promise<boolean> {
  return new Promise<boolean>((resolve) => {
    let outgoing: ClientRequest | undefined;
    const end = (well: boolean): void => {
      clearTimeout(timer);
      outgoing?.destroy();
      socket.destroy();
      resolve(well);
    };
    const timer = setTimeout(end, probe.timeoutMs, false);
    socket.on('error', () => end(false));
    socket.on('close', () => end(false));
    socket.connect({ host: probe.address, port: probe.port }, () => {
      if (probe.protocol === 'Tcp') {
        // Closed in order: a reset would be an error in the log of every server that is probed.
        socket.removeAllListeners('close');
        clearTimeout(timer);
        socket.end();
        socket.resume();
        const grace = setTimeout(() => socket.destroy(), 1000);
        socket.once('close', () => clearTimeout(grace));
        resolve(true);
        return;
      }
      outgoing = get(socket, probe, end);
    });
  });
}

function get(socket: Socket, probe: Probe, end: (well: boolean) => void): ClientRequest {
  const { address, port, requestPath = '/' } = probe;
  const outgoing = request(
    {
      host: address,
      port,
      path: requestPath,
      headers: { 'user-agent': 'Load Balancer Agent', connection: 'close' },
      // Only without an agent is this asked.
      createConnection: () =>
        probe.protocol === 'Https' ? secure({ socket, rejectUnauthorized: false }) : socket,
    },
    (response) => {
      response.resume();
      end(response.statusCode === 200);
    },
  );
  outgoing.on('error', () => end(false));
  outgoing.end();
  return outgoing;
}
