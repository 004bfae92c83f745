import { type Checked, CNI_CODES, pass, quote, refuse } from './failure.ts';
import type { CniEnvironment, NetworkConfig } from './types.ts';
import { checkConfig, checkEnvironment, isObject } from './validate.ts';

// Lowered to ES5 for the plugin's front as well: see front/README.md for the style this needs.

/** Changes when an old front and a new agent (or the reverse) would misunderstand each other. */
export const PROTOCOL_VERSION = 1;
/** Bytes of network configuration that the front reads from stdin. */
export const MAX_INPUT = 1048576;
/** Bytes of a request or an answer, its newline included: a configuration and its envelope. */
export const MAX_FRAME = MAX_INPUT + 131072;

export const DEFAULT_SOCKET = '/run/flyover/agent.sock';
export const DEFAULT_SPOOL = '/var/lib/flyover/pending-del';
export const DEFAULT_TIMEOUT_SECONDS = 30;

/** One plugin call on its way to the agent. */
export interface CniRequest extends CniEnvironment {
  version: number;
  config: NetworkConfig;
}

/** What the front prints and how it exits; `stdout` is a result or an error in the caller's version. */
export interface CniAnswer {
  exit: number;
  stdout: string;
}

/**
 * One request as a frame with its newline. `configText` is the configuration as it came and known to be
 * JSON: it is passed on as it is, so that nothing is lost by parsing it here.
 */
export function encodeRequest(environment: CniEnvironment, configText: string): string {
  const head = JSON.stringify({
    version: PROTOCOL_VERSION,
    command: environment.command,
    containerId: environment.containerId,
    netns: environment.netns,
    ifName: environment.ifName,
    args: environment.args,
    path: environment.path,
  });
  // Inside of JSON strings a raw line end is not allowed, so these are all between tokens.
  return `${head.slice(0, -1)},"config":${configText.replace(/[\r\n]/g, ' ')}}\n`;
}

/** Checks a frame (with or without its newline) as strictly as the front did: whoever can connect can write. */
export function decodeRequest(frame: string): Checked<CniRequest> {
  let value: unknown;
  try {
    value = JSON.parse(frame);
  } catch (error) {
    return refuse(CNI_CODES.decodeFailure, 'the request is not JSON', (error as Error).message);
  }
  if (!isObject(value)) return refuse(CNI_CODES.decodeFailure, 'the request is not an object', quote(value));
  const fields = value;
  if (fields.version !== PROTOCOL_VERSION) {
    return refuse(
      CNI_CODES.internal,
      'the plugin and the agent are of different releases',
      `the plugin speaks protocol ${quote(fields.version)}, the agent ${PROTOCOL_VERSION}; run: flyover agent install`,
    );
  }
  const names: Record<string, string> = {
    CNI_COMMAND: 'command',
    CNI_CONTAINERID: 'containerId',
    CNI_NETNS: 'netns',
    CNI_IFNAME: 'ifName',
    CNI_ARGS: 'args',
    CNI_PATH: 'path',
  };
  const environment = checkEnvironment((name) => {
    const text = fields[names[name] as string];
    return typeof text === 'string' ? text : '';
  });
  if (!environment.ok) return environment;
  const config = checkConfig(fields.config, environment.value.command);
  if (!config.ok) return config;
  return pass({
    version: PROTOCOL_VERSION,
    command: environment.value.command,
    containerId: environment.value.containerId,
    netns: environment.value.netns,
    ifName: environment.value.ifName,
    args: environment.value.args,
    path: environment.value.path,
    config: config.value,
  });
}

/** One answer as a frame with its newline. */
export function encodeAnswer(answer: CniAnswer): string {
  return `${JSON.stringify({ exit: answer.exit, stdout: answer.stdout })}\n`;
}

/** The answer in a frame, or undefined when it is not one. */
export function decodeAnswer(frame: string): CniAnswer | undefined {
  let value: unknown;
  try {
    value = JSON.parse(frame);
  } catch (_) {
    return undefined;
  }
  if (!isObject(value) || typeof value.stdout !== 'string') return undefined;
  if (typeof value.exit !== 'number' || !(value.exit >= 0 && value.exit <= 255)) return undefined;
  return { exit: value.exit, stdout: value.stdout };
}
