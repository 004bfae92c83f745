import { type Checked, CNI_CODES, pass, quote, refuse } from './failure.ts';
import type { CniAttachment, CniCommand, CniEnvironment, NetworkConfig } from './types.ts';
import { isAtLeast, isSupportedVersion, SUPPORTED_VERSIONS } from './versions.ts';

// Lowered to ES5 for the plugin's front as well: see front/README.md for the style this needs.

/** `flyover:<containerId>/<ifName>` must fit a link alias (IFALIASZ, 256 with its end), hence not 255. */
export const MAX_CONTAINER_ID = 200;
/** IFNAMSIZ, 16 with its end. */
export const MAX_IF_NAME = 15;
/** PATH_MAX, 4096 with its end. */
export const MAX_PATH = 4095;
/** sun_path, 108 with its end. */
export const MAX_SOCKET_PATH = 107;
/** Bytes of CNI_ARGS and of CNI_PATH; a Kubernetes runtime sends some 200. */
export const MAX_VARIABLE = 32768;

const COMMANDS: readonly string[] = ['ADD', 'DEL', 'CHECK', 'GC', 'STATUS', 'VERSION'];
const CONTAINER_ID = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;
const NETWORK_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;
/** Printable ASCII without blank, `%` (the kernel expands it), `/` and `:`. */
const IF_NAME = /^[!-$&-.0-9;-~]+$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it looks for
const CONTROL = /[\x00-\x1f\x7f]/;

/** What is wrong with a container id, or '' when nothing is. */
export function containerIdFault(value: string): string {
  if (value.length > MAX_CONTAINER_ID) {
    return `is ${value.length} characters long, at most ${MAX_CONTAINER_ID} are possible`;
  }
  if (!CONTAINER_ID.test(value)) {
    return `is ${quote(value)}; it must start with a letter or digit, then letters, digits, _ . -`;
  }
  return '';
}

/** What is wrong with an interface name, or '' when nothing is. */
export function ifNameFault(value: string): string {
  if (value.length > MAX_IF_NAME) {
    return `is ${quote(value)}; the kernel takes at most ${MAX_IF_NAME} characters`;
  }
  if (value === '.' || value === '..' || !IF_NAME.test(value)) {
    return `is ${quote(value)}; the kernel takes printable characters without blank / : % and neither . nor ..`;
  }
  return '';
}

function pathFault(value: string, longest: number): string {
  if (value.charAt(0) !== '/') return `is ${quote(value)}; it must be an absolute path`;
  if (value.length > longest) return `is ${value.length} characters long, at most ${longest} are possible`;
  if (CONTROL.test(value)) return `is ${quote(value)}; it must not have control characters`;
  return '';
}

/** CNI_ARGS as pairs, the last of each key. The error names the part that is not `KEY=VALUE`. */
export function parseArgs(text: string): Checked<Record<string, string>> {
  const pairs: Record<string, string> = Object.create(null);
  const parts = text.split(';');
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i] as string;
    if (part === '') continue;
    const at = part.indexOf('=');
    if (at <= 0) {
      return refuse(
        CNI_CODES.invalidEnvironment,
        'invalid CNI_ARGS',
        `CNI_ARGS has ${quote(part)}; it must be KEY=VALUE pairs with ; between them`,
      );
    }
    pairs[part.slice(0, at)] = part.slice(at + 1);
  }
  return pass(pairs);
}

/** Whether a command is about one attachment, and so needs its variables. */
function isAttachmentCommand(command: string): boolean {
  return command === 'ADD' || command === 'DEL' || command === 'CHECK';
}

/**
 * Reads and checks the CNI_* variables. `get` answers '' or undefined for a missing one. Code 4 names every
 * missing variable and every invalid one at once. Variables that the command does not use are not looked at.
 */
export function checkEnvironment(get: (name: string) => string | undefined): Checked<CniEnvironment> {
  const command = get('CNI_COMMAND') || '';
  if (command !== '' && COMMANDS.indexOf(command) < 0) {
    return refuse(
      CNI_CODES.invalidEnvironment,
      `unknown CNI_COMMAND ${quote(command)}`,
      `CNI_COMMAND must be one of ${COMMANDS.join(', ')}`,
    );
  }
  const environment: CniEnvironment = {
    command: command as CniCommand,
    containerId: '',
    netns: '',
    ifName: '',
    args: '',
    path: get('CNI_PATH') || '',
  };
  // Without a command the rest is as for ADD, so that one call by hand names everything that is missing.
  const missing: string[] = [];
  const faults: string[] = [];
  if (command === '') missing.push('CNI_COMMAND');
  if (command === '' || isAttachmentCommand(command)) {
    environment.containerId = get('CNI_CONTAINERID') || '';
    environment.netns = get('CNI_NETNS') || '';
    environment.ifName = get('CNI_IFNAME') || '';
    environment.args = get('CNI_ARGS') || '';
    if (environment.containerId === '') missing.push('CNI_CONTAINERID');
    else addFault(faults, 'CNI_CONTAINERID', containerIdFault(environment.containerId));
    if (environment.netns !== '') addFault(faults, 'CNI_NETNS', pathFault(environment.netns, MAX_PATH));
    else if (command !== 'DEL') missing.push('CNI_NETNS');
    if (environment.ifName === '') missing.push('CNI_IFNAME');
    else addFault(faults, 'CNI_IFNAME', ifNameFault(environment.ifName));
    if (environment.args.length > MAX_VARIABLE) addFault(faults, 'CNI_ARGS', tooLong(environment.args));
    else if (command !== 'DEL') {
      // A DEL must not fail for a decoration that it does not need.
      const args = parseArgs(environment.args);
      if (!args.ok) faults.push(args.failure.details);
    }
  }
  if (environment.path.length > MAX_VARIABLE) addFault(faults, 'CNI_PATH', tooLong(environment.path));
  if (missing.length > 0) {
    return refuse(
      CNI_CODES.invalidEnvironment,
      `missing environment variables: ${missing.join(', ')}`,
      `${command === '' ? 'every call' : command} needs ${missing.join(', ')}${and(faults)}; a container runtime sets them`,
    );
  }
  if (faults.length > 0) {
    return refuse(CNI_CODES.invalidEnvironment, 'invalid environment variables', faults.join('; '));
  }
  return pass(environment);
}

function and(faults: string[]): string {
  return faults.length === 0 ? '' : `; also ${faults.join('; ')}`;
}

function tooLong(value: string): string {
  return `is ${value.length} characters long, at most ${MAX_VARIABLE} are possible`;
}

function addFault(faults: string[], name: string, fault: string): void {
  if (fault !== '') faults.push(`${name} ${fault}`);
}

/** Parses and checks what came on stdin. Codes: 6 not JSON, 1 version not spoken, 7 everything else. */
export function parseConfig(text: string, command: CniCommand): Checked<NetworkConfig> {
  let value: unknown;
  if (text === '') {
    return refuse(
      CNI_CODES.decodeFailure,
      'no network configuration on stdin',
      'stdin was empty; the runtime must send the network configuration as JSON',
    );
  }
  try {
    value = JSON.parse(text);
  } catch (error) {
    return refuse(
      CNI_CODES.decodeFailure,
      'the network configuration is not JSON',
      `stdin starts with ${quote(text.slice(0, 60))}; ${(error as Error).message}`,
    );
  }
  return checkConfig(value, command);
}

/** Checks a network configuration that is parsed already. Codes: 1 version not spoken, 7 everything else. */
export function checkConfig(value: unknown, command: CniCommand): Checked<NetworkConfig> {
  if (!isObject(value)) {
    return invalid(`the network configuration is ${quote(value)}; it must be a JSON object`);
  }
  const version = value.cniVersion;
  if (typeof version !== 'string' || version === '')
    return invalid(mustBe('cniVersion', version, 'a version such as "1.1.0"'));
  if (!isSupportedVersion(version)) {
    return refuse(
      CNI_CODES.incompatibleVersion,
      `incompatible CNI version ${quote(version)}`,
      `cniVersion is ${quote(version)}, this plugin speaks ${SUPPORTED_VERSIONS.join(', ')}`,
    );
  }
  const since = command === 'CHECK' ? '0.4.0' : command === 'GC' || command === 'STATUS' ? '1.1.0' : '0.3.0';
  if (!isAtLeast(version, since)) {
    return refuse(
      CNI_CODES.incompatibleVersion,
      `${command} needs cniVersion ${since}`,
      `${command} exists from CNI ${since} on, the configuration says cniVersion ${quote(version)}`,
    );
  }
  const fault = configFault(value, command);
  return fault === '' ? pass(value as NetworkConfig) : invalid(fault);
}

function configFault(config: Record<string, unknown>, command: CniCommand): string {
  if (typeof config.name !== 'string' || !NETWORK_NAME.test(config.name) || config.name.length > MAX_PATH) {
    return mustBe('name', config.name, 'a letter or digit, then letters, digits, _ . -');
  }
  if (typeof config.type !== 'string' || config.type === '') {
    return mustBe('type', config.type, 'the name of the plugin, "flyover"');
  }
  const paths = ['socket', 'spool'];
  for (let i = 0; i < paths.length; i++) {
    const key = paths[i] as string;
    const path = config[key];
    if (path === undefined) continue;
    if (typeof path !== 'string') return mustBe(key, path, 'an absolute path');
    const fault = pathFault(path, key === 'socket' ? MAX_SOCKET_PATH : MAX_PATH);
    if (fault !== '') return `${key} ${fault}`;
  }
  const timeout = config.timeoutSeconds;
  if (timeout !== undefined && !(typeof timeout === 'number' && timeout >= 1 && timeout <= 600)) {
    return mustBe('timeoutSeconds', timeout, 'a number of seconds from 1 to 600');
  }
  const previous = config.prevResult;
  if (previous !== undefined && previous !== null && !isObject(previous)) {
    return mustBe('prevResult', previous, 'the result of the plugin before, an object');
  }
  if (command === 'CHECK' && !isObject(previous)) {
    return mustBe('prevResult', previous, 'the result of the ADD that CHECK is to verify');
  }
  if (command === 'GC') {
    const attachments = validAttachments(config);
    if (!attachments.ok) return attachments.failure.details;
  }
  return '';
}

/**
 * The attachments that GC must keep, from `cni.dev/valid-attachments` (libcni also sends it as
 * `cni.dev/attachments`). No list at all is refused rather than taken for an empty one, because that would
 * remove every pod's network; `null` is how Go writes a list without entries.
 */
export function validAttachments(config: Record<string, unknown>): Checked<CniAttachment[]> {
  const key =
    config['cni.dev/valid-attachments'] === undefined ? 'cni.dev/attachments' : 'cni.dev/valid-attachments';
  const list = config[key];
  if (list === null) return pass([]);
  if (!isArray(list))
    return invalid(mustBe('cni.dev/valid-attachments', list, 'the list of attachments to keep'));
  const attachments: CniAttachment[] = [];
  for (let i = 0; i < list.length; i++) {
    const entry: unknown = list[i];
    const containerId = isObject(entry) ? entry.containerID : undefined;
    const ifName = isObject(entry) ? entry.ifname : undefined;
    if (typeof containerId !== 'string' || typeof ifName !== 'string') {
      return invalid(mustBe(`${key}[${i}]`, entry, '{"containerID": text, "ifname": text}'));
    }
    attachments.push({ containerId: containerId, ifName: ifName });
  }
  return pass(attachments);
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !isArray(value);
}

function isArray(value: unknown): value is unknown[] {
  return Object.prototype.toString.call(value) === '[object Array]';
}

function mustBe(field: string, value: unknown, rule: string): string {
  if (value === undefined) return `${field} is missing; it must be ${rule}`;
  return `${field} is ${quote(value)}; it must be ${rule}`;
}

function invalid(details: string): { ok: false; failure: { code: number; msg: string; details: string } } {
  return refuse(CNI_CODES.invalidConfig, 'invalid network configuration', details);
}
