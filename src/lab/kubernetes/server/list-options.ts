import type { FieldError, KindInfo } from '../schema/types.ts';
import { checkField, fieldOf } from './fields.ts';
import { flag } from './request-info.ts';
import { parseFieldSelector, parseLabelSelector, type Selection, selectionOf } from './selectors.ts';
import { badRequest, invalid } from './status.ts';

/** metav1.ListOptions, checked. */
export interface ListOptions {
  selection: Selection;
  /** 0: all. */
  limit: number;
  continue: string;
  /** Undefined: the newest. */
  resourceVersion: number | undefined;
  resourceVersionMatch: 'Exact' | 'NotOlderThan' | undefined;
  sendInitialEvents: boolean | undefined;
  allowWatchBookmarks: boolean;
  /** Undefined: the server's choice. */
  timeoutSeconds: number | undefined;
}

const OPTIONS = { group: 'meta.k8s.io', kind: 'ListOptions' };

function number(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  if (!/^\d{1,15}$/.test(text))
    throw badRequest(`${name}: ${JSON.stringify(text)} is not a number of at least 0`);
  return Number(text);
}

function resourceVersion(query: URLSearchParams): number | undefined {
  const text = query.get('resourceVersion');
  if (text === null || text === '') return undefined;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw invalid(OPTIONS, '', [
    {
      field: 'resourceVersion',
      type: 'FieldValueInvalid',
      message: `Invalid value: ${JSON.stringify(text)}: strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`,
    },
  ]);
}

/** The rules of k8s.io/apimachinery's ValidateListOptions. */
function check(query: URLSearchParams, verb: 'list' | 'watch', options: ListOptions): void {
  const match = query.get('resourceVersionMatch') ?? '';
  const errors: FieldError[] = [];
  const forbid = (field: string, why: string) =>
    errors.push({ field, type: 'FieldValueForbidden', message: `Forbidden: ${why}` });
  const unknown = () =>
    errors.push({
      field: 'resourceVersionMatch',
      type: 'FieldValueNotSupported',
      message: `Unsupported value: ${JSON.stringify(match)}: supported values: "Exact", "NotOlderThan"`,
    });
  const known = match === '' || match === 'Exact' || match === 'NotOlderThan';
  if (verb === 'watch') {
    if (options.sendInitialEvents === undefined) {
      if (match)
        forbid(
          'resourceVersionMatch',
          'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided',
        );
    } else if (match === '')
      forbid(
        'resourceVersionMatch',
        'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan',
      );
    else if (match !== 'NotOlderThan') unknown();
  } else {
    if (options.sendInitialEvents !== undefined)
      forbid('sendInitialEvents', 'sendInitialEvents is forbidden for list');
    if (match) {
      if (options.continue)
        forbid('resourceVersionMatch', 'resourceVersionMatch is forbidden when continue is provided');
      else if (options.resourceVersion === undefined)
        forbid(
          'resourceVersionMatch',
          'resourceVersionMatch is forbidden unless resourceVersion is provided',
        );
      else if (!known) unknown();
      else if (match === 'Exact' && options.resourceVersion === 0)
        forbid('resourceVersionMatch', 'resourceVersionMatch "Exact" is forbidden for resourceVersion "0"');
    }
    if (options.continue && options.resourceVersion)
      throw badRequest('specifying resource version is not allowed when using continue');
  }
  if (errors.length > 0) throw invalid(OPTIONS, '', errors);
}

/**
 * @param name of the one object, for a watch of one object
 * @throws StatusError 400, 422
 */
export function listOptions(
  kind: KindInfo,
  query: URLSearchParams,
  verb: 'list' | 'watch',
  name?: string,
): ListOptions {
  const labels = parseLabelSelector(query.get('labelSelector') ?? '');
  const fields = parseFieldSelector(query.get('fieldSelector') ?? '');
  for (const { key } of fields) checkField(kind, key);
  if (name) fields.push({ key: 'metadata.name', operator: 'in', values: [name] });
  const match = query.get('resourceVersionMatch');
  const options: ListOptions = {
    selection: selectionOf(labels, fields, fieldOf),
    limit: number(query, 'limit') ?? 0,
    continue: query.get('continue') ?? '',
    resourceVersion: resourceVersion(query),
    resourceVersionMatch: match === 'Exact' || match === 'NotOlderThan' ? match : undefined,
    sendInitialEvents: query.has('sendInitialEvents') ? flag(query, 'sendInitialEvents') : undefined,
    allowWatchBookmarks: flag(query, 'allowWatchBookmarks'),
    timeoutSeconds: number(query, 'timeoutSeconds'),
  };
  check(query, verb, options);
  return options;
}
