import { createSocket, type Socket } from 'node:dgram';
import { setTimeout as sleep } from 'node:timers/promises';
import { quantile } from './statistics.ts';

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
  readonly socket: Socket;
  /** When each query under way should have been sent, by its id; 0: none. */
  readonly since: Float64Array;
  next: number;
}

/**
 * Asks a DNS server from this process. Times count from when a query was due, not from when a late generator sent it:
 * a server that holds everybody up is not let off (coordinated omission).
 */
export class DnsLoad {
  readonly #clients: Client[];
  readonly #queries: readonly Buffer[];
  #position = 0;
  #sent = 0;
  #wrong = 0;
  #times: number[] = [];
  #onAnswer: () => void = () => undefined;

  private constructor(queries: readonly Buffer[], clients: Client[]) {
    this.#queries = queries;
    this.#clients = clients;
    for (const client of clients) client.socket.on('message', (answer) => this.#take(client, answer));
  }

  /** @param queries - whole messages, sent in turn; their ids are overwritten */
  static async start(port: number, queries: readonly Buffer[]): Promise<DnsLoad> {
    const clients: Client[] = [];
    while (clients.length < SOCKETS) {
      const socket = createSocket('udp4');
      await new Promise<void>((resolve) => socket.connect(port, '127.0.0.1', resolve));
      clients.push({ socket, since: new Float64Array(IDS), next: 0 });
    }
    return new DnsLoad(queries, clients);
  }

  close(): void {
    for (const { socket } of this.#clients) socket.close();
  }

  /** So many queries a second, whether they are answered or not. */
  async atRate(perSecond: number, seconds: number): Promise<LoadOutcome> {
    this.#reset();
    const started = performance.now();
    const total = perSecond * seconds;
    while (this.#sent < total) {
      const due = Math.min(total, ((performance.now() - started) * perSecond) / 1000);
      while (this.#sent < due) this.#send(started + (this.#sent * 1000) / perSecond);
      await sleep(1);
    }
    await sleep(LAST_MS);
    return this.#outcome(seconds);
  }

  /** As many as are answered, with so many under way at a time. */
  async atOnce(underWay: number, seconds: number): Promise<LoadOutcome> {
    this.#reset();
    const end = performance.now() + seconds * 1000;
    this.#onAnswer = () => {
      const now = performance.now();
      if (now < end) this.#send(now);
    };
    for (let i = 0; i < underWay; i++) this.#send(performance.now());
    await sleep(seconds * 1000 + LAST_MS);
    return this.#outcome(seconds);
  }

  #reset(): void {
    this.#sent = 0;
    this.#wrong = 0;
    this.#times = [];
    this.#onAnswer = () => undefined;
    for (const { since } of this.#clients) since.fill(0);
  }

  #send(due: number): void {
    const client = this.#clients[this.#sent++ % SOCKETS]!;
    const query = Buffer.from(this.#queries[this.#position++ % this.#queries.length]!);
    const id = client.next;
    client.next = (id + 1) % IDS;
    client.since[id] = due;
    query.writeUInt16BE(id, 0);
    client.socket.send(query);
  }

  #take({ since }: Client, answer: Buffer): void {
    const id = answer.readUInt16BE(0);
    const due = since[id]!;
    if (due === 0) return;
    since[id] = 0;
    this.#times.push(performance.now() - due);
    const rcode = answer.readUInt16BE(2) & 15;
    if (rcode !== 0 && rcode !== 3) this.#wrong++;
    this.#onAnswer();
  }

  #outcome(seconds: number): LoadOutcome {
    const lost = this.#sent - this.#times.length;
    const never = (seconds + LAST_MS / 1000) * 1000;
    const times = [...this.#times, ...new Array<number>(lost).fill(never)];
    return {
      perSecond: this.#times.length / seconds,
      p99: quantile(times, 0.99),
      sent: this.#sent,
      lost,
      wrong: this.#wrong,
    };
  }
}
