import { readFileSync } from 'node:fs';
import type { KubeObject } from '../../schema/types.ts';
import { ProtobufError, type WireField, wireFields } from './reader.ts';

// kubectl from 1.32 on sends what it creates from flags (`kubectl create namespace`) as protobuf, and does not try again with JSON when
// that is refused. Answers are JSON: it takes both. kube-protobuf.json holds the wire format's facts, by message: number -> name and type.
// A name is empty where Go embeds a struct, whose fields are the outer object's in JSON. Types: s text, i integer, b boolean, y bytes,
// d double, the name of a message; `[]` before it for lists, `{}` for maps from text.

export const PROTOBUF = 'application/vnd.kubernetes.protobuf';

type Messages = Record<string, Record<string, string>>;

let messages: Messages | undefined;

/** 50 kB, read when the first such body comes. */
function facts(): Messages {
  messages ??= JSON.parse(readFileSync(new URL('./kube-protobuf.json', import.meta.url), 'utf8')) as Messages;
  return messages;
}

/** What the wire always carries and JSON leaves out when zero: fields that are no pointers in Go. */
const ZERO_IS_UNSET = new Set([
  ...[
    'generation',
    'observedGeneration',
    'hostPort',
    'nodePort',
    'healthCheckNodePort',
    'minReadySeconds',
    'weight',
  ],
  ...['initialDelaySeconds', 'timeoutSeconds', 'periodSeconds', 'successThreshold', 'failureThreshold'],
  ...[
    'hostNetwork',
    'hostPID',
    'hostIPC',
    'stdin',
    'stdinOnce',
    'tty',
    'readOnly',
    'unschedulable',
    'paused',
  ],
  ...[
    'publishNotReadyAddresses',
    'disruptionsAllowed',
    'currentHealthy',
    'desiredHealthy',
    'expectedPods',
    'allowed',
  ],
  ...[
    'currentReplicas',
    'readyReplicas',
    'updatedReplicas',
    'availableReplicas',
    'unavailableReplicas',
    'count',
  ],
]);
/** Pointers to text, where empty is not missing. */
const EMPTY_IS_SET = new Set(['storageClassName', 'volumeName']);
/** Levels of a message within messages. */
const DEEPEST = 100;

function time(bytes: Buffer, fraction: boolean): string | null {
  let seconds = 0;
  let nanos = 0;
  for (const { number, value } of wireFields(bytes)) {
    if (number === 1) seconds = Number(BigInt.asIntN(64, value));
    if (number === 2) nanos = Number(BigInt.asIntN(32, value));
  }
  if (seconds === 0 && nanos === 0) return null;
  const text = new Date(seconds * 1000).toISOString().slice(0, 19);
  return fraction ? `${text}.${String(Math.floor(nanos / 1000)).padStart(6, '0')}Z` : `${text}Z`;
}

function json(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    throw new ProtobufError('an embedded value is not JSON');
  }
}

const first = (bytes: Buffer): Buffer => {
  for (const field of wireFields(bytes)) if (field.bytes) return field.bytes;
  return Buffer.alloc(0);
};

/** Messages that are plain values in JSON. */
const VALUES: Record<string, (bytes: Buffer) => unknown> = {
  'meta.v1.Time': (bytes) => time(bytes, false),
  'meta.v1.MicroTime': (bytes) => time(bytes, true),
  'api.resource.Quantity': (bytes) => first(bytes).toString('utf8'),
  'meta.v1.FieldsV1': (bytes) => json(first(bytes)),
  'runtime.RawExtension': (bytes) => json(first(bytes)),
  'authorization.v1.ExtraValue': (bytes) => list(bytes),
  'authentication.v1.ExtraValue': (bytes) => list(bytes),
  'certificates.v1.ExtraValue': (bytes) => list(bytes),
  'util.intstr.IntOrString'(bytes) {
    let [isText, number, text] = [false, 0, ''];
    for (const field of wireFields(bytes)) {
      if (field.number === 1) isText = field.value === 1n;
      else if (field.number === 2) number = Number(BigInt.asIntN(32, field.value));
      else if (field.number === 3) text = field.bytes?.toString('utf8') ?? '';
    }
    return isText ? text : number;
  },
};

function list(bytes: Buffer): string[] {
  return [...wireFields(bytes)].map((field) => field.bytes?.toString('utf8') ?? '');
}

function fieldValue(type: string, field: WireField, depth: number): unknown {
  const bytes = field.bytes ?? Buffer.alloc(0);
  switch (type) {
    case 's':
      return bytes.toString('utf8');
    case 'i':
      return Number(BigInt.asIntN(64, field.value));
    case 'b':
      return field.value !== 0n;
    case 'd':
      return field.double;
    case 'y':
      return bytes.toString('base64');
    default:
      return VALUES[type]?.(bytes) ?? (type in VALUES ? null : messageOf(type, bytes, depth + 1));
  }
}

/** The key and value of a map's entry. */
function entryOf(type: string, bytes: Buffer, depth: number): [string, unknown] {
  let key = '';
  let value = fieldValue(type, { number: 2, value: 0n, bytes: Buffer.alloc(0), double: 0 }, depth);
  for (const field of wireFields(bytes)) {
    if (field.number === 1) key = field.bytes?.toString('utf8') ?? '';
    else if (field.number === 2) value = fieldValue(type, field, depth);
  }
  return [key, value];
}

function messageOf(name: string, bytes: Buffer, depth: number): Record<string, unknown> {
  if (depth > DEEPEST) throw new ProtobufError(`messages are within each other more than ${DEEPEST} deep`);
  const known = facts()[name];
  if (!known) throw new ProtobufError(`the message ${name} is not known here; send JSON`);
  const object: Record<string, unknown> = {};
  for (const field of wireFields(bytes)) {
    const [property = '', type = ''] = known[field.number]?.split(' ') ?? [];
    if (!type) continue;
    if (property === '') {
      Object.assign(object, messageOf(type, field.bytes ?? Buffer.alloc(0), depth + 1));
    } else if (type.startsWith('[]')) {
      object[property] ??= [];
      (object[property] as unknown[]).push(fieldValue(type.slice(2), field, depth));
    } else if (type.startsWith('{}')) {
      const [key, value] = entryOf(type.slice(2), field.bytes ?? Buffer.alloc(0), depth);
      object[property] ??= {};
      Object.defineProperty(object[property], key, {
        value,
        enumerable: true,
        writable: true,
        configurable: true,
      });
    } else {
      const value = fieldValue(type, field, depth);
      if (value === '' && !EMPTY_IS_SET.has(property)) continue;
      if (
        (value === 0 || value === false || value === null) &&
        (value === null || ZERO_IS_UNSET.has(property))
      )
        continue;
      object[property] = value;
    }
  }
  return object;
}

const MAGIC = Buffer.from('k8s\0');
const OPTIONS = new Set(['DeleteOptions', 'CreateOptions', 'UpdateOptions', 'PatchOptions']);

/** `rbac.authorization.k8s.io/v1`, `Role` -> `rbac.v1.Role` */
function messageName(apiVersion: string, kind: string): string {
  if (OPTIONS.has(kind)) return `meta.v1.${kind}`;
  const [group = '', version] = apiVersion.includes('/') ? apiVersion.split('/') : ['core', apiVersion];
  return `${group.split('.')[0]}.${version}.${kind}`;
}

/** An object of Kubernetes' protobuf form (`k8s\0` and a runtime.Unknown) as it would be in JSON. @throws ProtobufError */
export function decodeProtobuf(body: Buffer): KubeObject {
  if (!body.subarray(0, MAGIC.length).equals(MAGIC)) throw new ProtobufError('it does not begin with k8s\\0');
  let apiVersion = '';
  let kind = '';
  let raw: Buffer = Buffer.alloc(0);
  for (const field of wireFields(body.subarray(MAGIC.length))) {
    if (field.number === 2 && field.bytes) raw = field.bytes;
    if (field.number !== 1 || !field.bytes) continue;
    for (const { number, bytes } of wireFields(field.bytes)) {
      if (number === 1) apiVersion = bytes?.toString('utf8') ?? '';
      if (number === 2) kind = bytes?.toString('utf8') ?? '';
    }
  }
  return { apiVersion, kind, ...messageOf(messageName(apiVersion, kind), raw, 0) };
}
