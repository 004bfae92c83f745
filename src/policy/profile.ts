import type { PodClass } from './classes.ts';
import type { DecidedBy, Direction } from './decision.ts';
import type { Identity } from './identity.ts';
import type { MatchedRule } from './outcome.ts';
import { byPrecedence, type Policy, type PortRange, type Rule } from './policy.ts';
import type { Condition, Term } from './term.ts';

/** A rule as it stands in a profile: names of the subject's own ports are numbers now. */
interface ProfileRule {
  readonly tier: MatchedRule['tier'];
  readonly action: MatchedRule['action'];
  readonly decidedBy: DecidedBy;
  readonly peers: 'any' | readonly Term[];
  readonly ranges: 'any' | readonly PortRange[];
  /** Ports that the destination has under a name. */
  readonly named: readonly Term[];
}

/** All rules for a pod in one direction, in their order. */
export class Profile {
  readonly id: number;
  readonly key: string;
  readonly isolated: boolean;
  readonly rules: readonly ProfileRule[];
  readonly terms: ReadonlySet<Term>;
  /** Local pods that have it. */
  users = 0;

  constructor(id: number, key: string, isolated: boolean, rules: readonly ProfileRule[]) {
    this.id = id;
    this.key = key;
    this.isolated = isolated;
    this.rules = rules;
    this.terms = new Set(rules.flatMap(({ peers, named }) => [...(peers === 'any' ? [] : peers), ...named]));
  }

  /** The rules that match a peer that fulfils these terms. */
  matched(peer: PodClass['terms']): readonly MatchedRule[] {
    const found: MatchedRule[] = [];
    for (const { tier, action, decidedBy, peers, ranges, named } of this.rules) {
      if (peers !== 'any' && !peers.some((term) => peer.has(term))) continue;
      if (ranges === 'any') found.push({ tier, action, decidedBy, ports: 'any' });
      else {
        const ports = [...ranges, ...named.flatMap((term) => peer.get(term) ?? [])];
        if (ports.length > 0) found.push({ tier, action, decidedBy, ports });
      }
    }
    return found;
  }
}

/** What a profile is to be made of. */
export interface ProfilePlan {
  readonly key: string;
  readonly isolated: boolean;
  readonly rules: readonly PlannedRule[];
}

interface PlannedRule {
  readonly rule: Rule;
  readonly ranges: 'any' | readonly PortRange[];
  readonly conditions: readonly Condition[];
}

const TIERS = ['admin', 'network-policy', 'baseline'] as const;

/**
 * The rules for a pod, out of the policies that select it; undefined when none of them has a say in this direction.
 * @param numberOf tells rules apart, and from what stood in their place before
 */
export function planProfile(
  direction: Direction,
  subject: Identity,
  selecting: Iterable<Policy>,
  numberOf: (rule: Rule) => number,
): ProfilePlan | undefined {
  const affecting = [...selecting].filter((policy) => policy[direction] !== undefined);
  const isolated = affecting.some(({ tier }) => tier === 'network-policy');
  const rules: PlannedRule[] = [];
  let key = `${direction} ${isolated ? 'isolated' : 'open'}`;
  for (const tier of TIERS) {
    // The last word is with NetworkPolicies where one selects the pod
    if (tier === 'baseline' && isolated) continue;
    for (const policy of affecting.filter((one) => one.tier === tier).sort(byPrecedence)) {
      for (const rule of policy[direction] ?? []) {
        const planned = plan(rule, direction, subject);
        if (planned === undefined) continue;
        rules.push(planned);
        key += ` ${numberOf(rule)}`;
        if (rule.ports !== 'any' && rule.ports.named.length > 0 && direction === 'ingress')
          key += JSON.stringify(planned.ranges);
      }
    }
  }
  return isolated || rules.length > 0 ? { key, isolated, rules } : undefined;
}

/** Undefined: can match nothing. */
function plan(rule: Rule, direction: Direction, subject: Identity): PlannedRule | undefined {
  if (rule.peers !== 'any' && rule.peers.length === 0) return undefined;
  if (rule.ports === 'any') return { rule, ranges: 'any', conditions: [] };
  const { ranges, named } = rule.ports;
  if (direction === 'egress') {
    if (ranges.length + named.length === 0) return undefined;
    return { rule, ranges, conditions: named.map((port) => ({ kind: 'port', port })) };
  }
  const own = named.flatMap((port) =>
    subject.portsNamed(port).map(({ protocol, first, last }) => ({ protocol, first, last })),
  );
  const all = [...ranges, ...own];
  return all.length === 0 ? undefined : { rule, ranges: all, conditions: [] };
}

/** @param termOf the term of a condition, made where there is none yet */
export function makeProfile(
  id: number,
  direction: Direction,
  { key, isolated, rules }: ProfilePlan,
  termOf: (condition: Condition) => Term,
): Profile {
  const made = rules.map(
    ({ rule, ranges, conditions }): ProfileRule => ({
      tier: rule.ref.tier,
      action: rule.action,
      decidedBy: rule.ref,
      peers: rule.peers === 'any' ? 'any' : rule.peers.map(termOf),
      ranges,
      named: conditions.map(termOf),
    }),
  );
  if (isolated && direction === 'egress')
    made.push({
      tier: 'network-policy',
      action: 'accept',
      decidedBy: 'own node',
      peers: [termOf({ kind: 'own node' })],
      ranges: 'any',
      named: [],
    });
  return new Profile(id, key, isolated, made);
}
