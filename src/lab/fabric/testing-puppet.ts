import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** What a server says about a connection, or why there is none. */
export interface Answer {
  /** Of the server. */
  name?: string;
  /** The address that the client's packets had as destination, when they came to the server. */
  local?: string;
  /** The client, as the server sees it. */
  remote?: string;
  port?: number;
  /** Number of the connection, for `say` and `close`. */
  connection?: number;
  error?: string;
  /** Bytes that were asked for and came. */
  bytes?: number;
}

export interface Target {
  protocol?: 'tcp' | 'udp';
  address: string;
  port: number;
  from?: string;
  fromPort?: number;
  /** Milliseconds to wait for the answer: for what must not come, little. */
  patience?: number;
}

/** What a puppet does: one JSON command a line in, one JSON answer a line out. */
const SCRIPT = `
const net = require('node:net'), dgram = require('node:dgram');
const connections = new Map();
let last = 0;
const about = (name, local, remote, port) => JSON.stringify({ name, local, remote, port }) + '\\n';
const waiting = (ms, begin) => new Promise((done) => {
  const timer = setTimeout(() => done({ error: 'timeout' }), ms);
  begin((answer) => { clearTimeout(timer); done(answer); });
});
const commands = {
  listen: ({ protocol, address, port, name }) => new Promise((done, fail) => {
    if (protocol === 'udp') {
      const socket = dgram.createSocket('udp4');
      socket.on('message', (_, { address: remote, port: from }) =>
        socket.send(about(name, address, remote, from), from, remote));
      socket.on('error', fail);
      socket.bind(port, address, () => done({}));
      return;
    }
    const server = net.createServer((socket) => {
      socket.on('error', () => {});
      socket.on('data', (text) => {
        const more = /big (\\d+)/.exec(text)?.[1];
        socket.write(more ? Buffer.alloc(Number(more)) : about(name, socket.localAddress, socket.remoteAddress, socket.remotePort));
      });
    });
    server.on('error', fail);
    server.listen(port, address, () => done({}));
  }),
  open: ({ protocol, address, port, from, fromPort, patience = 60000 }) => waiting(patience, (done) => {
    const connection = ++last;
    if (protocol === 'udp') {
      const socket = dgram.createSocket('udp4');
      socket.bind(fromPort ?? 0, from, () => socket.connect(port, address, () => {
        connections.set(connection, { say: (text) => socket.send(text), on: (got) => socket.once('message', got), close: () => socket.close() });
        socket.on('error', ({ code }) => done({ error: code }));
        socket.once('message', (text) => done({ connection, ...JSON.parse(text) }));
        socket.send('x');
      }));
      return;
    }
    const socket = net.connect({ host: address, port, localAddress: from, localPort: fromPort });
    setTimeout(() => { if (socket.connecting) socket.destroy(); }, patience);
    socket.on('error', ({ code }) => done({ error: code }));
    socket.once('data', (text) => done({ connection, ...JSON.parse(text) }));
    socket.on('connect', () => {
      connections.set(connection, { say: (text) => socket.write(text), on: (got) => socket.once('data', got), close: () => socket.end(), reset: () => socket.resetAndDestroy(), socket });
      socket.write('x');
    });
  }),
  openMany: async ({ targets }) => ({ all: await Promise.all(targets.map(commands.open)) }),
  say: ({ connection, patience = 60000 }) => waiting(patience, (done) => {
    connections.get(connection).on((text) => done(JSON.parse(text)));
    connections.get(connection).say('x');
  }),
  download: ({ connection, size, patience = 60000 }) => waiting(patience, (done) => {
    const { socket } = connections.get(connection);
    let bytes = 0;
    const count = (chunk) => {
      bytes += chunk.length;
      if (bytes < size) return;
      socket.off('data', count);
      done({ bytes });
    };
    socket.on('data', count);
    socket.write('big ' + size);
  }),
  reset: ({ connection }) => { connections.get(connection).reset(); connections.delete(connection); return {}; },
  close: ({ connection }) => { connections.get(connection).close(); connections.delete(connection); return {}; },
};
require('node:readline').createInterface({ input: process.stdin }).on('line', async (line) => {
  const { id, command, ...rest } = JSON.parse(line);
  const answer = await Promise.resolve(commands[command](rest)).catch(({ message }) => ({ error: message }));
  process.stdout.write(JSON.stringify({ id, ...answer }) + '\\n');
});
`;

/** A process in a namespace that serves and connects as it is told, so that tests pay for its start once. */
export class Puppet {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: unknown) => void>();
  #last = 0;

  /** @param path - of the namespace */
  constructor(path: string) {
    this.#child = spawn('nsenter', [`--net=${path}`, process.execPath, '-e', SCRIPT], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      const answer = JSON.parse(line) as { id: number };
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
    });
  }

  #ask<T>(command: string, rest: object): Promise<T> {
    const id = ++this.#last;
    return new Promise((done) => {
      this.#waiting.set(id, done as (answer: unknown) => void);
      this.#child.stdin!.write(`${JSON.stringify({ id, command, ...rest })}\n`);
    });
  }

  /** Answers everybody with its name and what it sees of them. @throws Error when it cannot listen there */
  async listen(name: string, address: string, port: number, protocol: 'tcp' | 'udp' = 'tcp'): Promise<void> {
    const { error } = await this.#ask<Answer>('listen', { name, address, port, protocol });
    if (error) throw new Error(`${name} cannot listen at ${address}:${port}: ${error}`);
  }

  /** Opens a connection, and asks the server for its name. */
  open(target: Target): Promise<Answer> {
    return this.#ask('open', target);
  }

  /** {@link open}, all at once. */
  async openMany(targets: Target[]): Promise<Answer[]> {
    return (await this.#ask<{ all: Answer[] }>('openMany', { targets })).all;
  }

  /** Asks again by a connection that is open. */
  say(connection: number, patience?: number): Promise<Answer> {
    return this.#ask('say', { connection, ...(patience ? { patience } : {}) });
  }

  /** Has the server send so many bytes. */
  download(connection: number, size: number): Promise<Answer> {
    return this.#ask('download', { connection, size });
  }

  /** Breaks a TCP connection off: its port may be used again at once. */
  reset(connection: number): Promise<Answer> {
    return this.#ask('reset', { connection });
  }

  close(connection: number): Promise<Answer> {
    return this.#ask('close', { connection });
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}

/** One puppet in each namespace that a test uses. */
export class Puppets {
  readonly #pathOf: (namespace: string) => string;
  readonly #all = new Map<string, Puppet>();

  constructor(pathOf: (namespace: string) => string) {
    this.#pathOf = pathOf;
  }

  in(namespace: string): Puppet {
    let puppet = this.#all.get(namespace);
    if (!puppet) {
      puppet = new Puppet(this.#pathOf(namespace));
      this.#all.set(namespace, puppet);
    }
    return puppet;
  }

  kill(): void {
    for (const puppet of this.#all.values()) puppet.kill();
  }
}
