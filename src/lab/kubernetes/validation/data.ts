import type { ConfigMap, Event, Secret } from '../../../kube/types.ts';
import { configKey } from './names.ts';
import { type Report, same } from './report.ts';

const MAX_SIZE = 1024 * 1024;
/** What a Secret of a type must have. */
const REQUIRED: Record<string, string[]> = {
  'kubernetes.io/dockercfg': ['.dockercfg'],
  'kubernetes.io/dockerconfigjson': ['.dockerconfigjson'],
  'kubernetes.io/tls': ['tls.crt', 'tls.key'],
  'kubernetes.io/ssh-auth': ['ssh-privatekey'],
};
const ACCOUNT = 'kubernetes.io/service-account.name';

/** Bytes of what base64 stands for. */
function decodedSize(text: string): number {
  return Buffer.byteLength(text, 'base64');
}

export function checkConfigMap(report: Report, { data = {}, binaryData = {} }: ConfigMap): void {
  let size = 0;
  for (const [key, value] of Object.entries(data)) {
    report.all(`data[${key}]`, key, configKey(key));
    if (Object.hasOwn(binaryData, key))
      report.invalid(`data[${key}]`, key, `duplicate of key present in binaryData`);
    size += Buffer.byteLength(value);
  }
  for (const [key, value] of Object.entries(binaryData)) {
    report.all(`binaryData[${key}]`, key, configKey(key));
    size += decodedSize(value);
  }
  if (size > MAX_SIZE) report.tooLong('', MAX_SIZE);
}

export function checkSecret(report: Report, { metadata, data = {}, type = 'Opaque' }: Secret): void {
  let size = 0;
  for (const [key, value] of Object.entries(data)) {
    report.all(`data[${key}]`, key, configKey(key));
    size += decodedSize(value);
  }
  if (size > MAX_SIZE) report.tooLong('data', MAX_SIZE);
  for (const key of REQUIRED[type] ?? []) if (!Object.hasOwn(data, key)) report.required(`data[${key}]`);
  const json = data['.dockerconfigjson'];
  if (type === 'kubernetes.io/dockerconfigjson' && json !== undefined)
    try {
      JSON.parse(Buffer.from(json, 'base64').toString());
    } catch (error) {
      report.invalid('data[.dockerconfigjson]', '<secret contents redacted>', (error as Error).message);
    }
  if (type === 'kubernetes.io/service-account-token' && !metadata?.annotations?.[ACCOUNT])
    report.required(`metadata.annotations[${ACCOUNT}]`);
}

/** Of both groups. Events about what is in no namespace are in `default`. */
export function checkEvent(report: Report, event: Event & { regarding?: Event['involvedObject'] }): void {
  const about = (event.involvedObject ?? event.regarding)?.namespace ?? '';
  if (event.metadata?.namespace !== (about || 'default'))
    report.invalid('involvedObject.namespace', about, 'does not match event.namespace');
}

type Data = ConfigMap & Secret;

/** Of ConfigMaps and Secrets. */
export function checkDataUpdate(report: Report, now: Data, old: Data): void {
  report.immutable('type', now.type, old.type);
  if (!old.immutable) return;
  if (!now.immutable) report.forbidden('immutable', 'field is immutable when `immutable` is set');
  for (const part of ['data', 'binaryData'] as const)
    if (!same(now[part], old[part])) report.forbidden(part, 'field is immutable when `immutable` is set');
}
