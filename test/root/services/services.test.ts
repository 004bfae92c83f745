import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { ingressTests } from '../ingress/ingress.ts';
import { findKubectl } from '../lab/kubectl.ts';
import { changeTests } from './changes.ts';
import { type Answer, PATIENCE_MS, SILENCE_MS } from './client.ts';
import { documentTests } from './document.ts';
import { AFFINITY_SECONDS, AFFINITY_SERVICES } from './fixtures.ts';
import { ServiceLab } from './lab.ts';
import { ROWS, type Row } from './rows.ts';

/** Needs root, and a kubectl. One cluster of two nodes for all of it. */
const program = findKubectl();
const lab = new ServiceLab(program ?? '');
// Longer than what is waited for inside.
vi.setConfig({ testTimeout: 240_000 });

beforeAll(async () => {
  if (program) await lab.start();
}, 300_000);
afterAll(() => lab.stop(), 240_000);

/** Of two backends each is as likely: after so many tries both have answered. */
const TRIES = 60;

function ask({ from, udp, to }: Row, timeoutMs: number): Promise<Answer> {
  const client = lab.client(from);
  return udp ? client.udp(...to(lab), timeoutMs) : client.tcp(...to(lab), timeoutMs);
}

function sources(seen: 'client' | 'node', from: Row['from']): string[] {
  return seen === 'client' ? [lab.addressOf(from)] : lab.nodeAddresses;
}

describe.runIf(program !== undefined)('Services, by real connections', () => {
  test.each(ROWS.map((row) => [row.what, row.from, row] as const))('%s, from %s', async (_, __, row) => {
    const { expect: wanted, from } = row;
    if (typeof wanted === 'string') {
      const timeout = wanted === 'silence' ? SILENCE_MS : PATIENCE_MS;
      expect((await ask(row, timeout)).kind).toBe(wanted);
      return;
    }
    const answered = new Set<string>();
    for (let count = 0; count < TRIES; count++) {
      const answer = await ask(row, PATIENCE_MS);
      expect(answer).toMatchObject({ kind: 'answer', pod: expect.toBeOneOf(wanted.pods) });
      expect(answer.source).toBeOneOf(sources(wanted.seen, from));
      answered.add(answer.pod!);
      if (answered.size === wanted.pods.length && count >= 5) break;
    }
    expect([...answered].sort()).toEqual(wanted.pods);
  });

  test('session affinity keeps a client with its backend, and forgets it after its time', async () => {
    const client = lab.client('pod-1');
    const names = Array.from({ length: AFFINITY_SERVICES }, (_, n) => `affinity-${n}`);
    const round = () =>
      Promise.all(names.map(async (name) => (await client.tcp(lab.clusterIp(name), 80)).pod));
    const first = await round();
    for (let count = 0; count < 5; count++) expect(await round()).toEqual(first);
    // Each new choice is by chance; that eight of them come out the same thrice is one in sixteen millions.
    await lab.until(
      'some client has another backend',
      async () => {
        await new Promise((resolve) => setTimeout(resolve, AFFINITY_SECONDS * 1000 + 500));
        return (await round()).join() !== first.join();
      },
      60_000,
    );
  });

  test('health check node ports say which nodes have endpoints of their own', async () => {
    const port = lab.healthPort('lb-local');
    const [one, two] = [lab.addressOf('node-1'), lab.addressOf('node-2')];
    const well = await lab.client('inside').http(one, port);
    expect([well.code, JSON.parse(well.body ?? '')]).toEqual([
      '200',
      expect.objectContaining({ service: { namespace: 'services', name: 'lb-local' }, localEndpoints: 1 }),
    ]);
    expect(await lab.client('inside').http(two, port)).toMatchObject({ kind: 'answer', code: '503' });
  });

  test('names: a Service, a headless one with its pods, one that is another name', async () => {
    const dns = lab.cluster.dnsServiceIp;
    const ask = async (name: string) =>
      (await lab.client('pod-2').resolve(dns, `${name}.services.svc.cluster.local`)).body;
    const { items } = await lab.json<{ items: { status: { podIP: string } }[] }>('pods', '-l', 'app=echo');
    const pods = items.map(({ status }) => status.podIP).sort();
    expect(await ask('cluster-ip')).toBe(lab.clusterIp('cluster-ip'));
    expect(await ask('headless')).toBe(pods.join(' '));
    expect(await ask('away')).toBe(lab.clusterIp('cluster-ip'));
  });
});

describe.runIf(program !== undefined)('Services that change', () => changeTests(lab));
describe.runIf(program !== undefined)('a guide to AKS, as it is typed', () => documentTests(lab));
describe.runIf(program !== undefined)('Ingress', () => ingressTests(lab));
