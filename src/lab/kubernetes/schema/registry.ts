import { readSchemaFile, type SchemaFile } from './files.ts';
import type { GroupVersionKind, GroupVersionResource, KindInfo, Schema } from './types.ts';

const ANYTHING: Schema = { preserveUnknownFields: true };

const byResource = ({ group, version, plural }: GroupVersionResource): string =>
  `${group}/${version}/${plural}`;
const byKindKey = ({ group, version, kind }: GroupVersionKind): string => `${group}/${version}/${kind}`;

/** The kinds that the server has: the built-in ones, and those that CRDs add and take away. */
export class SchemaRegistry {
  /** Changes with each kind that is added or removed: what was derived from the registry is then old. */
  version = 1;
  /** Of the built-in kinds and their texts, hexadecimal. */
  readonly hash: string;
  /** Of the built-in kinds, by name. */
  readonly definitions: Readonly<Record<string, Schema>>;
  /** The kinds that a definition is, lists and options too. */
  readonly definitionKinds: Readonly<Record<string, GroupVersionKind[]>>;
  private readonly resources = new Map<string, KindInfo>();
  private readonly byName = new Map<string, KindInfo>();
  private readonly loose = new Map<string, Schema>();
  private readonly merged = new WeakMap<Schema, Schema>();

  constructor(file: SchemaFile) {
    this.hash = file.hash;
    this.definitions = file.definitions;
    this.definitionKinds = file.kinds;
    for (const { group, version, kinds } of file.groups)
      for (const { definition, ...kind } of kinds)
        this.put({
          ...kind,
          group,
          version,
          listKind: `${kind.kind}List`,
          singular: kind.kind.toLowerCase(),
          schema: { ref: definition },
          builtin: true,
        });
    for (const [definition, kinds] of Object.entries(file.kinds))
      for (const gvk of kinds) this.loose.set(byKindKey(gvk), { ref: definition });
  }

  /** Reads the built-in kinds from the file that the build made: some milliseconds, 2 MB. @throws Error when it is missing */
  static load(): SchemaRegistry {
    return new SchemaRegistry(readSchemaFile());
  }

  /** The schema without `ref`: its definition, with what stands beside the reference winning. Unknown names hold anything. */
  resolve(schema: Schema): Schema {
    if (schema.ref === undefined) return schema;
    const known = this.merged.get(schema);
    if (known) return known;
    const { ref, ...own } = schema;
    const definition = Object.hasOwn(this.definitions, ref) ? (this.definitions[ref] as Schema) : ANYTHING;
    const resolved = Object.keys(own).length === 0 ? definition : { ...definition, ...own };
    this.merged.set(schema, resolved);
    return resolved;
  }

  /** All kinds that are served, each version of each; built-in ones first, in the order of discovery. */
  kinds(): KindInfo[] {
    return [...this.resources.values()];
  }

  find(resource: GroupVersionResource): KindInfo | undefined {
    return this.resources.get(byResource(resource));
  }

  byKind(kind: GroupVersionKind): KindInfo | undefined {
    return this.byName.get(byKindKey(kind));
  }

  /** The schema of any kind by name, also of those that are no resources: Scale, Eviction, TokenRequest, DeleteOptions, PodList. */
  schemaOf(kind: GroupVersionKind): Schema | undefined {
    return this.byName.get(byKindKey(kind))?.schema ?? this.loose.get(byKindKey(kind));
  }

  /** Serves a kind from now on; replaces one of the same group, version and plural. @throws Error for a built-in one */
  add(kind: KindInfo): void {
    const present = this.find(kind);
    if (present?.builtin) throw new Error(`${byResource(kind)} is built in and cannot be replaced`);
    if (present) this.byName.delete(byKindKey(present));
    this.put(kind);
    this.version++;
  }

  /** Does nothing when there is none, or it is built in. */
  remove(resource: GroupVersionResource): void {
    const present = this.find(resource);
    if (!present || present.builtin) return;
    this.resources.delete(byResource(resource));
    this.byName.delete(byKindKey(present));
    this.version++;
  }

  private put(kind: KindInfo): void {
    this.resources.set(byResource(kind), kind);
    this.byName.set(byKindKey(kind), kind);
  }
}

let shared: SchemaRegistry | undefined;

/** The registry of this process, loaded once. Tests that add kinds load their own. */
export function sharedRegistry(): SchemaRegistry {
  shared ??= SchemaRegistry.load();
  return shared;
}
