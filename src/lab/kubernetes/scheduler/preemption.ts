// Which pods of lower priority would have to go so that a pod fits. Pure.
import { matchLabelSelector } from '../../../kube/selector.ts';
import type { PodDisruptionBudget } from '../controllers/common/objects.ts';
import { Filters, type Misfit } from './filters.ts';
import type { NodeInfo, PodInfo } from './node-info.ts';
import { misfitMessage, replacing } from './schedule.ts';
import type { Snapshot } from './snapshot.ts';

export interface Preemption {
  node: string;
  victims: PodInfo[];
}

interface Candidate extends Preemption {
  violations: number;
}

const NOT_HELPFUL = 'Preemption is not helpful for scheduling';
const NO_VICTIMS = 'No preemption victims found for incoming pod';

/** The node on which preemption costs least, or upstream's words on why there is none. */
export function preempt(
  pod: PodInfo,
  snapshot: Snapshot,
  misfits: ReadonlyMap<string, Misfit>,
  budgets: readonly PodDisruptionBudget[],
): Preemption | { message: string } {
  if (pod.pod.spec.preemptionPolicy === 'Never')
    return { message: 'not eligible due to preemptionPolicy=Never.' };
  const nominated = pod.pod.status.nominatedNodeName;
  const promised = nominated ? snapshot.nodes.find((node) => node.name === nominated) : undefined;
  if (promised && !misfits.get(promised.name)?.hard) {
    // Its victims of last time are still going.
    for (const other of promised.pods.values())
      if (other.priority < pod.priority && other.pod.metadata.deletionTimestamp)
        return { message: 'not eligible due to a terminating pod on the nominated node.' };
  }
  const candidates: Candidate[] = [];
  const reasons: Misfit[] = [];
  for (const node of snapshot.nodes) {
    const misfit = misfits.get(node.name);
    if (misfit?.hard) {
      reasons.push({ reasons: [NOT_HELPFUL], hard: true });
      continue;
    }
    const candidate = victimsOn(pod, node, snapshot, budgets);
    if (candidate) candidates.push(candidate);
    else reasons.push({ reasons: [NO_VICTIMS], hard: true });
  }
  return cheapest(candidates) ?? { message: misfitMessage(snapshot.nodes.length, reasons) };
}

/** All of lower priority go; then, the most important first, each that may stay stays. */
function victimsOn(
  pod: PodInfo,
  node: NodeInfo,
  snapshot: Snapshot,
  budgets: readonly PodDisruptionBudget[],
): Candidate | undefined {
  const lower = [...node.pods.values()].filter((other) => other.priority < pod.priority);
  if (!lower.length) return undefined;
  const fits = (gone: readonly PodInfo[]): boolean => {
    const rest = node.with(gone);
    return !new Filters(pod, replacing(snapshot, rest)).check(rest);
  };
  if (!fits(lower)) return undefined;
  const violating = new Set(violations(lower, budgets));
  const order = [...lower].sort(
    (a, b) => Number(violating.has(b)) - Number(violating.has(a)) || importance(a, b),
  );
  let victims = lower;
  for (const candidate of order) {
    const fewer = victims.filter((victim) => victim !== candidate);
    if (fits(fewer)) victims = fewer;
  }
  return { node: node.name, victims, violations: victims.filter((victim) => violating.has(victim)).length };
}

/** The pods that no budget allows to disrupt, when all of them go. */
function violations(pods: readonly PodInfo[], budgets: readonly PodDisruptionBudget[]): PodInfo[] {
  const left = new Map(budgets.map((budget) => [budget, budget.status.disruptionsAllowed ?? 0]));
  return [...pods].sort(importance).filter(({ pod }) => {
    let violated = false;
    for (const budget of budgets) {
      if (budget.metadata.namespace !== pod.metadata.namespace) continue;
      if (!matchLabelSelector(budget.spec.selector, pod.metadata.labels)) continue;
      const allowed = (left.get(budget) ?? 0) - 1;
      left.set(budget, allowed);
      violated ||= allowed < 0;
    }
    return violated;
  });
}

/** The more important first: by priority, then the longer running. */
function importance(a: PodInfo, b: PodInfo): number {
  return b.priority - a.priority || (started(a) < started(b) ? -1 : 1);
}

const started = ({ pod }: PodInfo): string => pod.status.startTime ?? pod.metadata.creationTimestamp;

/** Fewest broken budgets, lowest highest priority, lowest sum, fewest pods, youngest of the important ones. */
function cheapest(candidates: readonly Candidate[]): Preemption | undefined {
  const cost = ({ violations, victims }: Candidate): number[] => [
    violations,
    Math.max(...victims.map((v) => v.priority)),
    victims.reduce((sum, v) => sum + v.priority + 2 ** 31, 0),
    victims.length,
    -Math.min(...victims.map((v) => Date.parse(started(v)) || 0)),
  ];
  let best: { candidate: Candidate; cost: number[] } | undefined;
  for (const candidate of candidates) {
    if (!candidate.victims.length) continue;
    const own = cost(candidate);
    if (!best || less(own, best.cost)) best = { candidate, cost: own };
  }
  return best?.candidate;
}

function less(a: readonly number[], b: readonly number[]): boolean {
  for (const [i, value] of a.entries()) if (value !== b[i]) return value < (b[i] ?? 0);
  return false;
}
