import koffi from 'koffi';
import { KernelError } from '../../src/kernel/errno.ts';
import { quantile } from './statistics.ts';

// Plain system calls and no event loop: who asks must not need more of the two cores than who answers.
const libc = koffi.load('libc.so.6');
const fns = {
  socket: libc.func('int socket(int domain, int type, int protocol)'),
  connect: libc.func('int connect(int fd, const void *address, unsigned int length)'),
  send: libc.func('long send(int fd, const void *buffer, size_t length, int flags)'),
  recv: libc.func('long recv(int fd, void *buffer, size_t length, int flags)'),
  poll: libc.func('int poll(void *fds, unsigned long count, int timeout)'),
  close: libc.func('int close(int fd)'),
};

const AF_INET = 2;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;
const POLLIN = 1;
const POLLFD = 8;

/** Sockets, and so clients: a server's socket sees many. */
const SOCKETS = 8;
/** Milliseconds that late answers get after the last query. */
const LAST_MS = 1000;
const IDS = 0x10000;

export interface LoadOutcome {
  /** Answers a second. */
  readonly perSecond: number;
  /** Milliseconds; a query without an answer took all the time there was. */
  readonly p99: number;
  readonly sent: number;
  readonly lost: number;
  /** Answers other than NOERROR and NXDOMAIN. */
  readonly wrong: number;
}

interface Client {
  readonly fd: number;
  /** When each query under way should have been sent, by its id; 0: none. */
  readonly since: Float64Array;
  next: number;
}

/**
 * Asks a DNS server from this process, whose event loop stands still meanwhile. Times count from when a query was due, not
 * from when a late generator sent it: a server that holds everybody up is not let off (coordinated omission).
 */
export class DnsLoad {
  readonly #clients: Client[];
  readonly #queries: readonly Buffer[];
  readonly #answer = Buffer.alloc(2048);
  readonly #polled: Buffer;
  #sent = 0;
  #wrong = 0;
  #times: number[] = [];

  /** @param queries - whole messages, sent in turn; their ids are overwritten */
  constructor(port: number, queries: readonly Buffer[]) {
    this.#queries = queries.map((query) => Buffer.from(query));
    this.#clients = Array.from({ length: SOCKETS }, () => ({
      fd: connected(port),
      since: new Float64Array(IDS),
      next: 0,
    }));
    this.#polled = Buffer.alloc(SOCKETS * POLLFD);
    for (const [index, { fd }] of this.#clients.entries()) {
      this.#polled.writeInt32LE(fd, index * POLLFD);
      this.#polled.writeInt16LE(POLLIN, index * POLLFD + 4);
    }
  }

  close(): void {
    for (const { fd } of this.#clients) fns.close(fd);
  }

  /** So many queries a second, whether they are answered or not. */
  atRate(perSecond: number, seconds: number): LoadOutcome {
    const total = perSecond * seconds;
    const started = performance.now();
    const dueAt = (query: number): number => started + (query * 1000) / perSecond;
    return this.#run(started + seconds * 1000, () => {
      const now = performance.now();
      while (this.#sent < total && dueAt(this.#sent) <= now) this.#send(dueAt(this.#sent));
      return this.#sent < total;
    });
  }

  /** As many as are answered, with so many under way at a time. */
  atOnce(underWay: number, seconds: number): LoadOutcome {
    const end = performance.now() + seconds * 1000;
    return this.#run(end, () => {
      const now = performance.now();
      while (now < end && this.#sent - this.#times.length < underWay) this.#send(now);
      return now < end;
    });
  }

  /** @param ask - sends what is due; whether there is more to come */
  #run(end: number, ask: () => boolean): LoadOutcome {
    const started = performance.now();
    this.#sent = 0;
    this.#wrong = 0;
    this.#times = [];
    for (const { since } of this.#clients) since.fill(0);
    let more = true;
    while (more || (this.#times.length < this.#sent && performance.now() < end + LAST_MS)) {
      more = ask();
      fns.poll(this.#polled, SOCKETS, 1);
      for (const [index, client] of this.#clients.entries())
        if (this.#polled.readInt16LE(index * POLLFD + 6) !== 0) this.#take(client);
    }
    const lost = this.#sent - this.#times.length;
    const never = end + LAST_MS - started;
    const times = [...this.#times, ...new Array<number>(lost).fill(never)];
    const perSecond = this.#times.length / ((end - started) / 1000);
    return { perSecond, p99: quantile(times, 0.99), sent: this.#sent, lost, wrong: this.#wrong };
  }

  #send(due: number): void {
    const client = this.#clients[this.#sent % SOCKETS]!;
    const query = this.#queries[this.#sent++ % this.#queries.length]!;
    const id = client.next;
    client.next = (id + 1) % IDS;
    client.since[id] = due;
    query.writeUInt16BE(id, 0);
    // One that the kernel does not take is lost, and counted so.
    fns.send(client.fd, query, query.length, MSG_DONTWAIT);
  }

  #take({ fd, since }: Client): void {
    while (Number(fns.recv(fd, this.#answer, this.#answer.length, MSG_DONTWAIT)) >= 12) {
      const id = this.#answer.readUInt16BE(0);
      const due = since[id]!;
      if (due === 0) continue;
      since[id] = 0;
      this.#times.push(performance.now() - due);
      const rcode = this.#answer.readUInt16BE(2) & 15;
      if (rcode !== 0 && rcode !== 3) this.#wrong++;
    }
  }
}

/** A socket for one port of the loopback. */
function connected(port: number): number {
  const fd = fns.socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0) as number;
  const address = Buffer.alloc(16);
  address.writeUInt16LE(AF_INET, 0);
  address.writeUInt16BE(port, 2);
  address.set([127, 0, 0, 1], 4);
  if (fd < 0 || (fns.connect(fd, address, address.length) as number) < 0)
    throw new KernelError('connect', `127.0.0.1:${port}`, koffi.errno());
  return fd;
}
