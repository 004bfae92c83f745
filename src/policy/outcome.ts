import type { DecidedBy, Decision, Protocol } from './decision.ts';
import { LAST_PORT, PROTOCOLS } from './decision.ts';
import type { PortRange } from './policy.ts';
import type { Piece } from './tables.ts';

/** A rule whose peers match, with the ports that it is about. */
export interface MatchedRule {
  readonly tier: 'admin' | 'network-policy' | 'baseline';
  readonly action: 'accept' | 'deny' | 'pass';
  readonly decidedBy: DecidedBy;
  readonly ports: 'any' | readonly PortRange[];
}

/** What rules that match say together: `rest` where no piece is, and for what has no ports. */
export interface Ruling {
  readonly rest: Decision;
  readonly pieces: readonly Piece[];
}

/** @param rules in the order in which they count, tier by tier */
export function rulingOf(rules: readonly MatchedRule[], isolated: boolean): Ruling {
  const rest = decide(rules, isolated, undefined, 0);
  const pieces = PROTOCOLS.flatMap((protocol) => piecesOf(rules, isolated, protocol, rest));
  return { rest, pieces };
}

function piecesOf(
  rules: readonly MatchedRule[],
  isolated: boolean,
  protocol: Protocol,
  rest: Decision,
): readonly Piece[] {
  const starts = new Set([0]);
  for (const { ports } of rules) {
    for (const range of ports === 'any' ? [] : ports) {
      if (range.protocol === protocol) starts.add(range.first).add(range.last + 1);
    }
  }
  const sorted = [...starts].filter((start) => start <= LAST_PORT).sort((a, b) => a - b);
  const found: Piece[] = [];
  for (const [i, first] of sorted.entries()) {
    const decision = decide(rules, isolated, protocol, first);
    if (same(decision, rest)) continue;
    const last = (sorted[i + 1] ?? LAST_PORT + 1) - 1;
    const before = found.at(-1);
    if (before && before.last + 1 === first && same(before, decision))
      found[found.length - 1] = { ...before, last };
    else found.push({ protocol, first, last, ...decision });
  }
  return found;
}

function decide(
  rules: readonly MatchedRule[],
  isolated: boolean,
  protocol: Protocol | undefined,
  port: number,
): Decision {
  const first = (tier: MatchedRule['tier']): MatchedRule | undefined =>
    rules.find((rule) => rule.tier === tier && hits(rule.ports, protocol, port));
  const admin = first('admin');
  if (admin && admin.action !== 'pass') return { verdict: admin.action, decidedBy: admin.decidedBy };
  const network = isolated ? first('network-policy') : undefined;
  if (network) return { verdict: 'accept', decidedBy: network.decidedBy };
  if (isolated) return { verdict: 'deny', decidedBy: 'isolated' };
  const baseline = first('baseline');
  if (baseline && baseline.action !== 'pass')
    return { verdict: baseline.action, decidedBy: baseline.decidedBy };
  return { verdict: 'accept', decidedBy: 'not isolated' };
}

function hits(ports: MatchedRule['ports'], protocol: Protocol | undefined, port: number): boolean {
  if (ports === 'any') return true;
  return ports.some((range) => range.protocol === protocol && range.first <= port && port <= range.last);
}

function same(a: Decision, b: Decision): boolean {
  // References are made once for each rule
  return a.verdict === b.verdict && a.decidedBy === b.decidedBy;
}

/** The same for rulings that say the same. */
export function rulingKey({ rest, pieces }: Ruling): string {
  const parts = pieces.map(
    ({ protocol, first, last, ...decision }) => `${protocol} ${first}-${last} ${decisionText(decision)}`,
  );
  return [decisionText(rest), ...parts].join('\n');
}

function decisionText({ verdict, decidedBy }: Decision): string {
  if (typeof decidedBy === 'string') return `${verdict} ${decidedBy}`;
  return `${verdict} ${decidedBy.policy} ${decidedBy.direction} ${decidedBy.index}`;
}
