import { CNI_CODES, CniError, toFailure } from './errors.ts';
import { type CniFailure, failureJson } from './failure.ts';
import type { CniAnswer, CniRequest } from './protocol.ts';
import { decodeRequest } from './protocol.ts';
import { mergeResults, parseResult, resultJson } from './result.ts';
import { createSpool, type Spool } from './spool.ts';
import type { CniAttachment, CniCommand, CniResult, NetworkConfig } from './types.ts';
import { parseArgs, validAttachments } from './validate.ts';
import type { CniVersion } from './versions.ts';

/** One plugin call, as handlers see it: everything is checked and parsed. */
export interface CniCall {
  command: CniCommand;
  /** '' for GC and STATUS, and so are `netns` and `ifName`. */
  containerId: string;
  /** Absolute path; may be '' for DEL. Whether it exists is the handler's to find out. */
  netns: string;
  ifName: string;
  /** CNI_ARGS as pairs (`K8S_POD_NAME` and the like); empty for a DEL with a broken CNI_ARGS. */
  args: Readonly<Record<string, string>>;
  config: NetworkConfig;
  cniVersion: CniVersion;
  /** From `config.prevResult`. Always there for CHECK; for ADD when another plugin ran before. */
  prevResult?: CniResult;
  /** GC only: the attachments to keep. */
  validAttachments?: readonly CniAttachment[];
  /** True for a DEL from the spool. */
  replayed: boolean;
  /** Aborted when the front is gone, so that nobody reads the answer. */
  signal: AbortSignal;
}

/** What the agent does for each command. Throw a {@link CniError} to choose code, message and details. */
export interface CniHandlers {
  /** The own result only: what plugins before it answered is merged in by the server. */
  add(call: CniCall): Promise<CniResult> | CniResult;
  /** Must succeed when there is nothing (left) to delete. */
  del(call: CniCall): Promise<void> | void;
  check(call: CniCall): Promise<void> | void;
  gc(call: CniCall): Promise<void> | void;
  /** Throw code 50 or 51 when ADD could not be served. */
  status(call: CniCall): Promise<void> | void;
}

export interface Dispatcher {
  /** Replays what is in the spool, and from then on what comes into it. Resolves after the first. */
  start(): Promise<void>;
  /** Replays no more by itself. */
  stop(): void;
  /** The number of DELs done; what failed stays in the spool and is reported. */
  replay(): Promise<number>;
  /** Answers one frame; never rejects. */
  dispatch(frame: string, gone: AbortSignal): Promise<CniAnswer>;
}

const REPLAYS_AT_ONCE = 16;

export function createDispatcher(
  handlers: CniHandlers,
  options: { spool?: string; onError: (error: unknown, where: string) => void },
): Dispatcher {
  const { onError } = options;
  const spool: Spool | undefined = options.spool ? createSpool(options.spool, onError) : undefined;
  const inTurn = createTurns();

  /** Runs the attachment's DEL from the spool, if there is one. The caller has the attachment's turn. */
  async function replayOne(name: string): Promise<boolean> {
    const request = spool?.read(name);
    if (!request) return false;
    await handlers.del(callOf(request, true, new AbortController().signal));
    spool?.remove(name);
    return true;
  }

  async function replay(): Promise<number> {
    const waiting = spool?.list() ?? [];
    let done = 0;
    const work = async () => {
      for (let next = waiting.shift(); next; next = waiting.shift()) {
        const { name, request } = next;
        try {
          if (await inTurn(request, () => replayOne(name))) done++;
        } catch (error) {
          onError(error, `replay of DEL ${request.containerId}/${request.ifName}`);
        }
      }
    };
    await Promise.all(Array.from({ length: REPLAYS_AT_ONCE }, work));
    return done;
  }

  async function run(request: CniRequest, gone: AbortSignal): Promise<string> {
    const call = callOf(request, false, gone);
    const pending = spool?.nameOf(request);
    switch (call.command) {
      case 'ADD': {
        // The runtime gave up on this ADD while it waited for its turn; it will not know of the result.
        if (gone.aborted) throw new CniError(CNI_CODES.tryAgainLater, 'the caller is gone');
        // A DEL that was left for later belongs to the attachment before this one.
        if (pending) await replayOne(pending);
        const own = await handlers.add(call);
        return resultJson(call.prevResult ? mergeResults(call.prevResult, own) : own, call.cniVersion);
      }
      case 'DEL':
        await handlers.del(call);
        if (pending) spool?.remove(pending);
        return '';
      case 'CHECK':
        await handlers.check(call);
        return '';
      case 'GC':
        await replay();
        await handlers.gc(call);
        return '';
      case 'STATUS':
        await handlers.status(call);
        return '';
      case 'VERSION':
        throw new CniError(
          CNI_CODES.invalidEnvironment,
          'VERSION is answered by the plugin',
          'the agent is not asked',
        );
    }
  }

  return {
    async start() {
      await replay();
      spool?.watch(() => void replay());
    },
    stop: () => spool?.stop(),
    replay,
    async dispatch(frame, gone) {
      const decoded = decodeRequest(frame);
      if (!decoded.ok) return refused(decoded.failure);
      const request = decoded.value;
      const { cniVersion } = request.config;
      try {
        const stdout = await (request.containerId === ''
          ? run(request, gone)
          : inTurn(request, () => run(request, gone)));
        return { exit: 0, stdout };
      } catch (error) {
        if (!(error instanceof CniError)) {
          onError(error, `${request.command} ${request.containerId}/${request.ifName}`);
        }
        return refused(toFailure(error), cniVersion);
      }
    },
  };
}

function refused(failure: CniFailure, version?: CniVersion): CniAnswer {
  return { exit: 1, stdout: failureJson(failure, version) };
}

function callOf(request: CniRequest, replayed: boolean, signal: AbortSignal): CniCall {
  const { command, containerId, netns, ifName, config } = request;
  const args = parseArgs(request.args);
  const call: CniCall = {
    command,
    containerId,
    netns,
    ifName,
    args: args.ok ? args.value : {},
    config,
    cniVersion: config.cniVersion,
    replayed,
    signal,
  };
  if (config.prevResult !== undefined && config.prevResult !== null) {
    try {
      call.prevResult = parseResult(config.prevResult, config.cniVersion);
    } catch (error) {
      // A DEL does not need it, and must not fail for it.
      if (command !== 'DEL') throw error;
    }
  }
  if (command === 'GC') {
    const attachments = validAttachments(config);
    if (attachments.ok) call.validAttachments = attachments.value;
  }
  return call;
}

/** Lets the work on one attachment wait for the work on it that came before. */
function createTurns(): <T>(of: CniAttachment, work: () => Promise<T>) => Promise<T> {
  const last = new Map<string, Promise<unknown>>();
  return (of, work) => {
    const key = `${of.containerId}/${of.ifName}`;
    const before = last.get(key);
    const mine = before === undefined ? work() : before.then(work, work);
    last.set(key, mine);
    const forget = () => {
      if (last.get(key) === mine) last.delete(key);
    };
    mine.then(forget, forget);
    return mine;
  };
}
