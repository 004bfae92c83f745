import { text } from 'node:stream/consumers';
import { cidrContains, parseCidr } from '../../address/cidr.ts';
import { parseAddress } from '../../address/ip.ts';
import { namespaceOf } from '../../lab/fabric/names.ts';
import { execInMachine } from '../../lab/machine/index.ts';
import { call } from '../../lab/supervisor/client.ts';
import type { ClusterView, LabStatus, NodeView, PublicIpView } from '../../lab/supervisor/views.ts';
import { outside, runIn, whileRunning } from './inside.ts';
import { ECHO_PORT, machineOf, type Pod } from './pod.ts';
import { CLUSTER, HOSTS, NETWORK, POD_CIDR, type Stage, TWIN } from './stage.ts';

/** A statement about the network, and how to see that it is true. */
export interface Line {
  name: string;
  /** Returns what was seen. @throws Error with what was seen instead. */
  prove(stage: Stage): Promise<string>;
}

/** A claim that must hold; the message says what was seen. */
function must(holds: boolean, seen: string): void {
  if (!holds) throw new Error(seen);
}

const connect = (address: string): string[] => ['nc', '-w', '3', address, String(ECHO_PORT)];

/** The echo service of a machine outside, like that of the pods. */
function serving(name: string): { argv: string[]; ready: RegExp } {
  return { argv: outside('serve', name, String(ECHO_PORT)), ready: /listening/ };
}

/** Asks a pod's echo service from another pod: `<name> <address it saw>`. */
async function ask(from: Pod, address: string): Promise<string> {
  const { code, output } = await from.exec(connect(address));
  must(code === 0 && output !== '', `${from.name} got no answer from ${address}: ${output || 'nothing'}`);
  return output;
}

/** Packets that a namespace of the fabric refused for a reason. */
async function refused(namespace: string, why: string): Promise<number> {
  const status = await call<LabStatus>('GET', '/v1/status');
  return status.refused[namespace]?.[why] ?? 0;
}

async function routesOf(node: NodeView): Promise<{ dst: string; dev?: string; type?: string }[]> {
  const child = execInMachine(machineOf(node), ['ip', '-json', 'route', 'show', 'table', 'main']);
  return JSON.parse(await text(child.stdout!)) as { dst: string; dev?: string; type?: string }[];
}

/** What carries pods elsewhere: VXLAN, Geneve, WireGuard, IP in IP, GRE, ESP. */
const TUNNELS =
  'udp port 4789 or udp port 8472 or udp port 6081 or udp port 51820 or ip proto 4 or ip proto 41 or ip proto 47 or ip proto 50';

export const lines: Line[] = [
  {
    name: "pod addresses come from their own node's /24",
    prove: async ({ pods }) => {
      for (const { name, address, node } of Object.values(pods)) {
        const inside = address !== '' && cidrContains(parseCidr(node.nodeBlock), parseAddress(address));
        must(inside, `pod ${name} has ${address || 'no address'}, its node has ${node.nodeBlock}`);
      }
      return Object.values(pods)
        .map(({ name, address, node }) => `${name} ${address} in ${node.nodeBlock} of node ${node.address}`)
        .join('; ');
    },
  },
  {
    name: 'pod to pod on one node, the source address unchanged',
    prove: async ({ pods: { a, b } }) => {
      const answer = await ask(a, b.address);
      must(answer === `${CLUSTER}/b ${a.address}`, `b answered '${answer}'`);
      return `${a.address} -> ${b.address}: b saw ${a.address}`;
    },
  },
  {
    name: 'pod to pod across nodes, the source address unchanged',
    prove: async ({ pods: { a, c } }) => {
      const there = await ask(a, c.address);
      const back = await ask(c, a.address);
      must(there === `${CLUSTER}/c ${a.address}`, `c answered '${there}'`);
      must(back === `${CLUSTER}/a ${c.address}`, `a answered '${back}'`);
      return `${a.address} (node ${a.node.address}) -> ${c.address} (node ${c.node.address}): c saw ${a.address}; and back: a saw ${c.address}`;
    },
  },
  {
    name: 'nothing is encapsulated',
    prove: async ({ pods: { a, c } }) => {
      const domain = namespaceOf.domain(CLUSTER);
      const capture = (filter: string): { argv: string[]; ready: RegExp } => ({
        argv: ['tcpdump', '-nn', '-l', '--immediate-mode', '-i', 'any', filter],
        ready: /listening on/,
      });
      const { result: tunnelled, output: plain } = await whileRunning(
        domain,
        capture(`tcp and host ${a.address} and host ${c.address}`),
        async () => (await whileRunning(domain, capture(TUNNELS), () => ask(a, c.address))).output,
      );
      const frames = plain.trim().split('\n').filter(Boolean);
      must(frames.length > 0, 'the capture in the fabric saw no packet between the two pods');
      must(tunnelled.trim() === '', `the capture saw a tunnel: ${tunnelled.split('\n')[0]}`);
      const syn = frames.find((frame) => frame.includes('[S]')) ?? frames[0]!;
      return `capture in ${domain}: ${frames.length} plain TCP frames, 0 tunnelled; ${syn.replace(/^\S+ /, '').split(', seq')[0]}`;
    },
  },
  {
    name: 'a node has no route but its default and its own pods',
    prove: async ({ cluster }) => {
      const seen: string[] = [];
      for (const node of cluster.nodes) {
        const routes = await routesOf(node);
        const own = parseCidr(node.nodeBlock);
        const others = routes.filter(
          ({ dst }) =>
            dst !== 'default' && !cidrContains(own, parseCidr(dst.includes('/') ? dst : `${dst}/32`)),
        );
        must(
          others.length === 0,
          `node ${node.address} also has ${others.map((route) => route.dst).join(', ')}`,
        );
        must(
          routes.some((route) => route.dst === 'default'),
          `node ${node.address} has no default route`,
        );
        seen.push(`${node.address}: ${routes.map((route) => route.dst).join(' ')}`);
      }
      return seen.join('; ');
    },
  },
  {
    name: "pod to a host outside arrives from its node's address",
    prove: async ({ pods: { a, c }, hosts }) => {
      const seen: string[] = [];
      for (const place of ['neighbour', 'onPremises'] as const) {
        const { name, properties } = hosts[place];
        const server = serving(name);
        await whileRunning(namespaceOf.host(name), server, async () => {
          for (const pod of [a, c]) {
            const answer = await ask(pod, properties.address);
            must(answer === `${name} ${pod.node.address}`, `${name} answered '${answer}' to ${pod.address}`);
            seen.push(`${name} (${properties.address}) saw ${pod.address} as ${pod.node.address}`);
          }
        });
      }
      return seen.join('; ');
    },
  },
  {
    name: "on the internet a pod wears its cluster's outbound public address",
    prove: async ({ pods: { a }, hosts }) => {
      const { outbound } = await call<ClusterView>('GET', `/v1/clusters/${CLUSTER}`);
      const publicIps = await call<PublicIpView[]>('GET', '/v1/public-ips');
      const wanted = outbound?.publicIpAddresses?.[0];
      const publicAddress = publicIps.find((one) => one.name === wanted)!.address;
      const { name, properties } = hosts.internet;
      const server = serving(name);
      const { result } = await whileRunning(namespaceOf.host(name), server, () => ask(a, properties.address));
      must(result === `${name} ${publicAddress}`, `${name} answered '${result}'`);
      return `${name} (${properties.address}) saw ${a.address} as ${publicAddress}`;
    },
  },
  {
    name: 'a host outside cannot open a connection to a pod',
    prove: async ({ pods: { a }, hosts }) => {
      const seen: string[] = [];
      const router = namespaceOf.virtualNetwork(NETWORK);
      for (const [place, where, why] of [
        ['neighbour', router, 'outside_to_pod'],
        ['onPremises', router, 'outside_to_pod'],
        ['internet', namespaceOf.internet(), 'private'],
      ] as const) {
        const before = await refused(where, why);
        const { code } = await runIn(
          namespaceOf.host(hosts[place].name),
          outside('reach', a.address, String(ECHO_PORT), '1000'),
        );
        const dropped = (await refused(where, why)) - before;
        must(code !== 0, `${hosts[place].name} connected to ${a.address}`);
        must(dropped > 0, `${hosts[place].name} could not connect, but ${where} counted no dropped packet`);
        seen.push(`${HOSTS[place]}: no connection, ${dropped} packets dropped and counted in ${where}`);
      }
      return seen.join('; ');
    },
  },
  {
    name: 'a second cluster with the same pod CIDR in the same virtual network works and stays apart',
    prove: async (stage) => {
      const [x, y] = await stage.buildTwin();
      const { a, c } = stage.pods;
      const own = await ask(x, y.address);
      must(own === `${TWIN}/y ${x.address}`, `y answered '${own}'`);
      // Both clusters have a pod at this address; each must reach its own.
      must(y.address === c.address, `the twin's pod has ${y.address}, not the address ${c.address} of pod c`);
      const before = await ask(a, c.address);
      must(
        before === `${CLUSTER}/c ${a.address}`,
        `${c.address} answered '${before}' to pod a of ${CLUSTER}`,
      );
      const third = stage.cluster.nodes[2]!;
      await stage.prepare(third);
      const d = await stage.pod(third, 'd');
      const { code } = await x.exec(['nc', '-z', '-w', '1', d.address, String(ECHO_PORT)]);
      must(code !== 0, `pod x of ${TWIN} reached ${d.address}, which only ${CLUSTER} has`);
      return `${POD_CIDR} twice: ${y.address} is y in ${TWIN} and c in ${CLUSTER}, each answers its own; ${TWIN} cannot reach ${d.address} of ${CLUSTER}`;
    },
  },
  {
    name: 'a fourth node gets the next /24 by itself',
    prove: async (stage) => {
      const node = await stage.addNode();
      must(node.nodeBlock === '10.244.3.0/24', `it got ${node.nodeBlock}`);
      await stage.prepare(node);
      const pod = await stage.pod(node, 'e');
      const answer = await ask(stage.pods.a, pod.address);
      must(answer === `${CLUSTER}/e ${stage.pods.a.address}`, `pod e answered '${answer}'`);
      return `node ${node.address} got ${node.nodeBlock}; its pod ${pod.address} answered pod a`;
    },
  },
  {
    name: 'deleting a node frees its block',
    prove: async (stage) => {
      const { nodes } = await call<{ nodes: NodeView[] }>('GET', `/v1/clusters/${CLUSTER}`);
      const node = nodes.find((candidate) => candidate.nodeBlock === '10.244.3.0/24')!;
      await stage.removeNode(node);
      const again = await stage.addNode();
      must(again.nodeBlock === node.nodeBlock, `the next node got ${again.nodeBlock}, not ${node.nodeBlock}`);
      return `node ${node.address} deleted, and the next node got ${again.nodeBlock} again`;
    },
  },
];
