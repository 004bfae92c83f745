import {
  counter,
  ct,
  dnat,
  drop,
  type Expression,
  fib,
  goto,
  inSet,
  ip,
  ip6,
  mapped,
  masquerade,
  match,
  meta,
  notInSet,
  notMatch,
  numgen,
  type RuleSpec,
  reject,
  returnToCaller,
  snat,
  updateSet,
  vmap,
} from '../../../kernel/nft/index.ts';
import { HOST_LINK_PREFIX } from '../names.ts';
import {
  AFFINITY,
  ALLOWED,
  addressTexts,
  BACKENDS,
  BASE_CHAINS,
  CLUSTER_IPS,
  DENIED,
  FAMILIES,
  type Family,
  FRONTENDS,
  frontendOf,
  HAIRPINS,
  INSIDE,
  INSIDE_BACKENDS,
  KEEPING_SOURCE,
  MASQUERADED,
  NO_LOCAL_BACKEND,
  NODES,
  OUTSIDE,
  originalFrontendOf,
  PODS,
  REFUSED,
  REMEMBERED,
  RESTRICTED,
  SERVICE_RANGES,
  TABLE,
  TRANSLATED,
  UNKNOWN,
  WEARING_NODE,
} from './layout.ts';

export const REFUSE = 'refuse';
export const DROP_NO_LOCAL = 'drop_no_local_backend';
export const BY_SOURCE = 'by_source';
export const CHECK_SOURCE = 'check_source';

/** Every chain that is always there: its name and rules. */
export function staticChains(nodeAddresses: readonly string[]): Map<string, RuleSpec[]> {
  const chains = new Map<string, readonly (readonly Expression[])[]>([
    [REFUSE, refuse()],
    [DROP_NO_LOCAL, [[counter(NO_LOCAL_BACKEND), drop()]]],
    [BY_SOURCE, bySource()],
    [CHECK_SOURCE, FAMILIES.flatMap(checkSource)],
    ['prerouting', translate()],
    ['output', translate()],
    ['input', remember()],
    ['postrouting', postrouting(nodeAddresses)],
  ]);
  return new Map([...chains].map(([name, rules]) => [name, rulesOf(name, rules)]));
}

export function isBaseChain(name: string): boolean {
  return BASE_CHAINS.some((chain) => chain.name === name);
}

/** The chain that spreads connections over so many backends. */
export function spreadChain(count: number, options: { inside: boolean; sticky: boolean }): string {
  return `${options.inside ? 'inside_' : ''}${options.sticky ? 'sticky_' : ''}to_${count}`;
}

/** The chain that remembers clients for so long. */
export function rememberChain(seconds: number): string {
  return `remember_${seconds}s`;
}

/** The rules of a chain that exists as long as an element leads there; undefined for any other name. */
export function dynamicChain(name: string): RuleSpec[] | undefined {
  const spread = /^(inside_)?(sticky_)?to_([1-9]\d*)$/.exec(name);
  if (spread) {
    const backends = spread[1] ? INSIDE_BACKENDS : BACKENDS;
    const again = spread[2] ? FAMILIES.map((family) => sameAgain(family)) : [];
    const any = FAMILIES.map((family) => anyOf(family, backends, Number(spread[3])));
    return rulesOf(name, [[counter(TRANSLATED)], ...again, ...any]);
  }
  const remembered = /^remember_([1-9]\d*)s$/.exec(name);
  return remembered
    ? rulesOf(
        name,
        FAMILIES.map((family) => remembering(family, Number(remembered[1]))),
      )
    : undefined;
}

function rulesOf(chain: string, rules: readonly (readonly Expression[])[]): RuleSpec[] {
  return rules.map((rule) => ({ table: TABLE, chain, rule }));
}

/** A translation to any of the backends; `numgen` needs a constant, hence a chain for each count. */
function anyOf(family: Family, backends: typeof BACKENDS, count: number): Expression[] {
  const key = [...frontendOf(family), numgen('random', count)];
  return [dnat({ to: mapped(key, backends[family]) })];
}

/** A translation to the backend that the client had before, if it is remembered. */
function sameAgain(family: Family): Expression[] {
  const key = [...frontendOf(family), header(family, 'saddr')];
  return [dnat({ to: mapped(key, AFFINITY[family]) })];
}

/** What the client got: after the translation, where the packet carries it. Remembered already: for longer. */
function remembering(family: Family, seconds: number): Expression[] {
  const key = [...originalFrontendOf(family), header(family, 'saddr')];
  const data = [header(family, 'daddr'), frontendOf(family)[2]!];
  return [updateSet(key, AFFINITY[family], { timeout: seconds * 1000, data })];
}

function translate(): Expression[][] {
  return [
    ...FAMILIES.map((family) => [vmap(frontendOf(family), FRONTENDS[family])]),
    ...FAMILIES.map((family) => [inSet(header(family, 'daddr'), CLUSTER_IPS[family]), goto(REFUSE)]),
    ...FAMILIES.map((family) => [
      inSet(header(family, 'daddr'), SERVICE_RANGES[family]),
      counter(UNKNOWN),
      drop(),
    ]),
  ];
}

/** At once, instead of letting the client wait. */
function refuse(): Expression[][] {
  return [
    [counter(REFUSED), match(meta('l4proto'), 'tcp'), reject('tcp-reset')],
    [reject('port-unreachable')],
  ];
}

function bySource(): Expression[][] {
  return FAMILIES.flatMap((family) => [
    [inSet(header(family, 'saddr'), PODS[family]), vmap(frontendOf(family), INSIDE[family])],
    [match(fib(['saddr'], 'type'), 'local'), vmap(frontendOf(family), INSIDE[family])],
    [vmap(frontendOf(family), OUTSIDE[family])],
  ]);
}

function checkSource(family: Family): Expression[][] {
  const key = [...frontendOf(family), header(family, 'saddr')];
  return [
    [notInSet(key, ALLOWED[family]), counter(DENIED), drop()],
    [vmap(frontendOf(family), RESTRICTED[family])],
  ];
}

function remember(): Expression[][] {
  return [
    notTranslated(),
    ...FAMILIES.map((family) => [vmap(originalFrontendOf(family), REMEMBERED[family])]),
  ];
}

/**
 * Who wears the node's address, so that answers come back here to be translated back: whoever talks to himself,
 * clients from outside, and pods of other nodes, whose answers would take the straight way. Pods of this node and the
 * node itself keep theirs.
 */
function postrouting(nodeAddresses: readonly string[]): Expression[][] {
  const both = (rule: (family: Family) => Expression[]): Expression[][] => FAMILIES.map(rule);
  return [
    ...remember(),
    ...both((family) => [
      inSet([header(family, 'saddr'), header(family, 'daddr')], HAIRPINS[family]),
      ...wearNode(family, nodeAddresses),
    ]),
    [match(meta('iifname'), `${HOST_LINK_PREFIX}*`), returnToCaller()],
    ...both((family) => [inSet(header(family, 'saddr'), NODES[family]), returnToCaller()]),
    ...both((family) => [
      inSet(originalFrontendOf(family), WEARING_NODE[family]),
      ...wearNode(family, nodeAddresses),
    ]),
    ...both((family) => [
      inSet(header(family, 'saddr'), PODS[family]),
      inSet(originalFrontendOf(family), KEEPING_SOURCE[family]),
      ...wearNode(family, nodeAddresses),
    ]),
  ];
}

function notTranslated(): Expression[] {
  return [notMatch(ct('status'), 'dnat'), returnToCaller()];
}

function wearNode(family: Family, nodeAddresses: readonly string[]): Expression[] {
  const [to] = addressTexts(nodeAddresses, family);
  // Ports at random: see the pod table.
  const source = to === undefined ? masquerade({ fullyRandom: true }) : snat({ to, fullyRandom: true });
  return [counter(MASQUERADED), source];
}

function header(family: Family, field: 'saddr' | 'daddr') {
  return family === 4 ? ip(field) : ip6(field);
}
