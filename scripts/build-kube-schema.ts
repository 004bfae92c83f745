// Makes dist/kube-schema.json and dist/kube-descriptions.json: the shapes of the built-in kinds from the official client's
// models (names, types, what is required, texts), and the facts that the models lack from src/lab/kubernetes/schema/facts.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ENUMS } from '../src/lab/kubernetes/schema/facts/enums.ts';
import {
  ABSENT,
  ATOMIC_MAPS,
  DEFAULTS,
  LISTS,
  QUANTITIES,
} from '../src/lab/kubernetes/schema/facts/fields.ts';
import {
  GROUPS,
  type GroupFacts,
  type KindFacts,
  LOOSE,
  META_MODELS,
  META_PREFIX,
  STRAY_MODELS,
} from '../src/lab/kubernetes/schema/facts/kinds.ts';
import type { GroupVersionKind, Schema } from '../src/lab/kubernetes/schema/types.ts';

const root = dirname(import.meta.dirname);
const MODELS = join(root, 'node_modules/@kubernetes/client-node/dist/gen/models');

/** What dist/kube-schema.json holds. */
export interface SchemaFile {
  /** Of everything, the descriptions too: a new one means that OpenAPI documents are new. */
  hash: string;
  groups: (Omit<GroupFacts, 'kinds'> & { kinds: (Omit<KindFacts, 'model'> & { definition: string })[] })[];
  definitions: Record<string, Schema>;
  /** Of all definitions that are kinds, lists too. */
  kinds: Record<string, GroupVersionKind[]>;
}

/** What dist/kube-descriptions.json holds: definition -> field -> text; the empty field is the definition itself. */
export type DescriptionFile = Record<string, Record<string, string>>;

interface Attribute {
  name: string;
  baseName: string;
  type: string;
  format: string;
}

/** Of a model's name: `CoreV1EventSeries` is `EventSeries`. */
function lastName(model: string): string {
  return /V\d+(?:(?:alpha|beta)\d+)?(.+)$/.exec(model)?.[1] ?? model;
}

/** `io.k8s.api.core.v1` is `core` in the facts. */
function packageOf(prefix: string): string {
  return prefix === META_PREFIX ? 'meta' : (prefix.split('.').at(-2) as string);
}

class Builder {
  readonly definitions: Record<string, Schema> = {};
  readonly descriptions: DescriptionFile = {};
  readonly kinds: Record<string, GroupVersionKind[]> = {};
  private readonly names = new Map<string, string>();
  private readonly lines = new Map<string, string>();
  private readonly atomic = words(ATOMIC_MAPS);
  private readonly quantities = words(QUANTITIES);
  private readonly absent = words(ABSENT);
  private readonly enums = new Map<string, string[]>();
  private readonly used = new Set<string>();

  constructor() {
    for (const line of LISTS.split('\n').filter(Boolean)) {
      const [field, ...rest] = line.split(' ');
      this.lines.set(field as string, rest.join(' '));
    }
    for (const line of ENUMS.split('\n').filter(Boolean)) {
      const [field, ...values] = line.split(' ');
      this.enums.set(field as string, values);
    }
  }

  async add(model: string, prefix: string): Promise<string> {
    const known = this.names.get(model);
    if (known) return known;
    const home = META_MODELS.has(model) ? META_PREFIX : (STRAY_MODELS[model] ?? prefix);
    const name = `${home}.${lastName(model)}`;
    this.names.set(model, name);
    const schema: Schema = { type: 'object' };
    this.definitions[name] = schema;
    const short = `${packageOf(home)}.${lastName(model)}`;
    if (this.fact(this.atomic, short)) schema.mapType = 'atomic';
    const documented = readDeclaration(model);
    this.descriptions[name] = { '': documented.description };
    const attributes = await readAttributes(model);
    const properties: Record<string, Schema> = {};
    const required: string[] = [];
    for (const attribute of attributes.sort((a, b) => (a.baseName < b.baseName ? -1 : 1))) {
      const field = `${short}.${attribute.baseName}`;
      if (this.fact(this.absent, field)) continue;
      const about = documented.fields.get(attribute.name);
      if (about?.text) this.descriptions[name][attribute.baseName] = about.text;
      if (about?.required) required.push(attribute.baseName);
      properties[attribute.baseName] = await this.property(attribute, field, home);
    }
    if (Object.keys(properties).length) schema.properties = properties;
    if (required.length) schema.required = required;
    return name;
  }

  private async property(attribute: Attribute, field: string, prefix: string): Promise<Schema> {
    const schema = await this.type(attribute.type.trim(), attribute.format, field, prefix);
    const fact = this.lines.get(field);
    if (fact) {
      this.used.add(field);
      const [list = '-', patch = '-'] = fact.split(' ');
      const [listType, keys] = parts(list);
      const [strategy, key] = parts(patch);
      if (listType) schema.listType = listType as 'map';
      if (keys) schema.listMapKeys = keys.split(',');
      if (strategy) schema.patchStrategy = strategy;
      if (key) schema.patchMergeKey = key;
    }
    if (!schema.ref && this.fact(this.atomic, field)) schema.mapType = 'atomic';
    const values = this.enums.get(field);
    if (values) {
      this.used.add(field);
      schema.enum = values;
    }
    if (field in DEFAULTS) {
      this.used.add(field);
      schema.default = DEFAULTS[field];
    }
    return schema;
  }

  private async type(type: string, format: string, field: string, prefix: string): Promise<Schema> {
    const list = /^Array<(.*)>$/.exec(type);
    if (list) return { type: 'array', items: await this.type(list[1] as string, format, field, prefix) };
    const map = /^\{ \[key: string\]: (.*); \}$/.exec(type);
    if (map)
      return {
        type: 'object',
        additionalProperties: await this.type(map[1] as string, format, field, prefix),
      };
    switch (type) {
      case 'string':
        if (this.fact(this.quantities, field)) return { type: 'string', format: 'quantity' };
        return format ? { type: 'string', format } : { type: 'string' };
      case 'boolean':
        return { type: 'boolean' };
      case 'number':
        if (format === 'int32' || format === 'int64') return { type: 'integer', format };
        return { type: 'number', ...(format ? { format } : {}) };
      case 'V1MicroTime':
        return { type: 'string', format: 'micro-time' };
      case 'Date':
        return { type: 'string', format: format === 'date-time-micro' ? 'micro-time' : 'date-time' };
      case 'IntOrString':
        return { intOrString: true, format: 'int-or-string' };
      case 'any':
        // FieldsV1 and an object of raw JSON are objects; the rest (defaults and examples of CRDs) may be anything
        return /fieldsV1$|ControllerRevision.data$/.test(field)
          ? { type: 'object', preserveUnknownFields: true }
          : { preserveUnknownFields: true };
      default:
        return { ref: await this.add(type, prefix) };
    }
  }

  private fact(facts: Set<string>, field: string): boolean {
    if (!facts.has(field)) return false;
    this.used.add(field);
    return true;
  }

  /** A fact about a field that no model has is a slip of the pen. */
  check(): void {
    const all = [
      ...this.lines.keys(),
      ...this.atomic,
      ...this.quantities,
      ...this.absent,
      ...this.enums.keys(),
    ];
    const unused = [...all, ...Object.keys(DEFAULTS)].filter((field) => !this.used.has(field));
    if (unused.length) throw new Error(`facts about fields that do not exist: ${unused.join(' ')}`);
  }
}

function words(text: string): Set<string> {
  return new Set(text.split(/\s+/).filter(Boolean));
}

/** `map(a,b)` is `map` and `a,b`. */
function parts(text: string): [string | undefined, string | undefined] {
  if (text === '-') return [undefined, undefined];
  const match = /^([^(]+)(?:\((.*)\))?$/.exec(text);
  return [match?.[1], match?.[2]];
}

async function readAttributes(model: string): Promise<Attribute[]> {
  const module = (await import(pathToFileURL(join(MODELS, `${model}.js`)).href)) as Record<
    string,
    { getAttributeTypeMap(): Attribute[] }
  >;
  return [...(module[model]?.getAttributeTypeMap() ?? [])];
}

interface Declaration {
  description: string;
  fields: Map<string, { text: string; required: boolean }>;
}

function readDeclaration(model: string): Declaration {
  const text = readFileSync(join(MODELS, `${model}.d.ts`), 'utf8');
  const start = text.indexOf('export declare class');
  const before = text.slice(0, start);
  const description = before.slice(before.lastIndexOf('/**'));
  const fields: Declaration['fields'] = new Map();
  const body = text.slice(start, text.indexOf('static readonly discriminator'));
  for (const match of body.matchAll(/(\/\*\*(?:(?!\*\/)[\s\S])*\*\/\s*)?'([^']+)'(\?)?:/g))
    fields.set(match[2] as string, { text: comment(match[1] ?? ''), required: match[3] === undefined });
  return { description: comment(description), fields };
}

function comment(text: string): string {
  return text
    .replace(/\/\*\*|\*\//g, '')
    .replace(/^\s*\* ?/gm, '')
    .replace(/\\(['"`])/g, '$1')
    .replace(/\s+/g, ' ')
    .trim();
}

function publish(path: string, value: unknown): void {
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, JSON.stringify(value));
  renameSync(temporary, path);
}

/** Writes both files into `dist`; returns their names. Throws when a fact names a field that does not exist. */
export async function buildKubeSchema(dist: string): Promise<string[]> {
  if (!existsSync(MODELS)) throw new Error(`${MODELS} is missing: run "npm install"`);
  const builder = new Builder();
  const groups: SchemaFile['groups'] = [];
  for (const { kinds, ...group } of GROUPS) {
    const made = [];
    for (const { model, ...kind } of kinds) {
      const definition = await builder.add(model, group.prefix);
      const gvk = { group: group.group, version: group.version };
      builder.kinds[definition] = [{ ...gvk, kind: kind.kind }];
      if (existsSync(join(MODELS, `${model}List.js`))) {
        const list = await builder.add(`${model}List`, group.prefix);
        builder.kinds[list] = [{ ...gvk, kind: `${kind.kind}List` }];
      }
      made.push({ ...kind, definition });
    }
    groups.push({ ...group, kinds: made });
  }
  for (const [model, { prefix, gvk }] of Object.entries(LOOSE))
    builder.kinds[await builder.add(model, prefix)] = [gvk];
  builder.check();
  const content = { groups, definitions: builder.definitions, kinds: builder.kinds };
  const hash = createHash('sha256')
    .update(JSON.stringify([content, builder.descriptions]))
    .digest('hex');
  mkdirSync(dist, { recursive: true });
  publish(join(dist, 'kube-descriptions.json'), builder.descriptions);
  publish(join(dist, 'kube-schema.json'), { hash, ...content } satisfies SchemaFile);
  return ['kube-schema.json', 'kube-descriptions.json'];
}

if (import.meta.main) await buildKubeSchema(process.argv[2] ?? join(root, 'dist'));
