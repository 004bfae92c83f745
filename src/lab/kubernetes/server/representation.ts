import { stringify as yamlText } from 'yaml';
import type { KindInfo, KubeObject } from '../schema/types.ts';
import { convert, needsConversion } from './conversion.ts';
import { apiVersionOf } from './keys.ts';
import type { Format } from './negotiate.ts';
import type { Plugins } from './types.ts';

/**
 * How one client wants objects: their kind's version, or a Table, or their metadata alone; the same for answers, lists and watches.
 * Works on stored text and parses only where it must.
 */
export interface Representation {
  /** Equal for two clients who get the same bytes. */
  readonly id: string;
  readonly encoding: 'json' | 'yaml';
  /** The JSON of one object. `parsed` is called only if needed. */
  single(text: string, parsed: () => KubeObject): string;
  /** The opening of a list, up to the items' bracket; `sample` is its first objects, for a Table's columns. */
  listHead(metadata: Record<string, unknown>): string;
  /** The JSON of items (rows, for a Table), joined by commas. */
  items(texts: string[], parsed?: KubeObject[]): string;
}

const parse = (text: string): KubeObject => JSON.parse(text) as KubeObject;

function metadataOnly(object: KubeObject): KubeObject {
  return {
    kind: 'PartialObjectMetadata',
    apiVersion: 'meta.k8s.io/v1',
    metadata: object.metadata ?? {},
  };
}

/** Without its last two characters `]}`, so that items can follow. */
function opened(list: Record<string, unknown>): string {
  return JSON.stringify(list).slice(0, -2);
}

export function representationOf(
  format: Format,
  kind: KindInfo,
  plugins: Pick<Plugins, 'tableOf'>,
  includeObject = 'Metadata',
): Representation {
  const apiVersion = apiVersionOf(kind);
  const encoding = format.encoding;
  const object = (parsed: KubeObject) => convert(kind, parsed);
  if (format.as === 'Table') {
    const table = (objects: KubeObject[]) =>
      plugins.tableOf(kind, objects.map(object), { includeObject, now: new Date() });
    return {
      id: `table ${includeObject} ${apiVersion}`,
      encoding,
      single(_, parsed) {
        const one = parsed();
        const answer = table([one]);
        answer.metadata = {
          ...(one.metadata?.resourceVersion && { resourceVersion: one.metadata.resourceVersion }),
        };
        return JSON.stringify(answer);
      },
      listHead: (metadata) => opened({ ...table([]), metadata, rows: [] }),
      items(texts, parsed = texts.map(parse)) {
        return JSON.stringify((table(parsed) as { rows?: unknown[] }).rows ?? []).slice(1, -1);
      },
    };
  }
  if (format.as === 'PartialObjectMetadata')
    return {
      id: 'metadata',
      encoding,
      single: (_, parsed) => JSON.stringify(metadataOnly(parsed())),
      listHead: (metadata) =>
        opened({ kind: 'PartialObjectMetadataList', apiVersion: 'meta.k8s.io/v1', metadata, items: [] }),
      items: (texts, parsed = texts.map(parse)) =>
        parsed.map((one) => JSON.stringify(metadataOnly(one))).join(','),
    };
  const text = (one: string) =>
    needsConversion(kind, one) ? JSON.stringify(convert(kind, parse(one))) : one;
  return {
    id: `object ${apiVersion}`,
    encoding,
    single: (one) => text(one),
    listHead: (metadata) => opened({ kind: kind.listKind, apiVersion, metadata, items: [] }),
    items: (texts) => texts.map(text).join(','),
  };
}

/** JSON text in the encoding that was asked for. */
export function encoded(text: string, encoding: 'json' | 'yaml'): string {
  return encoding === 'json' ? text : yamlText(JSON.parse(text), { lineWidth: 0 });
}
