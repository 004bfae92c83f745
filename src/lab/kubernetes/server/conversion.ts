import type { KindInfo, KubeObject } from '../schema/types.ts';
import { apiVersionOf } from './keys.ts';

// Objects are stored in the version they were written in. Versions of one kind have the same fields (a CRD's strategy None), but for
// events, which two API groups show differently.

/** Whether a stored text is in another version. Stored texts begin with apiVersion, see `storedText`. */
export function needsConversion(kind: KindInfo, text: string): boolean {
  return !text.startsWith(`{"apiVersion":"${apiVersionOf(kind)}"`);
}

/** core v1 -> events.k8s.io/v1, as upstream's conversion. */
const EVENT_FIELDS: readonly (readonly [core: string, events: string])[] = [
  ['involvedObject', 'regarding'],
  ['message', 'note'],
  ['source', 'deprecatedSource'],
  ['firstTimestamp', 'deprecatedFirstTimestamp'],
  ['lastTimestamp', 'deprecatedLastTimestamp'],
  ['count', 'deprecatedCount'],
  ['reportingComponent', 'reportingController'],
];

/** The object in the kind's version; itself when it is already. */
export function convert(kind: KindInfo, object: KubeObject): KubeObject {
  const apiVersion = apiVersionOf(kind);
  if (object.apiVersion === apiVersion) return object;
  const { apiVersion: from, ...rest } = object;
  const converted: KubeObject = { apiVersion, ...rest };
  if (kind.kind !== 'Event') return converted;
  const toCore = apiVersion === 'v1' && from === 'events.k8s.io/v1';
  for (const [core, events] of EVENT_FIELDS) {
    const [source, target] = toCore ? [events, core] : [core, events];
    if (!(source in converted)) continue;
    converted[target] = converted[source];
    delete converted[source];
  }
  return converted;
}

/** The text to store: apiVersion and kind first, then metadata with the revision as resourceVersion. */
export function storedText(object: KubeObject, revision: number): string {
  const { apiVersion, kind, metadata, ...rest } = object;
  return JSON.stringify({
    apiVersion,
    kind,
    metadata: { ...metadata, resourceVersion: String(revision) },
    ...rest,
  });
}
