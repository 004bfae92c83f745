import {
  accept,
  type Expression,
  goto,
  icmp,
  inSet,
  ip,
  jhash,
  mapped,
  masked,
  match,
  meta,
  setMark,
  tcp,
  th,
  updateSet,
  vmap,
} from '../../kernel/nft/index.ts';
import { BUCKETS, IDLE_CLASSES } from './balancing.ts';
import { type ChainPlan, from, refuse } from './filter-parts.ts';
import { LEDGERS, MAPS, SETS } from './filter-sets.ts';

/**
 * A load balancer with floating IP, in the routing domain of its cluster: packets to a frontend get the number of a
 * node as their mark, policy routing takes them to that node's port, and nothing in them changes. The domain is the
 * place because it alone knows nodes by their ports: one hop before, in the virtual network's router, nodes of all
 * clusters lie behind one link each, and a mark does not survive a cable. It also keeps clusters apart: each domain
 * balances its own frontends only.
 *
 * Flows are remembered by the table itself and not by conntrack: a routing domain tracks nothing, and all that is not
 * for a frontend would pay for it. A flow lives as long after its last packet, in either direction, as the rule's idle
 * timeout says.
 *
 * Fragments have no ports and are dropped: Azure's does not forward them either.
 */

const MINUTE = 60_000;
/** Milliseconds that a flow lives which nobody has answered: a flood of them is not to fill the table for long. */
const NEW_FLOW = MINUTE;
const rule = [ip('daddr'), meta('l4proto'), th('dport')];
const flow = [ip('saddr'), ip('daddr'), meta('l4proto'), th('sport'), th('dport')];
const flowOfAnswer = [ip('daddr'), ip('saddr'), meta('l4proto'), th('dport'), th('sport')];
const flowOfError = [
  icmp('quoted daddr'),
  icmp('quoted saddr'),
  icmp('quoted protocol'),
  icmp('quoted dport'),
  icmp('quoted sport'),
];
/** SYN, ACK, RST, FIN. */
const TCP_HANDSHAKE = 0x17;
/** Fixed, so that a table that is made anew takes flows that it does not know to where they were before. */
const HASH_SEED = 0x4f4c4259;
const NOBODY = 0;

const group = mapped(rule, MAPS.groups);
const remembered = (of: typeof flow): Expression => setMark(mapped(of, LEDGERS.flows));
const remember = (of: typeof flow, minutes: number): Expression =>
  updateSet(of, LEDGERS.flows, { data: meta('mark'), timeout: minutes * MINUTE });

/** What comes first in the domain's checks of what its nodes and the others send. */
export const BALANCING_INGRESS = {
  /** Before the sources are checked: a frontend is no address of a node. */
  answers: [
    [from('vnet'), inSet(ip('saddr'), SETS.frontends), ...refuse('spoofed')],
    [from('n-*'), inSet(ip('saddr'), SETS.frontends), goto('answer')],
  ],
  /** Afterwards. */
  requests: [[inSet(ip('daddr'), SETS.frontends), goto('balance')]],
};

/** The chains behind {@link BALANCING_INGRESS}. */
export function balancingChains(): ChainPlan[] {
  return [
    ...IDLE_CLASSES.flatMap((minutes) => [
      { name: `kept_${minutes}`, rules: [[remember(flow, minutes)], [accept()]] },
      { name: `answered_${minutes}`, rules: [[remember(flowOfAnswer, minutes)], [setMark(0), accept()]] },
    ]),
    {
      name: 'answer',
      rules: [
        // From the node that the flow went to, and nobody else.
        [
          remembered(flowOfAnswer),
          inSet([meta('iifname'), meta('mark')], SETS.backends),
          vmap([ip('saddr'), meta('l4proto'), th('sport')], MAPS.answers),
        ],
        refuse('spoofed'),
      ],
    },
    {
      name: 'balance_error',
      rules: [
        [
          match(icmp('type'), ['destination-unreachable', 'time-exceeded', 'parameter-problem']),
          remembered(flowOfError),
          accept(),
        ],
        refuse('no_rule'),
      ],
    },
    {
      name: 'balance_new',
      rules: [
        // An update renews how long an element lives, and not what it says. The kernel wants a value even to delete one.
        [updateSet(flow, LEDGERS.flows, { operation: 'delete', data: meta('mark') })],
        [
          setMark(group),
          setMark(mapped([meta('mark'), jhash(flow, BUCKETS, { seed: HASH_SEED })], MAPS.buckets)),
          updateSet(flow, LEDGERS.flows, { data: meta('mark'), timeout: NEW_FLOW }),
          accept(),
        ],
        [setMark(group), match(meta('mark'), NOBODY), ...refuse('no_healthy_node')],
        [setMark(group), ...refuse('too_many_flows')],
        refuse('no_rule'),
      ],
    },
    {
      name: 'balance',
      rules: [
        [match(meta('l4proto'), 'icmp'), goto('balance_error')],
        // The ports of an earlier connection may come again: a SYN begins a new one.
        [match(masked(tcp('flags'), TCP_HANDSHAKE), 'syn'), goto('balance_new')],
        [match(meta('l4proto'), 'tcp'), remembered(flow), vmap(rule, MAPS.rules)],
        // As Azure has it, TCP stays with a node that is not healthy any more, and UDP does not.
        [
          match(meta('l4proto'), 'udp'),
          remembered(flow),
          inSet([...rule, meta('mark')], SETS.members),
          vmap(rule, MAPS.rules),
        ],
        [match(meta('l4proto'), ['tcp', 'udp']), goto('balance_new')],
        refuse('no_rule'),
      ],
    },
  ];
}
