import { tryQuantity } from '../../../kube/quantity.ts';
import type { Volume } from '../../../kube/types.ts';
import { dnsLabel } from './names.ts';
import type { Report } from './report.ts';

const HOST_PATHS = [
  '',
  'BlockDevice',
  'CharDevice',
  'Directory',
  'DirectoryOrCreate',
  'File',
  'FileOrCreate',
  'Socket',
];
const MODE = 'must be a number between 0 and 0777 (octal), both inclusive';

type Items = NonNullable<Volume['configMap']>['items'];

function checkMode(report: Report, field: string, mode: number | undefined): void {
  if (mode !== undefined && (mode < 0 || mode > 0o777)) report.invalid(field, mode, MODE);
}

/** Within its volume. */
function checkPath(report: Report, field: string, path: string | undefined): void {
  if (!path) report.required(field);
  else if (path.startsWith('/')) report.invalid(field, path, 'must be a relative path');
  else if (path.split('/').includes('..')) report.invalid(field, path, "must not contain '..'");
}

function checkItems(report: Report, field: string, items: Items): void {
  for (const [index, { key, path, mode }] of (items ?? []).entries()) {
    const at = `${field}.items[${index}]`;
    if (!key) report.required(`${at}.key`);
    checkPath(report, `${at}.path`, path);
    checkMode(report, `${at}.mode`, mode);
  }
}

function checkProjected(
  report: Report,
  at: string,
  { sources, defaultMode }: NonNullable<Volume['projected']>,
): void {
  checkMode(report, `${at}.defaultMode`, defaultMode);
  for (const [index, source] of (sources ?? []).entries()) {
    const field = `${at}.sources[${index}]`;
    const kinds = Object.keys(source);
    if (kinds.length === 0) report.required(field);
    if (kinds.length > 1) report.forbidden(field, 'may not specify more than 1 volume type per source');
    if (source.secret && !source.secret.name) report.required(`${field}.secret.name`);
    if (source.configMap && !source.configMap.name) report.required(`${field}.configMap.name`);
    checkItems(report, `${field}.secret`, source.secret?.items);
    checkItems(report, `${field}.configMap`, source.configMap?.items);
    for (const [item, file] of (source.downwardAPI?.items ?? []).entries())
      checkPath(report, `${field}.downwardAPI.items[${item}].path`, file.path);
    const token = source.serviceAccountToken;
    if (!token) continue;
    checkPath(report, `${field}.serviceAccountToken.path`, token.path);
    if (token.expirationSeconds !== undefined && token.expirationSeconds < 600)
      report.invalid(
        `${field}.serviceAccountToken.expirationSeconds`,
        token.expirationSeconds,
        'may not specify a duration less than 10 minutes',
      );
  }
}

function checkVolume(report: Report, at: string, volume: Volume): void {
  const { name, ...sources } = volume;
  if (!name) report.required(`${at}.name`);
  else report.all(`${at}.name`, name, dnsLabel(name));
  const kinds = Object.keys(sources);
  if (kinds.length === 0) report.required(at, 'must specify a volume type');
  for (const extra of kinds.slice(1))
    report.forbidden(`${at}.${extra}`, 'may not specify more than 1 volume type');
  const { emptyDir, hostPath, secret, configMap, downwardAPI, projected, persistentVolumeClaim, nfs } =
    volume;
  if (emptyDir?.sizeLimit !== undefined && (tryQuantity(emptyDir.sizeLimit)?.nanos ?? 0n) < 0n)
    report.forbidden(`${at}.emptyDir.sizeLimit`, 'SizeLimit field must be a valid resource quantity');
  if (hostPath) {
    if (!hostPath.path) report.required(`${at}.hostPath.path`);
    else if (hostPath.path.split('/').includes('..'))
      report.invalid(`${at}.hostPath.path`, hostPath.path, "must not contain '..'");
    report.oneOf(`${at}.hostPath.type`, hostPath.type, HOST_PATHS);
  }
  if (secret) {
    if (!secret.secretName) report.required(`${at}.secret.secretName`);
    checkMode(report, `${at}.secret.defaultMode`, secret.defaultMode);
    checkItems(report, `${at}.secret`, secret.items);
  }
  if (configMap) {
    if (!configMap.name) report.required(`${at}.configMap.name`);
    checkMode(report, `${at}.configMap.defaultMode`, configMap.defaultMode);
    checkItems(report, `${at}.configMap`, configMap.items);
  }
  if (downwardAPI) {
    checkMode(report, `${at}.downwardAPI.defaultMode`, downwardAPI.defaultMode);
    for (const [index, file] of (downwardAPI.items ?? []).entries())
      checkPath(report, `${at}.downwardAPI.items[${index}].path`, file.path);
  }
  if (projected) checkProjected(report, `${at}.projected`, projected);
  if (persistentVolumeClaim && !persistentVolumeClaim.claimName)
    report.required(`${at}.persistentVolumeClaim.claimName`);
  if (nfs && !nfs.server) report.required(`${at}.nfs.server`);
  if (nfs && !nfs.path) report.required(`${at}.nfs.path`);
}

/** The names of a pod's volumes, once they are checked. */
export function checkVolumes(report: Report, field: string, volumes: Volume[] | undefined): Set<string> {
  for (const [index, volume] of (volumes ?? []).entries()) checkVolume(report, `${field}[${index}]`, volume);
  report.unique(field, volumes, ({ name }) => name, '.name');
  return new Set((volumes ?? []).map(({ name }) => name));
}
