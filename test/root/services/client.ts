import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface Target {
  address: string;
  port: number;
  timeoutMs: number;
}

export interface Request extends Target {
  id: number;
  op: 'tcp' | 'udp' | 'http' | 'resolve' | 'hold' | 'ping' | 'stream' | 'end';
  name?: string;
  everyMs?: number;
}

/** How a try ended: `refused` is a reset or an ICMP error, which come at once; `silence` is nothing until the time was over. */
export interface Answer {
  kind: 'answer' | 'refused' | 'silence' | 'closed' | 'wrong';
  /** Who answered. */
  pod?: string;
  /** Whom it took the client for. */
  source?: string;
  code?: string;
  body?: string;
  samples?: Sample[];
}

export interface Sample extends Answer {
  /** ms since the epoch when the connection was begun. */
  at: number;
}

/** Who expects an answer waits long: the machine may be busy. Milliseconds. */
export const PATIENCE_MS = 20_000;
/** So long must silence last to be taken for it. Milliseconds. */
export const SILENCE_MS = 700;

const PROGRAM = join(import.meta.dirname, 'client-program.ts');

/** Somebody who lives in a network of the lab, and connects from there as often as a test likes. */
export class Client {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #last = 0;

  /** @param namespace - path of the network namespace */
  constructor(namespace: string) {
    const argv = [`--net=${namespace}`, '--', process.execPath, PROGRAM];
    this.#child = spawn('nsenter', argv, { stdio: ['pipe', 'pipe', 'inherit'] });
    createInterface(this.#child.stdout!).on('line', (line) => {
      const { id, ...answer } = JSON.parse(line) as Answer & { id: number };
      this.#waiting.get(id)?.(answer);
      this.#waiting.delete(id);
    });
    this.#child.on('exit', (code) => {
      for (const answer of this.#waiting.values())
        answer({ kind: 'closed', code: `the client ended with ${code}` });
      this.#waiting.clear();
    });
  }

  /** Who is in the same network as a process whose namespace has this name (`net:[4026532008]`), as machines see it from outside. */
  static beside(inode: string): Client {
    for (const pid of readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name))) {
      try {
        if (readlinkSync(`/proc/${pid}/ns/net`) === inode) return new Client(`/proc/${pid}/ns/net`);
      } catch {
        // It has ended meanwhile.
      }
    }
    throw new Error(`no process is in the network namespace ${inode}`);
  }

  #ask(request: Omit<Request, 'id'>): Promise<Answer> {
    const id = ++this.#last;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#child.stdin!.write(`${JSON.stringify({ id, ...request })}\n`);
    });
  }

  tcp(address: string, port: number, timeoutMs = PATIENCE_MS): Promise<Answer> {
    return this.#ask({ op: 'tcp', address, port, timeoutMs });
  }

  /** @param name - of a socket that is kept, and used again under the same name */
  udp(address: string, port: number, timeoutMs = PATIENCE_MS, name?: string): Promise<Answer> {
    return this.#ask({ op: 'udp', address, port, timeoutMs, ...(name && { name }) });
  }

  /** `code` is the status of the answer. */
  http(address: string, port: number, timeoutMs = PATIENCE_MS): Promise<Answer> {
    return this.#ask({ op: 'http', address, port, timeoutMs });
  }

  /** The addresses of a name in `body`. */
  resolve(server: string, name: string): Promise<Answer> {
    return this.#ask({ op: 'resolve', address: server, port: 53, timeoutMs: 5000, name });
  }

  /** Opens a connection that stays. */
  hold(name: string, address: string, port: number): Promise<Answer> {
    return this.#ask({ op: 'hold', name, address, port, timeoutMs: PATIENCE_MS });
  }

  /** Sends something over a connection that stays, and waits for it to come back. */
  ping(name: string, timeoutMs = PATIENCE_MS): Promise<Answer> {
    return this.#ask({ op: 'ping', name, address: '', port: 0, timeoutMs });
  }

  /** Begins to make one new connection after the other. */
  async stream(name: string, address: string, port: number, everyMs: number): Promise<void> {
    await this.#ask({ op: 'stream', name, address, port, everyMs, timeoutMs: PATIENCE_MS });
  }

  /** Ends that, and says how each went. */
  async end(name: string): Promise<Sample[]> {
    return (await this.#ask({ op: 'end', name, address: '', port: 0, timeoutMs: 0 })).samples ?? [];
  }

  close(): void {
    this.#child.stdin!.end();
  }
}
