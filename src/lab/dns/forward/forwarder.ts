import { randomInt } from 'node:crypto';
import { encode } from 'dns-packet';
import type { Outside } from '../server/responder.ts';
import { CLASS_IN, FLAG, HEADER, RCODE, SAFE_UDP } from '../wire/constants.ts';
import type { ResourceRecord } from '../wire/message.ts';
import type { Query } from '../wire/query.ts';
import { askByTcp, askByUdp, type Upstream, UpstreamError } from './exchange.ts';
import { LoopCheck, queryMessage } from './loop-check.ts';
import { StoredAnswer } from './stored-answer.ts';

export interface ForwarderOptions {
  /** Asked for each question: they may change. In the order in which they are asked. */
  readonly upstreams: () => readonly Upstream[];
  /** Milliseconds for one server's answer. Default 2000, as CoreDNS. */
  readonly timeoutMs?: number;
  /** Questions that are with others at a time; what comes beyond is SERVFAIL at once. Default 512. */
  readonly mostUnderWay?: number;
  /** Answers that are kept. Default 10,000. */
  readonly mostAnswers?: number;
}

const TIMEOUT_MS = 2000;
const MOST_UNDER_WAY = 512;
const MOST_ANSWERS = 10_000;
/** After so much silence of all servers, milliseconds, questions fail at once but for one that tries. */
const SILENCE_MS = 5000;
/** Milliseconds that a failure is remembered for the same question (RFC 9520). */
const FAILURE_KEPT_MS = 1000;
/** Answers of a server after which the next one is asked. */
const UNHELPFUL: readonly number[] = [RCODE.SERVFAIL, RCODE.NOTIMP, RCODE.REFUSED];

/** Counted since the start. */
export interface ForwarderCounts {
  hits: number;
  misses: number;
  failures: number;
}

/** Asks others, and remembers what they said. */
export class Forwarder implements Outside {
  readonly counts: ForwarderCounts = { hits: 0, misses: 0, failures: 0 };
  readonly #options: ForwarderOptions;
  readonly #answers = new Map<string, StoredAnswer>();
  readonly #underWay = new Map<string, Promise<StoredAnswer>>();
  readonly #failed = new Map<string, { at: number; error: Error }>();
  readonly #loop = new LoopCheck();
  #silentSince: number | undefined;

  constructor(options: ForwarderOptions) {
    this.#options = options;
  }

  /** Whether those whom we ask ask us. */
  get loops(): boolean {
    return this.#loop.found;
  }

  get size(): number {
    return this.#answers.size;
  }

  message(query: Query): Buffer | Promise<Buffer> {
    const dnssecOk = query.edns?.dnssecOk ?? false;
    const answer = this.#ask(query.question, query.flags & FLAG.CHECKING_DISABLED, dnssecOk);
    const told = (stored: StoredAnswer): Buffer => stored.messageFor(query, performance.now());
    return answer instanceof Promise ? answer.then(told) : told(answer);
  }

  async records(name: string, type: number): Promise<{ rcode: number; records: ResourceRecord[] }> {
    // The codec writes names; types it does not know by name are put in behind.
    const question = encode({ questions: [{ name, type: 'A' }] }).subarray(HEADER);
    question.writeUInt16BE(type, question.length - 4);
    question.writeUInt16BE(CLASS_IN, question.length - 2);
    const answer = await this.#ask(question, 0, false);
    return { rcode: answer.rcode, records: answer.records() };
  }

  seen(name: string, type: number): void {
    this.#loop.seen(name, type);
  }

  /** Sends a question of its own to find out whether it comes back. Resolves when it is answered, or given up. */
  async checkLoop(): Promise<boolean> {
    this.#loop.forget();
    await this.#exchange(this.#loop.question, 0, false).catch(() => undefined);
    return this.#loop.found;
  }

  #ask(question: Buffer, flags: number, dnssecOk: boolean): StoredAnswer | Promise<StoredAnswer> {
    const key = `${flags | Number(dnssecOk)} ${question.toString('latin1').toLowerCase()}`;
    const now = performance.now();
    const kept = this.#answers.get(key);
    if (kept?.isFresh(now)) {
      this.counts.hits++;
      return kept;
    }
    const running = this.#underWay.get(key);
    if (running) return running;
    const failed = this.#failed.get(key);
    if (failed && now - failed.at < FAILURE_KEPT_MS) return Promise.reject(failed.error);
    this.#refuse(now);
    this.counts.misses++;
    const asking = this.#exchange(Buffer.from(question), flags, dnssecOk)
      .then((answer) => {
        this.#silentSince = undefined;
        this.#keep(key, answer);
        return answer;
      })
      .catch((error: Error) => {
        this.#fail(key, error);
        throw error;
      })
      .finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, asking);
    return asking;
  }

  /** @throws Error when this is no time to ask */
  #refuse(now: number): void {
    const { mostUnderWay = MOST_UNDER_WAY } = this.#options;
    if (this.#loop.found)
      throw new Error('the servers that are asked ask this one; name others in its resolv.conf');
    if (this.#underWay.size >= mostUnderWay)
      throw new Error(`${mostUnderWay} questions are with other servers already`);
    const silent = this.#silentSince !== undefined && now - this.#silentSince > SILENCE_MS;
    if (silent && this.#underWay.size > 0) throw new Error('all other servers are silent');
  }

  #keep(key: string, answer: StoredAnswer): void {
    this.#failed.delete(key);
    // Again at the end: those go first that were asked for longest ago.
    this.#answers.delete(key);
    if (answer.lifetime === 0) return;
    this.#answers.set(key, answer);
    if (this.#answers.size > (this.#options.mostAnswers ?? MOST_ANSWERS)) {
      const [oldest] = this.#answers.keys();
      this.#answers.delete(oldest!);
    }
  }

  #fail(key: string, error: Error): void {
    this.counts.failures++;
    if (error instanceof UpstreamError && error.silent) this.#silentSince ??= performance.now();
    this.#failed.set(key, { at: performance.now(), error });
    if (this.#failed.size > MOST_UNDER_WAY) {
      const [oldest] = this.#failed.keys();
      this.#failed.delete(oldest!);
    }
  }

  /** Every server once, and once more when all were silent. @throws Error of the last one */
  async #exchange(question: Buffer, flags: number, dnssecOk: boolean): Promise<StoredAnswer> {
    const upstreams = this.#options.upstreams();
    if (upstreams.length === 0) throw new Error('there is no other server to ask: resolv.conf names none');
    let last: Error | undefined;
    let unhelpful: StoredAnswer | undefined;
    for (const upstream of upstreams.length === 1 ? [...upstreams, ...upstreams] : upstreams) {
      try {
        const answer = await this.#one(upstream, question, flags, dnssecOk);
        if (!UNHELPFUL.includes(answer.rcode)) return answer;
        unhelpful = answer;
        if (upstreams.length === 1) break;
      } catch (error) {
        last = error as Error;
        // Where nobody listens nobody will in a moment.
        if (upstreams.length === 1 && !(last instanceof UpstreamError && last.silent)) break;
      }
    }
    if (unhelpful) return unhelpful;
    throw last!;
  }

  async #one(upstream: Upstream, question: Buffer, flags: number, dnssecOk: boolean): Promise<StoredAnswer> {
    const { timeoutMs = TIMEOUT_MS } = this.#options;
    const query = (edns: boolean): Buffer =>
      queryMessage(
        randomInt(0x10000),
        FLAG.RECURSION_DESIRED | flags,
        question,
        edns ? ourOpt(dnssecOk) : undefined,
      );
    const stored = (message: Buffer): StoredAnswer => new StoredAnswer(message, performance.now());
    let sent = query(true);
    let answer = stored(await askByUdp(upstream, sent, timeoutMs));
    if (answer.rcode === RCODE.FORMERR || answer.rcode === RCODE.NOTIMP) {
      // A server from before EDNS (RFC 6891, 7).
      sent = query(false);
      answer = stored(await askByUdp(upstream, sent, timeoutMs));
    }
    if (!answer.truncated) return answer;
    return stored(await askByTcp(upstream, sent, timeoutMs));
  }
}

/** Our OPT record: how much we take by UDP, and whether the client wants signatures. */
function ourOpt(dnssecOk: boolean): Buffer {
  const record = {
    type: 'OPT' as const,
    name: '.' as const,
    udpPayloadSize: SAFE_UDP,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: dnssecOk ? 0x8000 : 0,
    flag_do: dnssecOk,
    options: [],
  };
  return encode({ additionals: [record] }).subarray(HEADER);
}
