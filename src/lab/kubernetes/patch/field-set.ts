// A set of field paths, as managedFields carries it (FieldsV1): a tree whose edges are path elements `f:name` (a property),
// `k:{"name":"web"}` (an item of a keyed list), `v:"a"` (an item of a set), `i:0` (an index).

import type { Json } from '../schema/types.ts';
import { badPatch } from './error.ts';

export type FieldsV1 = { [element: string]: Json };

/** Deeper than any schema goes; a client cannot make us recurse without end. */
const DEEPEST = 200;

export class FieldSet {
  /** Whether the path that leads here is in the set. */
  member: boolean;
  readonly children = new Map<string, FieldSet>();

  constructor(member = false) {
    this.member = member;
  }

  /** The set of these paths, each a list of elements. */
  static of(...paths: string[][]): FieldSet {
    const set = new FieldSet();
    for (const path of paths) set.add(path);
    return set;
  }

  /** Reads managedFields' fieldsV1. @throws PatchError on anything else. */
  static parse(fields: unknown): FieldSet {
    return parse(fields, false, 0);
  }

  get empty(): boolean {
    if (this.member) return false;
    for (const child of this.children.values()) if (!child.empty) return false;
    return true;
  }

  add(path: readonly string[]): void {
    let at: FieldSet = this;
    for (const element of path) at = at.child(element);
    at.member = true;
  }

  /** The subtree at an element, made when it is not there. */
  child(element: string): FieldSet {
    let child = this.children.get(element);
    if (!child) {
      child = new FieldSet();
      this.children.set(element, child);
    }
    return child;
  }

  has(path: readonly string[]): boolean {
    let at: FieldSet | undefined = this;
    for (const element of path) at = at?.children.get(element);
    return at?.member ?? false;
  }

  union(other: FieldSet): FieldSet {
    const out = new FieldSet(this.member || other.member);
    for (const [element, child] of this.children) {
      const theirs = other.children.get(element);
      out.children.set(element, theirs ? child.union(theirs) : child);
    }
    for (const [element, child] of other.children)
      if (!this.children.has(element)) out.children.set(element, child);
    return out;
  }

  intersection(other: FieldSet): FieldSet {
    const out = new FieldSet(this.member && other.member);
    for (const [element, child] of this.children) {
      const theirs = other.children.get(element);
      if (theirs) out.keep(element, child.intersection(theirs));
    }
    return out;
  }

  /** Without the paths of the other; what lies below them stays. */
  difference(other: FieldSet): FieldSet {
    const out = new FieldSet(this.member && !other.member);
    for (const [element, child] of this.children) {
      const theirs = other.children.get(element);
      out.keep(element, theirs ? child.difference(theirs) : child);
    }
    return out;
  }

  /** Without the paths of the other and all that lies below them. */
  recursiveDifference(other: FieldSet): FieldSet {
    const out = new FieldSet(this.member && !other.member);
    for (const [element, child] of this.children) {
      const theirs = other.children.get(element);
      if (!theirs) out.keep(element, child);
      else if (!theirs.member) out.keep(element, child.recursiveDifference(theirs));
    }
    return out;
  }

  equals(other: FieldSet): boolean {
    if (this.member !== other.member) return false;
    for (const [element, child] of this.children) {
      const theirs = other.children.get(element);
      if (theirs ? !child.equals(theirs) : !child.empty) return false;
    }
    for (const [element, child] of other.children)
      if (!this.children.has(element) && !child.empty) return false;
    return true;
  }

  /** All paths, in the order of their text. */
  paths(): string[][] {
    const found: string[][] = [];
    const visit = (set: FieldSet, path: string[]): void => {
      if (set.member) found.push(path);
      for (const element of [...set.children.keys()].sort())
        visit(set.children.get(element)!, [...path, element]);
    };
    visit(this, []);
    return found;
  }

  /** As managedFields carries it; empty subtrees are left out. */
  toFieldsV1(): FieldsV1 {
    const out: FieldsV1 = {};
    if (this.member && this.children.size > 0) out['.'] = {};
    for (const element of [...this.children.keys()].sort()) {
      const child = this.children.get(element)!;
      if (!child.empty) out[element] = child.children.size === 0 ? {} : child.toFieldsV1();
    }
    if (Object.keys(out).length === 1 && out['.']) return {};
    return out;
  }

  private keep(element: string, child: FieldSet): void {
    if (child.member || child.children.size > 0) this.children.set(element, child);
  }
}

function parse(fields: unknown, inner: boolean, depth: number): FieldSet {
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields) || depth > DEEPEST)
    throw badPatch('metadata.managedFields: fieldsV1 is not a set of fields: an object of objects');
  const set = new FieldSet();
  let members = 0;
  for (const [element, below] of Object.entries(fields)) {
    if (element === '.') {
      set.member = true;
      continue;
    }
    members++;
    set.children.set(canonical(element), parse(below, true, depth + 1));
  }
  if (members === 0 && inner) set.member = true;
  return set;
}

function canonical(element: string): string {
  const kind = element.slice(0, 2);
  if (kind === 'f:') return element;
  try {
    if (kind === 'k:') return keyElement(JSON.parse(element.slice(2)) as Record<string, unknown>);
    if (kind === 'v:') return `v:${JSON.stringify(JSON.parse(element.slice(2)))}`;
    if (kind === 'i:' && /^i:\d+$/.test(element)) return element;
  } catch {
    // Falls through to the refusal.
  }
  throw badPatch(
    `metadata.managedFields: ${JSON.stringify(element)} is no path element: f:name, k:{…}, v:… or i:0`,
  );
}

/** The element of an item of a keyed list: its keys in alphabetical order. */
export function keyElement(keys: Record<string, unknown>): string {
  const names = Object.keys(keys);
  if (names.length === 1) return `k:${JSON.stringify(keys)}`;
  return `k:${JSON.stringify(Object.fromEntries(names.sort().map((name) => [name, keys[name]])))}`;
}

/** A path as people read it: `.spec.containers[name="web"].image`. */
export function pathText(path: readonly string[]): string {
  return path.map(elementText).join('');
}

function elementText(element: string): string {
  const rest = element.slice(2);
  switch (element[0]) {
    case 'f':
      return `.${rest}`;
    case 'k': {
      const keys = Object.entries(JSON.parse(rest) as Record<string, unknown>);
      return `[${keys.map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(',')}]`;
    }
    case 'v':
      return `[=${rest}]`;
    default:
      return `[${rest}]`;
  }
}
