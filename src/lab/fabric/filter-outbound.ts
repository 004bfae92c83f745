import {
  accept,
  connections,
  ct,
  type Expression,
  goto,
  inSet,
  ip,
  mapped,
  match,
  meta,
  numgen,
  setMark,
  snat,
  th,
  updateSet,
  vmap,
} from '../../kernel/nft/index.ts';
import { type ChainPlan, refuse, SOURCE_NAT, to } from './filter-parts.ts';
import { LEDGERS, MAPS, SETS } from './filter-sets.ts';
import type { FilterPlan } from './plan.ts';
import { REGISTRY_ADDRESS } from './ranges.ts';
import { GATEWAY_PORTS, GATEWAY_SLOTS, portsChain } from './snat-ports.ts';

/**
 * Where packets leave a virtual network for the internet.
 *
 * SNAT ports run out by destination, as on Azure: a port can be used again towards another address or port. The
 * kernel looks for a free port when it translates, says nothing when there is none, and lets the packet die when
 * it records the connection. So each node's connections to each destination are counted before: one more than
 * it has ports is refused here, and counted. In ranges of more than 128 ports the kernel tries some only (240 of
 * 1,024, at random): with nearly all in use, a first packet may die although one was free, and its repetition gets through.
 */

const toRegistry = match(ip('daddr'), REGISTRY_ADDRESS);

/** Last in the network's forward chain. */
export const OUTBOUND_FORWARD: Expression[][] = [
  [to('internet'), goto('outward')],
  // The way out was changed while the connection was open: its translated source would be a stranger's on the new way.
  [match(ct('status'), 'snat'), match(ct('direction'), 'original'), ...refuse('moved')],
];

export function outboundChains({ snatPorts = [], publicAddress = '' }: FilterPlan): ChainPlan[] {
  return [
    ...snatPorts.map((ports) => ({
      name: portsChain(ports),
      rules: [
        [
          updateSet([ip('saddr'), meta('l4proto'), ip('daddr'), th('dport')], LEDGERS.snat_flows, {
            statements: [connections(ports, { over: true })],
          }),
          inSet(ip('saddr'), SETS.snat_nodes),
          ...refuse('snat_exhausted'),
        ],
      ],
    })),
    {
      name: 'outward',
      rules: [
        // Nodes pull from it in every type of outbound; AKS's have private ways to Microsoft's registry.
        [toRegistry, accept()],
        [inSet(ip('saddr'), SETS.closed), ...refuse('no_outbound')],
        [
          match(ct('state'), 'new'),
          match(meta('l4proto'), ['tcp', 'udp']),
          vmap(ip('saddr'), MAPS.snat_limits),
        ],
      ],
    },
    {
      name: 'source_nat',
      hook: SOURCE_NAT,
      rules: [
        // Answers of a load balancer whose connection conntrack does not know (any more) wear the right source already.
        [to('internet'), inSet(ip('saddr'), SETS.frontends), accept()],
        [to('internet'), toRegistry, snat({ to: publicAddress })],
        [
          to('internet'),
          snat({
            to: mapped(ip('saddr'), MAPS.snat_address),
            port: [mapped(ip('saddr'), MAPS.snat_first), mapped(ip('saddr'), MAPS.snat_last)],
          }),
        ],
        [
          to('internet'),
          setMark(mapped(ip('saddr'), MAPS.gateways)),
          snat({
            to: mapped([meta('mark'), numgen('random', GATEWAY_SLOTS)], MAPS.gateway_addresses),
            port: GATEWAY_PORTS,
          }),
        ],
        [to('internet'), snat({ to: publicAddress })],
      ],
    },
  ];
}
