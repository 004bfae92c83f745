import type { Conditions } from './conditions.ts';
import type { Direction } from './decision.ts';
import type { Identity } from './identity.ts';
import { Ids } from './ids.ts';
import type { PodEntry } from './pod-entry.ts';
import type { Policy, Rule } from './policy.ts';
import { makeProfile, type Profile, planProfile } from './profile.ts';

/** The profiles of local pods, each as long as a pod has it. */
export class Profiles {
  readonly #conditions: Conditions;
  readonly #ids = new Ids();
  readonly #byKey = new Map<string, Profile>();
  /** Nobody had them for a moment. */
  readonly #left = new Set<Profile>();
  #fresh: Profile[] = [];
  readonly #ruleNumbers = new WeakMap<Rule, number>();
  #lastRule = 0;

  constructor(conditions: Conditions) {
    this.#conditions = conditions;
  }

  get size(): number {
    return this.#byKey.size;
  }

  /** @param selecting the policies that select the pod; undefined: the pod is gone */
  give(pod: PodEntry, direction: Direction, selecting: ReadonlySet<Policy> | undefined): void {
    const old = pod[direction];
    const profile = selecting && this.#profileFor(direction, pod.identity, selecting);
    if (profile) profile.users++;
    pod[direction] = profile;
    if (!old) return;
    old.users--;
    if (old.users === 0) this.#left.add(old);
  }

  /** Those that need rows, and those that nobody has any more: they have left all terms after {@link drop}. */
  settle(): { readonly fresh: readonly Profile[]; readonly gone: readonly Profile[] } {
    const fresh = this.#fresh;
    const gone = [...this.#left].filter(({ users }) => users === 0);
    this.#left.clear();
    this.#fresh = [];
    return { fresh, gone };
  }

  drop(profile: Profile): void {
    this.#byKey.delete(profile.key);
    this.#ids.release(profile.id);
    this.#conditions.drop(profile);
  }

  /** Numbers of profiles that are gone may be given again. */
  forgetNumbers(): void {
    this.#ids.settle();
  }

  #profileFor(direction: Direction, identity: Identity, selecting: ReadonlySet<Policy>): Profile | null {
    const plan = planProfile(direction, identity, selecting, (rule) => this.#numberOf(rule));
    if (plan === undefined) return null;
    const held = this.#byKey.get(plan.key);
    if (held) return held;
    const profile = makeProfile(this.#ids.give(), direction, plan, (condition) =>
      this.#conditions.termOf(condition),
    );
    this.#byKey.set(plan.key, profile);
    for (const term of profile.terms) term.profiles.add(profile);
    this.#fresh.push(profile);
    return profile;
  }

  #numberOf(rule: Rule): number {
    const held = this.#ruleNumbers.get(rule);
    if (held !== undefined) return held;
    this.#ruleNumbers.set(rule, ++this.#lastRule);
    return this.#lastRule;
  }
}
