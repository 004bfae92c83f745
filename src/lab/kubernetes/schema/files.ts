// Where the built schemas lie: beside the bundle, or in the checkout's dist, where a run from the sources makes them when they are old.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { GroupVersionKind, Schema, Subresource } from './types.ts';

/** One kind as the file has it. */
export interface FileKind {
  kind: string;
  plural: string;
  shortNames: string[];
  categories: string[];
  namespaced: boolean;
  verbs: string[];
  subresources: Subresource[];
  definition: string;
}

/** kube-schema.json, which scripts/build-kube-schema.ts writes. */
export interface SchemaFile {
  hash: string;
  groups: { group: string; version: string; prefix: string; kinds: FileKind[] }[];
  definitions: Record<string, Schema>;
  kinds: Record<string, GroupVersionKind[]>;
}

/** Definition -> field -> text; the empty field is the definition itself. */
export type Descriptions = Record<string, Record<string, string>>;

const SCHEMA = 'kube-schema.json';
const DESCRIPTIONS = 'kube-descriptions.json';

/** @throws Error when it is missing in an installation, or cannot be built in a checkout */
export function readSchemaFile(): SchemaFile {
  return JSON.parse(readFileSync(join(folder(), SCHEMA), 'utf8')) as SchemaFile;
}

/** 400 kB of text: read it when OpenAPI is asked for and let it go. */
export function readDescriptions(): Descriptions {
  return JSON.parse(readFileSync(join(folder(), DESCRIPTIONS), 'utf8')) as Descriptions;
}

let found: string | undefined;

function folder(): string {
  found ??= existsSync(join(import.meta.dirname, SCHEMA)) ? import.meta.dirname : fromSources();
  return found;
}

function fromSources(): string {
  const root = join(import.meta.dirname, '../../../..');
  const dist = join(root, 'dist');
  const script = join(root, 'scripts/build-kube-schema.ts');
  const facts = join(import.meta.dirname, 'facts');
  if (!existsSync(script))
    throw new Error(`${SCHEMA} is missing beside ${import.meta.dirname}: run "npm run build"`);
  const sources = [script, ...readdirSync(facts).map((name) => join(facts, name))];
  const made = join(dist, SCHEMA);
  if (!existsSync(made) || sources.some((source) => statSync(source).mtimeMs > statSync(made).mtimeMs)) {
    const { status, stderr } = spawnSync(process.execPath, [script, dist], { encoding: 'utf8' });
    if (status !== 0) throw new Error(`${script} failed: ${stderr.trim()}`);
  }
  return dist;
}
