import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as libc from '../../kernel/libc.ts';
import { Rtnl } from '../../kernel/netlink/rtnl.ts';
import {
  ct,
  drop,
  inSet,
  ip,
  masquerade,
  match,
  meta,
  NftSocket,
  notInSet,
  Transaction,
  tcp,
} from '../../kernel/nft/index.ts';
import { onOverlay } from '../../lab/machine/index.ts';
import { LAB_STATE } from '../../lab/paths.ts';
import { type Check, type Probe, probe, probeCheck } from './check.ts';

/** What the kernel can do, found out by doing it in a network namespace that is thrown away at once. */
export interface Features {
  namespaces: Probe;
  veth: Probe;
  bridge: Probe;
  vxlan: Probe;
  tun: Probe;
  nftables: Probe;
  overlay: Probe;
}

/** Needs root; without it nothing is tried. Trying may make the kernel load modules. Nothing else stays. */
export function collectFeatures(root: boolean): Features {
  if (!root) {
    const untried = { namespaces: undefined, veth: undefined, bridge: undefined, vxlan: undefined };
    return { ...untried, tun: undefined, nftables: undefined, overlay: undefined };
  }
  const namespaces = tryNamespaces();
  const within = (attempt: () => void): Probe => probe(() => inThrowAwayNamespace(attempt));
  return {
    namespaces,
    veth: within(() => links((rt) => rt.createVeth({ name: 'probe0', peer: { name: 'probe1' } }))),
    bridge: within(() => links((rt) => rt.createBridge({ name: 'probe0' }))),
    vxlan: within(() => links((rt) => rt.createVxlan({ name: 'probe0', vni: 1, port: 4789 }))),
    tun: probe(() => closeSync(openSync('/dev/net/tun', 'r+'))),
    nftables: within(tryFilters),
    overlay: tryOverlay(),
  };
}

/** Like `createNamespace`, but pinned to nothing: it dies when `body` returns. */
function inThrowAwayNamespace<T>(body: () => T): T {
  const home = libc.open('/proc/thread-self/ns/net');
  try {
    libc.unshare(libc.CLONE_NEWNET);
    try {
      return body();
    } finally {
      try {
        libc.setns(home, libc.CLONE_NEWNET, 'home');
      } catch {
        process.abort();
      }
    }
  } finally {
    libc.close(home);
  }
}

function links(attempt: (rt: Rtnl) => void): void {
  using rt = Rtnl.open();
  attempt(rt);
}

/** One transaction with everything that the agent and the fabric lean on. */
function tryFilters(): void {
  const table = { family: 'inet', name: 'probe' } as const;
  const transaction = new Transaction()
    .addTable(table)
    .addSet({ table, name: 'sources', key: ['ifname', 'ipv4_addr'], interval: true })
    .addElements({ table, set: 'sources', elements: [{ key: ['probe0', '10.0.0.0/24'] }] })
    .addChain({ table, name: 'pre', hook: { type: 'filter', hook: 'prerouting', priority: -150 } })
    .addRule({ table, chain: 'pre', rule: [match(ct('state'), 'invalid'), drop()] })
    .addRule({ table, chain: 'pre', rule: [notInSet([meta('iifname'), ip('saddr')], 'sources'), drop()] })
    .addChain({ table, name: 'nat', hook: { type: 'nat', hook: 'postrouting', priority: 100 } })
    .addRule({ table, chain: 'nat', rule: [inSet(tcp('dport'), [80, 443]), masquerade()] });
  using nft = NftSocket.open();
  nft.commit(transaction);
}

function tryNamespaces(): Probe {
  return probe(() => {
    const args = [
      '--mount',
      '--propagation',
      'unchanged',
      '--uts',
      '--ipc',
      '--pid',
      '--net',
      '--fork',
      'true',
    ];
    run('unshare', args, 'new namespaces');
  });
}

/** In a namespace of its own: mounts a tmpfs on FOLDER when MEMORY is not empty, and an overlay in it. */
const TRY_OVERLAY = `set -e
[ -z "$2" ] || mount -t tmpfs tmpfs "$1"
cd "$1"; mkdir lower upper work merged
mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work overlay merged
`;

/** Tried where disks will be: Docker's own file system, for one, cannot be the upper layer of an overlay. */
function tryOverlay(): Probe {
  return probe(() => {
    let parent = LAB_STATE;
    while (!existsSync(parent)) parent = dirname(parent);
    const folder = mkdtempSync(join(parent, '.flyover-doctor-'));
    try {
      const inMemory = onOverlay(folder);
      const script = ['sh', '-c', TRY_OVERLAY, 'sh', folder, inMemory ? 'memory' : ''];
      run('unshare', ['--mount', ...script], `an overlay in ${inMemory ? 'memory' : parent}`);
      return inMemory ? `works; ${parent} is one itself, so nodes have their disks in memory` : undefined;
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
}

/** The last line of what a program said, without mount's hint at where more may be found. */
function reasonIn(stderr: string): string | undefined {
  const lines = stderr.split('\n').map((line) => line.trim());
  return lines.findLast((line) => line !== '' && !line.startsWith('dmesg(1)'));
}

function run(command: string, args: string[], what: string): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8', timeout: 10_000 });
  if (error) throw new Error(`${what}: ${error.message}`);
  if (status !== 0) throw new Error(`${what}: ${reasonIn(stderr) || `exit code ${status}`}`);
}

export function featureChecks(features: Features): Check[] {
  const module = (name: string): string =>
    `load it: modprobe ${name}; if there is no such module, use a kernel with it (a distribution's generic one)`;
  return [
    probeCheck('namespaces', features.namespaces, 'fail', {
      rule: 'mount, UTS, IPC, PID and network namespaces: what nodes are made of',
      fix: 'use a kernel with namespaces; in a container: start it with --privileged',
    }),
    probeCheck('veth links', features.veth, 'fail', {
      rule: 'the cables of the lab, and what connects a pod to its node',
      fix: module('veth'),
    }),
    probeCheck('nf_tables', features.nftables, 'fail', {
      rule: 'filters, source checks and masquerade, with connection tracking',
      fix: module('-a nf_tables nft_chain_nat nft_masq nft_ct'),
    }),
    probeCheck('overlay file system', features.overlay, 'fail', {
      rule: "nodes' disks and container images are layers over this machine's files",
      fix: module('overlay'),
    }),
    probeCheck('tun device', features.tun, 'warn', {
      rule: 'the way out of the lab to the real internet, for pulling images; not needed for the demo',
      fix: module('tun'),
    }),
    probeCheck('bridges', features.bridge, 'warn', {
      rule: 'for segments that several machines share',
      fix: module('bridge'),
    }),
    probeCheck('VXLAN', features.vxlan, 'warn', {
      rule: "only for the agent's routing setting 'vxlan'",
      fix: module('vxlan'),
    }),
  ];
}
