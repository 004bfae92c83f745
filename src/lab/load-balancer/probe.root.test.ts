import { createServer as createHttp } from 'node:http';
import { BoundSocket, createServer as createTcp, type Server } from 'node:net';
import { afterAll, afterEach, expect, test } from 'vitest';
import { inNamespace } from '../../kernel/netns.ts';
import { TestNamespaces } from '../../kernel/test-namespaces.ts';
import { DNS_ADDRESS } from '../fabric/ranges.ts';
import { askFrom, type Probe } from './probe.ts';

const namespaces = new TestNamespaces();
const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});
afterAll(() => namespaces.cleanup());

/** A router with the address of probes, beside a node. */
function place(name: string): string {
  const netns = namespaces.make(name);
  namespaces.run(netns, 'ip', 'link', 'set', 'lo', 'up');
  for (const address of [DNS_ADDRESS, '10.0.1.4']) {
    namespaces.run(netns, 'ip', 'address', 'add', `${address}/32`, 'dev', 'lo');
  }
  return netns;
}

async function listen(server: Server, netns: string, port: number): Promise<void> {
  servers.push(server);
  const bound = inNamespace(netns, () => new BoundSocket({ host: '10.0.1.4', port }));
  await new Promise<void>((resolve) => server.listen(bound, resolve));
}

test('nodes are asked in the namespace that was named, and see the address of probes', async () => {
  const [here, there] = [place('here'), place('there')];
  const seen: string[] = [];
  await listen(
    createTcp((socket) => {
      seen.push(`tcp ${socket.remoteAddress}`);
      socket.on('error', () => undefined);
      socket.resume();
    }),
    here,
    30_080,
  );
  await listen(
    createHttp((request, response) => {
      seen.push(`http ${request.socket.remoteAddress}`);
      response.end();
    }),
    here,
    31_000,
  );
  const ask = (netns: string, probe: Pick<Probe, 'protocol' | 'port'>): Promise<boolean> =>
    askFrom({ netns, address: DNS_ADDRESS })({ ...probe, address: '10.0.1.4', timeoutMs: 30_000 });
  expect(await ask(here, { protocol: 'Tcp', port: 30_080 })).toBe(true);
  expect(await ask(here, { protocol: 'Http', port: 31_000 })).toBe(true);
  // The same address in another network is another node, where nobody listens.
  expect(await ask(there, { protocol: 'Tcp', port: 30_080 })).toBe(false);
  await expect
    .poll(() => seen.sort(), { timeout: 60_000 })
    .toEqual([`http ${DNS_ADDRESS}`, `tcp ${DNS_ADDRESS}`]);
});

test('a namespace that is being made is no answer', async () => {
  const troubles: string[] = [];
  const onTrouble = (error: Error): unknown => troubles.push(error.message);
  const ask = askFrom({ netns: `${namespaces.folder}/nothing`, address: DNS_ADDRESS, onTrouble });
  expect(await ask({ protocol: 'Tcp', port: 80, address: '10.0.1.4', timeoutMs: 1000 })).toBe(false);
  expect(troubles).toHaveLength(1);
});
