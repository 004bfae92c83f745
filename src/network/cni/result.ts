import { isIP } from 'node:net';
import { CNI_CODES, CniError } from './errors.ts';
import { quote } from './failure.ts';
import type { CniDns, CniInterface, CniIp, CniResult, CniRoute } from './types.ts';
import { isObject } from './validate.ts';
import { type CniVersion, isAtLeast, isSupportedVersion, SUPPORTED_VERSIONS } from './versions.ts';

/** A result with nothing in it. */
export function emptyResult(): CniResult {
  return { interfaces: [], ips: [], routes: [], dns: {} };
}

/** The result as an object of this version's form: fields that it does not know are left out. */
export function renderResult(result: CniResult, version: CniVersion): Record<string, unknown> {
  const modern = isAtLeast(version, '1.1.0');
  const numbered = !isAtLeast(version, '1.0.0');
  const rendered: Record<string, unknown> = { cniVersion: version };
  if (result.interfaces.length > 0) {
    rendered.interfaces = result.interfaces.map(({ name, mac, mtu, sandbox, socketPath, pciId }) =>
      known({ name, mac, sandbox, ...(modern ? { mtu, socketPath, pciID: pciId } : {}) }),
    );
  }
  // `ips` stands there even when it is empty: readers of 0.3 and 0.4 expect it.
  rendered.ips = result.ips.map(({ address, gateway, interface: index }) =>
    known({
      version: numbered ? String(familyOf(address)) : undefined,
      address,
      gateway,
      interface: index,
    }),
  );
  if (result.routes.length > 0) {
    rendered.routes = result.routes.map(({ dst, gw, mtu, advmss, priority, table, scope }) =>
      known({ dst, gw, ...(modern ? { mtu, advmss, priority, table, scope } : {}) }),
    );
  }
  const { nameservers, domain, search, options } = result.dns;
  rendered.dns = known({ nameservers, domain, search, options });
  return rendered;
}

/** {@link renderResult} as the line for stdout. */
export function resultJson(result: CniResult, version: CniVersion): string {
  return JSON.stringify(renderResult(result, version));
}

/**
 * Reads a result of any version that the plugin speaks, such as `prevResult`. The form is the one of its own
 * `cniVersion`, or of `version` when it has none. Throws a {@link CniError} with code 7 (1 for a version that is
 * not spoken) naming the field. Unknown fields are left out; what is absent is an empty list.
 */
export function parseResult(value: unknown, version: CniVersion, field = 'prevResult'): CniResult {
  const result = object(value, field);
  const own = result.cniVersion;
  if (own !== undefined && own !== '' && !isSupportedVersion(own)) {
    throw new CniError(
      CNI_CODES.incompatibleVersion,
      `incompatible version of ${field}`,
      `${field}.cniVersion is ${quote(own)}, this plugin speaks ${SUPPORTED_VERSIONS.join(', ')}`,
    );
  }
  const modern = isAtLeast(isSupportedVersion(own) ? own : version, '1.1.0');
  const interfaces = list(result.interfaces, `${field}.interfaces`, (entry, name) =>
    parseInterface(entry, name, modern),
  );
  return {
    interfaces,
    ips: list(result.ips, `${field}.ips`, (entry, name) => parseIp(entry, name, interfaces.length)),
    routes: list(result.routes, `${field}.routes`, (entry, name) => parseRoute(entry, name, modern)),
    dns: parseDns(result.dns, `${field}.dns`),
  };
}

/**
 * What a chained plugin answers: everything before it, then its own, with the interface indexes moved up.
 * `dns` fields that the own result sets win.
 */
export function mergeResults(previous: CniResult, own: CniResult): CniResult {
  const offset = previous.interfaces.length;
  return {
    interfaces: [...previous.interfaces, ...own.interfaces],
    ips: [
      ...previous.ips,
      ...own.ips.map((ip) => (ip.interface === undefined ? ip : { ...ip, interface: ip.interface + offset })),
    ],
    routes: [...previous.routes, ...own.routes],
    dns: { ...previous.dns, ...own.dns },
  };
}

function parseInterface(value: unknown, field: string, modern: boolean): CniInterface {
  const entry = object(value, field);
  const parsed: CniInterface = {
    name: text(entry.name, `${field}.name`) ?? wrong(`${field}.name`, entry.name, 'a text'),
  };
  set(parsed, 'mac', text(entry.mac, `${field}.mac`));
  set(parsed, 'sandbox', text(entry.sandbox, `${field}.sandbox`));
  if (modern) {
    set(parsed, 'mtu', count(entry.mtu, `${field}.mtu`));
    set(parsed, 'socketPath', text(entry.socketPath, `${field}.socketPath`));
    set(parsed, 'pciId', text(entry.pciID, `${field}.pciID`));
  }
  return parsed;
}

function parseIp(value: unknown, field: string, interfaces: number): CniIp {
  const entry = object(value, field);
  const parsed: CniIp = { address: cidr(entry.address, `${field}.address`) };
  set(parsed, 'gateway', address(entry.gateway, `${field}.gateway`));
  const index = count(entry.interface, `${field}.interface`);
  if (index !== undefined && index >= interfaces) {
    wrong(`${field}.interface`, index, `an index into the ${interfaces} interfaces`);
  }
  set(parsed, 'interface', index);
  return parsed;
}

function parseRoute(value: unknown, field: string, modern: boolean): CniRoute {
  const entry = object(value, field);
  const parsed: CniRoute = { dst: cidr(entry.dst, `${field}.dst`) };
  set(parsed, 'gw', address(entry.gw, `${field}.gw`));
  if (modern) {
    for (const key of ['mtu', 'advmss', 'priority', 'table', 'scope'] as const) {
      set(parsed, key, count(entry[key], `${field}.${key}`));
    }
  }
  return parsed;
}

function parseDns(value: unknown, field: string): CniDns {
  if (value === undefined || value === null) return {};
  const entry = object(value, field);
  const parsed: CniDns = {};
  for (const key of ['nameservers', 'search', 'options'] as const) {
    if (entry[key] === undefined || entry[key] === null) continue;
    parsed[key] = list(entry[key], `${field}.${key}`, (one, name) =>
      typeof one === 'string' ? one : wrong(name, one, 'a text'),
    );
  }
  set(parsed, 'domain', text(entry.domain, `${field}.domain`));
  return parsed;
}

/** 4 or 6 for an address with or without prefix length. */
function familyOf(text: string): number {
  return isIP(text.split('/')[0] ?? '');
}

function cidr(value: unknown, field: string): string {
  if (typeof value === 'string') {
    const [base = '', length = '', rest] = value.split('/');
    const family = isIP(base);
    if (
      family !== 0 &&
      rest === undefined &&
      /^\d{1,3}$/.test(length) &&
      Number(length) <= (family === 4 ? 32 : 128)
    ) {
      return value;
    }
  }
  return wrong(field, value, 'an address and a prefix length such as "10.244.0.7/32"');
}

/** An address, or undefined for an absent or empty one (Go writes absent addresses as ''). */
function address(value: unknown, field: string): string | undefined {
  const given = text(value, field);
  if (given !== undefined && isIP(given) === 0) wrong(field, given, 'an IP address');
  return given;
}

function text(value: unknown, field: string): string | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  return typeof value === 'string' ? value : wrong(field, value, 'a text');
}

function count(value: unknown, field: string): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    return wrong(field, value, 'a whole number from 0 on');
  }
  return value;
}

function list<T>(value: unknown, field: string, parse: (entry: unknown, field: string) => T): T[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) return wrong(field, value, 'a list');
  return value.map((entry, index) => parse(entry, `${field}[${index}]`));
}

function object(value: unknown, field: string): Record<string, unknown> {
  return isObject(value) ? value : wrong(field, value, 'an object');
}

function wrong(field: string, value: unknown, rule: string): never {
  const found = value === undefined ? 'is missing' : `is ${quote(value)}`;
  throw new CniError(
    CNI_CODES.invalidConfig,
    'invalid result of the plugin before',
    `${field} ${found}; it must be ${rule}`,
  );
}

function set<T, K extends keyof T>(target: T, key: K, value: T[K] | undefined): void {
  if (value !== undefined) target[key] = value;
}

/** Without the fields that are undefined. */
function known(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
