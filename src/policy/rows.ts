import type { PodClass } from './classes.ts';
import type { Ids } from './ids.ts';
import { rulingKey, rulingOf } from './outcome.ts';
import type { Profile } from './profile.ts';
import { baseOf, type Outcome, POD_CLASS, rowKey, WORLD_CLASS } from './tables.ts';
import { TrackedMap } from './tracked-map.ts';

interface Counted {
  readonly outcome: Outcome;
  readonly key: string;
  /** Rows that lead to it. */
  users: number;
}

/** What each profile says about each class, and the outcomes that rows share. */
export class Rows {
  readonly rows = new TrackedMap<number, number>();
  readonly outcomes = new TrackedMap<number, Outcome>();
  readonly #ids: Ids;
  readonly #byKey = new Map<string, Counted>();
  readonly #byId = new Map<number, Counted>();

  constructor(ids: Ids) {
    this.#ids = ids;
  }

  /** The rows of a new profile: of what is no pod, of pods as such, and of all classes that it tells from these. */
  add(profile: Profile): void {
    this.#fill(profile, WORLD_CLASS, new Map());
    const universal = [...profile.terms].filter((term) => term.universal);
    if (universal.length > 0) this.#fill(profile, POD_CLASS, new Map(universal.map((term) => [term, []])));
    for (const one of classesOf(profile)) this.#fill(profile, one.id, one.terms);
  }

  /** Before the profile leaves its terms. */
  delete(profile: Profile): void {
    for (const base of [WORLD_CLASS, POD_CLASS]) this.#clear(profile, base);
    for (const one of classesOf(profile)) this.#clear(profile, one.id);
  }

  addClass(one: PodClass): void {
    for (const profile of profilesOf(one)) this.#fill(profile, one.id, one.terms);
  }

  deleteClass(one: PodClass): void {
    for (const profile of profilesOf(one)) this.#clear(profile, one.id);
  }

  #fill(profile: Profile, classId: number, terms: PodClass['terms']): void {
    const ruling = rulingOf(profile.matched(terms), profile.isolated);
    const key = rulingKey(ruling);
    if (classId !== WORLD_CLASS && this.#byKey.get(key)?.outcome.id === this.#baseRow(profile, classId)) {
      this.#clear(profile, classId);
      return;
    }
    let counted = this.#byKey.get(key);
    if (counted === undefined) {
      counted = { outcome: { id: this.#ids.give(), ...ruling }, key, users: 0 };
      this.#byKey.set(key, counted);
      this.#byId.set(counted.outcome.id, counted);
      this.outcomes.set(counted.outcome.id, counted.outcome);
    }
    counted.users++;
    const at = rowKey(profile.id, classId);
    const old = this.rows.view.get(at);
    this.rows.set(at, counted.outcome.id);
    if (old !== undefined) this.#release(old);
  }

  /** What holds where there is no row of the class. */
  #baseRow(profile: Profile, classId: number): number | undefined {
    const world = this.rows.view.get(rowKey(profile.id, WORLD_CLASS));
    if (classId === POD_CLASS) return world;
    return this.rows.view.get(rowKey(profile.id, baseOf(classId))) ?? world;
  }

  #clear(profile: Profile, classId: number): void {
    const at = rowKey(profile.id, classId);
    const old = this.rows.view.get(at);
    if (old === undefined) return;
    this.rows.delete(at);
    this.#release(old);
  }

  #release(id: number): void {
    const counted = this.#byId.get(id)!;
    counted.users--;
    if (counted.users > 0) return;
    this.#byKey.delete(counted.key);
    this.#byId.delete(id);
    this.outcomes.delete(id);
    this.#ids.release(id);
  }
}

/** Classes that fulfil a term of the profile beyond being pods. */
function classesOf({ terms }: Profile): ReadonlySet<PodClass> {
  return new Set([...terms].flatMap((term) => (term.universal ? [] : [...term.classes])));
}

function profilesOf({ terms }: PodClass): ReadonlySet<Profile> {
  return new Set([...terms.keys()].flatMap((term) => (term.universal ? [] : [...term.profiles])));
}
