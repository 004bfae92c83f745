import type { LoadBalancerProbe } from '../azure/types.ts';
import { Gate } from '../gate.ts';
import type { PoolNode } from './pool.ts';
import type { AskNode } from './probe.ts';

/** Probes under way at one time: a thousand Services must not open three thousand sockets in one moment. */
const PARALLEL = 64;
/** Probes a second, of all: a probe costs most of a millisecond, and a thousand Services must not take a core. */
const MOST_PER_SECOND = 200;
/** Milliseconds that an answer may take at most. */
const LONGEST_MS = 5000;
/** An interval is stretched by up to so much, so that targets that began together do not stay together. */
const JITTER = 0.1;

interface Target {
  readonly probe: LoadBalancerProbe;
  node: PoolNode;
  /** Undefined until the first answer. */
  up: boolean | undefined;
  /** Answers in a row that contradict `up`. */
  against: number;
  timer: NodeJS.Timeout | undefined;
  /** Resolved at the first answer. */
  readonly first: PromiseWithResolvers<void>;
}

/**
 * Asks nodes whether they are well, each in its interval. What several rules ask in the same way is asked once. A state
 * changes after `numberOfProbes` answers in a row that contradict it; the first answer counts at once.
 */
export class Prober {
  readonly #ask: AskNode;
  readonly #changed: () => void;
  readonly #gate = new Gate(PARALLEL);
  readonly #targets = new Map<string, Target>();
  #closed = false;

  /** @param changed - called when some node has become well or unwell */
  constructor(ask: AskNode, changed: () => void) {
    this.#ask = ask;
    this.#changed = changed;
  }

  /**
   * Asks exactly these from now on.
   * @param known - whether a node was well when somebody asked before, where that is known
   */
  set(
    probes: Iterable<LoadBalancerProbe>,
    nodes: readonly PoolNode[],
    known: (probe: LoadBalancerProbe, node: PoolNode) => boolean | undefined = () => undefined,
  ): void {
    const wanted = new Set<string>();
    for (const probe of probes) {
      for (const node of nodes) {
        const key = keyOf(probe, node);
        wanted.add(key);
        const target = this.#targets.get(key);
        if (target) target.node = node;
        else this.#add(key, probe, node, known(probe, node));
      }
    }
    for (const [key, target] of this.#targets) {
      if (wanted.has(key)) continue;
      clearTimeout(target.timer);
      target.first.resolve();
      this.#targets.delete(key);
    }
  }

  /** Whether the node is well, as far as this probe can say; undefined before the first answer. */
  isUp(probe: LoadBalancerProbe, node: PoolNode): boolean | undefined {
    return this.#targets.get(keyOf(probe, node))?.up;
  }

  /** Resolves when every node has answered these probes once, or failed to. */
  async firstAnswers(probes: Iterable<LoadBalancerProbe>, nodes: readonly PoolNode[]): Promise<void> {
    const keys = [...probes].flatMap((probe) => nodes.map((node) => keyOf(probe, node)));
    await Promise.all(keys.map((key) => this.#targets.get(key)?.first.promise));
  }

  close(): void {
    this.#closed = true;
    this.set([], []);
  }

  #add(key: string, probe: LoadBalancerProbe, node: PoolNode, up: boolean | undefined): void {
    const first = Promise.withResolvers<void>();
    const target: Target = { probe, node, up, against: 0, timer: undefined, first };
    this.#targets.set(key, target);
    void this.#turn(key, target);
  }

  async #turn(key: string, target: Target): Promise<void> {
    const interval = target.probe.intervalInSeconds * 1000;
    const { protocol, port, requestPath } = target.probe;
    const up = await this.#gate.run(async () => {
      if (this.#targets.get(key) !== target) return undefined;
      return await this.#ask({
        protocol,
        port,
        ...(requestPath === undefined ? {} : { requestPath }),
        address: target.node.address,
        timeoutMs: Math.min(interval, LONGEST_MS),
      });
    });
    if (up === undefined || this.#closed || this.#targets.get(key) !== target) return;
    this.#take(target, up);
    // With very many targets each is asked less often than it should.
    const least = (this.#targets.size / MOST_PER_SECOND) * 1000;
    const wait = Math.max(interval, least) * (1 + Math.random() * JITTER);
    target.timer = setTimeout(() => void this.#turn(key, target), wait).unref();
  }

  #take(target: Target, up: boolean): void {
    const isFirst = target.up === undefined;
    if (target.up === up) target.against = 0;
    else if (isFirst || ++target.against >= target.probe.numberOfProbes) {
      target.up = up;
      target.against = 0;
      this.#changed();
    }
    target.first.resolve();
  }
}

function keyOf(probe: LoadBalancerProbe, node: PoolNode): string {
  const { protocol, port, requestPath, intervalInSeconds, numberOfProbes } = probe;
  const what = [node.name, protocol, port, intervalInSeconds, numberOfProbes, requestPath ?? ''];
  return what.join(' ');
}
