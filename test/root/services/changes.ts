import { expect, test } from 'vitest';
import { KubeClient } from '../../../src/kube/client.ts';
import { loadKubeConfig } from '../../../src/kube/kube-config.ts';
import { PODS, SERVICES } from '../../../src/kube/resources.ts';
import type { Service } from '../../../src/kube/types.ts';
import { findService } from '../../../src/lab/machine/index.ts';
import { machineRefOf } from '../../../src/lab/supervisor/machine-files.ts';
import type { Sample } from './client.ts';
import { GATE, NAMESPACE } from './fixtures.ts';
import type { ServiceLab } from './lab.ts';

/** The bound is 200 ms; a machine that runs eight other things at once may be late. Milliseconds. */
const LATEST_MS = 2000;
const EVERY_MS = 5;

/** How long after a moment `pod` still got new connections. Milliseconds; 0 for none. */
function lateness(samples: Sample[], pod: string, since: number): number {
  return Math.max(0, ...samples.filter((one) => one.pod === pod).map(({ at }) => at - since));
}

/** What happens while objects change and daemons die. */
export function changeTests(lab: ServiceLab): void {
  const agentOf = (node: string) => findService(machineRefOf(node), 'agent')?.process.pid;

  test('established connections outlive a killed agent and changes of other Services', async () => {
    const holds = [
      ['pod-1', lab.clusterIp('cluster-ip')],
      ['pod-2', lab.clusterIp('near')],
      ['node-1', lab.clusterIp('cluster-ip')],
      ['outside', lab.frontend('lb')],
      ['outside', lab.frontend('lb-local')],
    ] as const;
    for (const [place, address] of holds)
      expect(await lab.client(place).hold(`to ${address}`, address, 80)).toMatchObject({ kind: 'answer' });
    const allAnswer = async (): Promise<void> => {
      for (const [place, address] of holds)
        expect([place, address, await lab.client(place).ping(`to ${address}`)]).toEqual([
          place,
          address,
          { kind: 'answer' },
        ]);
    };
    const killed = lab.cluster.nodes.map(({ name }) => [name, agentOf(name)] as const);
    for (const [, pid] of killed) process.kill(pid!, 'SIGKILL');
    await allAnswer();
    await lab.until('agents are back', async () =>
      killed.every(([name, pid]) => agentOf(name) !== undefined && agentOf(name) !== pid),
    );
    using api = new KubeClient(loadKubeConfig({ kubeconfig: lab.kubeconfig }));
    const more = (n: number): Service => ({
      metadata: { name: `more-${n}`, namespace: NAMESPACE },
      spec: { selector: { app: 'echo' }, ports: [{ port: 80, targetPort: 8080 }] },
    });
    const made = await Promise.all(Array.from({ length: 20 }, (_, n) => api.create(SERVICES, more(n))));
    const last = made.at(-1)!.spec!.clusterIP!;
    // The agents that came back do their work: what was made meanwhile is there on both nodes.
    for (const place of ['pod-1', 'pod-2'] as const)
      await lab.until(`${place} reaches a new Service`, async () => {
        return (await lab.client(place).tcp(last, 80, 2000)).kind === 'answer';
      });
    for (const { metadata } of made)
      await api.delete(SERVICES, { namespace: NAMESPACE, name: metadata!.name! });
    await lab.until(
      'it is gone again',
      async () => (await lab.client('pod-1').tcp(last, 80, 500)).kind !== 'answer',
    );
    await allAnswer();
  });

  test('a pod that becomes ready gets connections, and none any more when it is not', async () => {
    const address = lab.clusterIp('unready');
    const gate = async (status: 'True' | 'False'): Promise<void> => {
      const patch = JSON.stringify({ status: { conditions: [{ type: GATE, status }] } });
      await lab.kubectl.ok('patch', '-n', NAMESPACE, 'pod', 'late', '--subresource=status', '-p', patch);
    };
    const kind = async () => (await lab.client('pod-1').tcp(address, 80, 2000)).kind;
    await gate('True');
    await lab.until('the ready pod answers', async () => (await kind()) === 'answer');
    await gate('False');
    await lab.until('connections are refused', async () => (await kind()) === 'refused');
  });

  test('a pod that is deleted gets no new connections and keeps those it has; the last one goes on', async () => {
    const client = lab.client('pod-1');
    const address = lab.clusterIp('leaving');
    using api = new KubeClient(loadKubeConfig({ kubeconfig: lab.kubeconfig }));
    const remove = (name: string) => api.delete(PODS, { namespace: NAMESPACE, name });
    // One that stays with the pod that is to go, and datagrams that were answered by it.
    let kept = '';
    for (let n = 0; kept === ''; n++)
      if ((await client.hold(`kept-${n}`, address, 80)).pod === 'leaving-2') kept = `kept-${n}`;
    let flow = '';
    for (let n = 0; flow === ''; n++)
      if ((await client.udp(address, 53, undefined, `flow-${n}`)).pod === 'leaving-2') flow = `flow-${n}`;
    await client.stream('new', address, 80, EVERY_MS);
    await lab.until('both get connections', async () => true);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const before = Date.now();
    await remove('leaving-2');
    await new Promise((resolve) => setTimeout(resolve, LATEST_MS + 500));
    const samples = await client.end('new');
    expect(new Set(samples.filter(({ at }) => at < before).map(({ pod }) => pod))).toEqual(
      new Set(['leaving-1', 'leaving-2']),
    );
    expect(samples.filter(({ kind }) => kind !== 'answer')).toEqual([]);
    const late = lateness(samples, 'leaving-2', before);
    console.log(
      `a deleted pod got its last new connection ${late} ms after the request (bound: 200 ms on an idle machine)`,
    );
    expect(late).toBeLessThan(LATEST_MS);
    expect(await client.ping(kept)).toEqual({ kind: 'answer' });
    // Datagrams are no connections: they go to who is there.
    expect((await client.udp(address, 53, undefined, flow)).pod).toBe('leaving-1');

    await remove('leaving-1');
    const only = await lab.json<{ items: { endpoints: { conditions: object }[] }[] }>(
      ...['endpointslices', '-l', 'kubernetes.io/service-name=leaving'],
    );
    for (const { conditions } of only.items.flatMap(({ endpoints }) => endpoints))
      expect(conditions).toMatchObject({ serving: true });
    // All that is left is on its way out and still serves: better than nobody.
    await lab.until('those that still serve answer', async () => {
      return (await client.tcp(address, 80, 2000)).kind === 'answer';
    });
    await lab.kubectl.ok(
      ...['delete', '-n', NAMESPACE, 'pods', '-l', 'app=leaving', '--force', '--grace-period=0'],
    );
    await lab.until('nobody is left', async () => (await client.tcp(address, 80, 2000)).kind === 'refused');
  });

  test('a Service that changes its type or its ports is what it says', async () => {
    const client = lab.client('pod-2');
    const patch = (spec: object) =>
      lab.kubectl.ok('patch', '-n', NAMESPACE, 'service', 'external-ip', '-p', JSON.stringify({ spec }));
    const address = lab.clusterIp('external-ip');
    await patch({
      ports: [
        { name: 'http', port: 80, $patch: 'delete' },
        { name: 'moved', port: 8000, targetPort: 9090 },
      ],
    });
    await lab.until(
      'the new port answers',
      async () => (await client.tcp(address, 8000, 1000)).kind === 'answer',
    );
    expect((await client.tcp(address, 80, 700)).kind).not.toBe('answer');
    await patch({ type: 'ExternalName', externalName: 'example.com', externalIPs: null });
    await lab.until(
      'a name has no address',
      async () => (await client.tcp(address, 8000, 700)).kind !== 'answer',
    );
  });
}
