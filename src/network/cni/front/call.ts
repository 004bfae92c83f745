import { CNI_CODES, type CniFailure, failureJson, quote, refuse } from '../failure.ts';
import {
  DEFAULT_SOCKET,
  DEFAULT_SPOOL,
  DEFAULT_TIMEOUT_SECONDS,
  decodeAnswer,
  encodeRequest,
  MAX_FRAME,
  MAX_INPUT,
} from '../protocol.ts';
import { MAX_SPOOLED, MAX_SPOOLED_BYTES, spoolName } from '../spool-name.ts';
import type { CniEnvironment, NetworkConfig } from '../types.ts';
import { checkEnvironment, parseConfig } from '../validate.ts';
import { isSupportedVersion, NEWEST_VERSION, versionJson } from '../versions.ts';
import type { Host, Outcome } from './host.ts';

// Lowered to ES5: see README.md here for the style this needs.

const EDQUOT = 122;
const EILSEQ = 84;
const EMSGSIZE = 90;
const ETIMEDOUT = 110;

/** One plugin call, from the environment to what is printed. */
export function call(host: Host): Outcome {
  const environment = checkEnvironment(host.env);
  if (!environment.ok) return failed(environment.failure, NEWEST_VERSION);
  const command = environment.value.command;
  const text = host.stdin(MAX_INPUT);
  if (command === 'VERSION') return { exit: 0, stdout: versionJson(versionIn(text)) };
  if (typeof text === 'number') return failed(inputFailure(host, text), NEWEST_VERSION);
  const config = parseConfig(text, command);
  if (!config.ok) return failed(config.failure, versionIn(text));
  return ask(host, environment.value, config.value, text);
}

function ask(host: Host, environment: CniEnvironment, config: NetworkConfig, text: string): Outcome {
  const socket = config.socket || DEFAULT_SOCKET;
  const timeout = (config.timeoutSeconds || DEFAULT_TIMEOUT_SECONDS) * 1000;
  const reply = host.ask(socket, encodeRequest(environment, text), timeout, MAX_FRAME);
  let trouble: string;
  if (typeof reply === 'number') {
    trouble = describe(host, -reply, timeout);
  } else {
    const answer = decodeAnswer(reply);
    if (answer) return answer;
    trouble = `what answered is not the Flyover agent: ${quote(reply.slice(0, 60))}`;
  }
  const where = `asked the agent on ${socket}: ${trouble}`;
  if (environment.command === 'DEL') return leave(host, environment, config, text, where);
  const status = environment.command === 'STATUS';
  return failed(
    {
      code: status ? CNI_CODES.unavailable : CNI_CODES.tryAgainLater,
      msg: status
        ? 'the Flyover agent is not available'
        : 'the Flyover agent did not answer, try again later',
      details: `${where}; look at: systemctl status flyover-agent, ls -l ${socket}`,
    },
    config.cniVersion,
  );
}

/** Puts a DEL into the spool, where the agent finds it when it is back. */
function leave(
  host: Host,
  environment: CniEnvironment,
  config: NetworkConfig,
  text: string,
  where: string,
): Outcome {
  const directory = config.spool || DEFAULT_SPOOL;
  let content = encodeRequest(environment, text);
  if (content.length > MAX_SPOOLED_BYTES / 4) {
    // What a DEL needs; a character can be up to four bytes.
    const least = { cniVersion: config.cniVersion, name: config.name.slice(0, 255), type: 'flyover' };
    content = encodeRequest(
      {
        command: environment.command,
        containerId: environment.containerId,
        netns: environment.netns,
        ifName: environment.ifName,
        args: '',
        path: '',
      },
      JSON.stringify(least),
    );
  }
  const name = spoolName(environment);
  const saved = host.save(directory, name, content, MAX_SPOOLED);
  if (saved >= 0) {
    host.note(`flyover: ${where}; DEL left for it in ${directory}/${name}\n`);
    return { exit: 0, stdout: '' };
  }
  const full = -saved === EDQUOT;
  return failed(
    {
      code: full ? CNI_CODES.tryAgainLater : CNI_CODES.ioFailure,
      msg: 'the Flyover agent did not answer, and the DEL could not be left for it',
      details:
        `${where}; ${directory}/${name}: ` +
        (full ? `${MAX_SPOOLED} DELs wait there already` : host.strerror(-saved)) +
        '; start the agent (systemctl start flyover-agent) or make the directory writable',
    },
    config.cniVersion,
  );
}

function describe(host: Host, code: number, timeoutMs: number): string {
  const errno = code % 1000;
  const stage = (code - errno) / 1000;
  if (errno === ETIMEDOUT) return `no answer within ${timeoutMs / 1000} s`;
  if (stage === 3 && errno === EMSGSIZE) return `its answer is longer than ${MAX_FRAME} bytes`;
  const what = stage === 1 ? 'cannot connect' : stage === 2 ? 'cannot send' : 'it hung up before it answered';
  return `${what} (${host.strerror(errno)})`;
}

function inputFailure(host: Host, code: number): CniFailure {
  const details =
    code === -EMSGSIZE
      ? `stdin has more than ${MAX_INPUT} bytes, which is the most that is read`
      : code === -EILSEQ
        ? 'stdin is not UTF-8'
        : `stdin: ${host.strerror(-code)}`;
  return refuse(CNI_CODES.decodeFailure, 'cannot read the network configuration', details).failure;
}

/** The version that an input names, for the answer's own; the newest when that cannot be told. */
function versionIn(text: string | number): string {
  if (typeof text === 'string') {
    try {
      const version: unknown = JSON.parse(text).cniVersion;
      if (isSupportedVersion(version)) return version;
    } catch (_) {
      // Not JSON, or nothing that has fields.
    }
  }
  return NEWEST_VERSION;
}

function failed(failure: CniFailure, version: string): Outcome {
  return { exit: 1, stdout: failureJson(failure, version) };
}
