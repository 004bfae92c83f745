import { chmodSync, lstatSync, mkdirSync, unlinkSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { type CniHandlers, createDispatcher, type Dispatcher } from './dispatch.ts';
import { CNI_CODES, CniError } from './errors.ts';
import { failureJson, refuse } from './failure.ts';
import { type CniAnswer, encodeAnswer, MAX_FRAME } from './protocol.ts';

export type { CniCall, CniHandlers } from './dispatch.ts';

export interface CniServerOptions {
  /** Directory of DELs that fronts left while no agent answered; they are replayed. None is looked at without it. */
  spool?: string;
  /** How long a connection may take to send its request. Default 10 s. */
  requestTimeoutMs?: number;
  /** Connections at once; a further one is closed unanswered, and its front says "try again later". Default 1024. */
  maxConnections?: number;
  /** Called with every error that is not a {@link CniError}, and with faults of the spool. */
  onError?: (error: unknown, where: string) => void;
}

export interface CniServer {
  readonly socketPath: string;
  /** Replays what is in the spool now. The number of DELs done; what failed stays for the next time. */
  replay(): Promise<number>;
  /** Takes no more connections, lets running calls answer, removes the socket. */
  close(): Promise<void>;
}

/**
 * Serves plugin calls on a unix socket (mode 0600; its directory is made when missing) and resolves when it listens
 * and the spool was replayed once. A socket that nobody answers on is replaced. Throws a {@link CniError} (code 5)
 * when another agent answers there or when the path is something else than a socket.
 *
 * Calls for one attachment (container and interface) run one after another in the order of their arrival, other
 * calls at the same time. What handlers throw becomes CNI error JSON in the caller's version.
 */
export async function createCniServer(
  socketPath: string,
  handlers: CniHandlers,
  options: CniServerOptions = {},
): Promise<CniServer> {
  const onError = options.onError ?? (() => {});
  const dispatcher = createDispatcher(handlers, {
    onError,
    ...(options.spool ? { spool: options.spool } : {}),
  });
  const silent = new Set<Socket>();
  const server = createServer((socket) => {
    silent.add(socket);
    serve(socket, dispatcher, options.requestTimeoutMs ?? 10_000, () => silent.delete(socket));
  });
  server.maxConnections = options.maxConnections ?? 1024;
  mkdirSync(dirname(socketPath), { recursive: true, mode: 0o755 });
  await listen(server, socketPath);
  server.on('error', (error) => onError(error, socketPath));
  await dispatcher.start();
  return {
    socketPath,
    replay: () => dispatcher.replay(),
    async close() {
      dispatcher.stop();
      // Closing also unlinks the path (libuv does). Who has not asked anything yet is not waited for.
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of silent) socket.destroy();
      await closed;
    },
  };
}

function serve(socket: Socket, dispatcher: Dispatcher, timeoutMs: number, heard: () => void): void {
  const chunks: Buffer[] = [];
  let length = 0;
  let answered = false;
  const gone = new AbortController();
  const timer = setTimeout(() => socket.destroy(), timeoutMs);
  socket.on('error', () => socket.destroy());
  socket.on('close', () => {
    clearTimeout(timer);
    heard();
    // Who has the answer is not waited for any more, and an abort costs more than the rest of a call here.
    if (!answered) gone.abort();
  });
  socket.on('data', (chunk) => {
    if (length < 0) return; // bytes after the request: nobody asked for them
    const end = chunk.indexOf(10);
    chunks.push(end < 0 ? chunk : chunk.subarray(0, end));
    length += chunk.length;
    const tooLong = length > MAX_FRAME;
    if (end < 0 && !tooLong) return;
    length = -1;
    clearTimeout(timer);
    heard();
    const answer: Promise<CniAnswer> = tooLong
      ? Promise.resolve({
          exit: 1,
          stdout: failureJson(
            refuse(CNI_CODES.decodeFailure, 'the request is too long', `at most ${MAX_FRAME} bytes are read`)
              .failure,
          ),
        })
      : dispatcher.dispatch(Buffer.concat(chunks).toString('utf8'), gone.signal);
    chunks.length = 0;
    void answer.then((value) => {
      answered = true;
      socket.end(encodeAnswer(value));
    });
  });
}

async function listen(server: Server, path: string): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      await bind(server, path);
      chmodSync(path, 0o600);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || attempt > 2) throw error;
    }
    await removeStale(path);
  }
}

function bind(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    // The socket is bound inside of listen(), so nobody can connect before the mode is right.
    const mask = process.umask(0o177);
    try {
      server.listen({ path, backlog: 1024 }, () => {
        server.off('error', reject);
        resolve();
      });
    } finally {
      process.umask(mask);
    }
  });
}

/** Removes a socket whose server is dead; refuses to touch a live one or anything that is not a socket. */
async function removeStale(path: string): Promise<void> {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (!stat.isSocket()) {
    throw new CniError(
      CNI_CODES.ioFailure,
      `${path} is not a socket`,
      'it was left as it is; move it away or set another socket',
    );
  }
  if (await answers(path)) {
    throw new CniError(
      CNI_CODES.ioFailure,
      `another agent listens on ${path}`,
      'stop it first (systemctl stop flyover-agent), or give this one another socket',
    );
  }
  // Only the one that was probed: another agent may have replaced it in the meantime.
  if (inodeOf(path) === stat.ino) unlinkSync(path);
}

/** Whether a server takes connections at `path`. Only ECONNREFUSED (and a path gone) says that none does. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.setTimeout(2000, () => {
      probe.destroy();
      resolve(true);
    });
    probe.on('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.on('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT');
    });
  });
}

function inodeOf(path: string): number | undefined {
  return lstatSync(path, { throwIfNoEntry: false })?.ino;
}
