import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Rtnl } from '../../kernel/netlink/rtnl.ts';
import { createNamespace, deleteNamespace, inNamespace } from '../../kernel/netns.ts';
import { TestNamespaces } from '../../kernel/test-namespaces.ts';

/** Network namespaces and processes of one root test; everything goes with {@link close}. */
export class TestNetwork {
  /** Files of the test: `/tmp/fly-test-…`. */
  readonly folder = mkdtempSync(join(tmpdir(), 'fly-test-'));
  readonly #spaces = new TestNamespaces();
  readonly #home = this.#spaces.folder;
  readonly #namespaces = new Set<string>();
  readonly #processes = new Set<ChildProcess>();

  /** The path of a namespace, which is made when it is not there yet. Its `lo` is up. */
  namespace(name: string): string {
    const path = join(this.#home, name);
    if (!this.#namespaces.has(path)) {
      createNamespace(path);
      this.#namespaces.add(path);
      using rtnl = Rtnl.open({ netns: path });
      rtnl.setLink('lo', { up: true });
    }
    return path;
  }

  /** A path where there is no namespace. */
  nowhere(name: string): string {
    return join(this.#home, name);
  }

  remove(name: string): void {
    const path = join(this.#home, name);
    deleteNamespace(path);
    this.#namespaces.delete(path);
  }

  /** Joins two namespaces by a veth pair, both ends called `eth0` unless said otherwise. */
  join(
    a: { ns: string; address: string; name?: string; mtu?: number },
    b: { ns: string; address: string; name?: string },
  ): void {
    const { name = 'eth0', mtu = 1500 } = a;
    const other = b.name ?? 'eth0';
    using left = Rtnl.open({ netns: this.namespace(a.ns) });
    using right = Rtnl.open({ netns: this.namespace(b.ns) });
    left.createVeth({ name, mtu, peer: { name: other, mtu, netns: this.namespace(b.ns) } });
    for (const [rtnl, link, cidr] of [
      [left, name, a.address],
      [right, other, b.address],
    ] as const) {
      rtnl.setLink(link, { up: true });
      const [address = '', length = '24'] = cidr.split('/');
      rtnl.addAddress(link, { address, prefixLength: Number(length) });
    }
  }

  /** Runs a command in a namespace and gives its output. @throws Error with the output when it fails */
  run(ns: string, ...command: string[]): string {
    return execFileSync('nsenter', [`--net=${this.namespace(ns)}`, ...command], {
      encoding: 'utf8',
      stdio: 'pipe',
    });
  }

  /** Whether `count` echo requests are answered. */
  pings(ns: string, address: string, ...options: string[]): boolean {
    try {
      this.run(ns, 'ping', '-c', '2', '-i', '0.05', '-W', '1', ...options, address);
      return true;
    } catch {
      return false;
    }
  }

  /** Starts a command in a namespace. It ends with this process, also when that is killed. */
  spawn(
    ns: string | undefined,
    command: readonly string[],
    env: NodeJS.ProcessEnv = process.env,
  ): ChildProcess {
    const enter = ns === undefined ? [] : ['nsenter', `--net=${this.namespace(ns)}`];
    const argv = ['--pdeathsig', 'KILL', ...enter, ...command];
    const child = spawn('setpriv', argv, { stdio: 'pipe', env });
    this.#processes.add(child);
    child.on('exit', () => this.#processes.delete(child));
    return child;
  }

  /** Connections that the kernel tracks in a namespace. */
  connections(ns: string): number {
    return inNamespace(this.namespace(ns), () =>
      Number(readFileSync('/proc/sys/net/netfilter/nf_conntrack_count', 'utf8')),
    );
  }

  /**
   * A TCP server in a namespace that answers each client with the address it sees it by, and closes.
   *
   * @returns when it listens
   */
  async serve(ns: string, port: number): Promise<void> {
    const host = '::';
    const program = `require('node:net').createServer(s=>s.end(s.remoteAddress.replace('::ffff:','')))
      .listen(${port},'${host}',()=>console.log('up'))`;
    const child = this.spawn(ns, [process.execPath, '-e', program]);
    await new Promise<void>((resolve, reject) => {
      child.stdout?.once('data', () => resolve());
      child.once('exit', () => reject(new Error(`no server on port ${port} in ${ns}`)));
    });
  }

  /** By which address a server of {@link serve} sees a client in `ns`; undefined when it is not reached. */
  seenBy(ns: string, address: string, port: number, source?: string): string | undefined {
    const program = `const s=require('node:net').connect({host:'${address}',port:${port}${source ? `,localAddress:'${source}'` : ''},timeout:1500});
      s.on('data',d=>{process.stdout.write(d);process.exit(0)});s.on('timeout',()=>process.exit(1));s.on('error',()=>process.exit(1))`;
    try {
      return this.run(ns, process.execPath, '-e', program);
    } catch {
      return undefined;
    }
  }

  async close(): Promise<void> {
    await Promise.all(
      [...this.#processes].map((child) => {
        const gone = new Promise((resolve) => child.once('exit', resolve));
        child.kill('SIGKILL');
        return gone;
      }),
    );
    this.#spaces.cleanup();
    rmSync(this.folder, { recursive: true });
  }
}
