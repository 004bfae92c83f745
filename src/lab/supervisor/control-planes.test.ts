import { describe, expect, test } from 'vitest';
import type { LabError } from '../errors.ts';
import { settle, signal, TestLab } from './testing.ts';

const quiet = (): void => undefined;

async function create(test: TestLab, name: string, nodes = 2) {
  test.lab.clusters.accept({ name, nodes });
  return await test.lab.clusters.build(name, quiet);
}

describe('the control plane of a cluster', () => {
  test('serves before the first node starts, and goes after the last one', async () => {
    const test = new TestLab();
    const order: string[] = [];
    test.controlPlanes.onStart = ({ apiServerAddress }) => void order.push(`API ${apiServerAddress}`);
    test.nodes.onStart = () => void order.push('node');
    test.nodes.onStop = () => void order.push(`stop with ${test.controlPlanes.running.size} API`);
    const shop = await create(test, 'shop');
    expect(shop.controlPlane).toEqual({ apiServer: 'running', controllers: 'running', operator: 'running' });
    test.lab.clusters.acceptDeletion('shop');
    await test.lab.clusters.remove('shop', quiet);
    expect(order).toEqual([
      `API ${shop.apiServerAddress}`,
      'node',
      'node',
      'stop with 1 API',
      'stop with 1 API',
    ]);
    expect(test.controlPlanes.calls).toEqual(['start shop', 'stop shop']);
    expect(test.namespaces('control-')).toEqual([]);
  });

  test('each has an address of its own on the internet', async () => {
    const test = new TestLab();
    const addresses = [];
    for (const name of ['a', 'b', 'c']) addresses.push((await create(test, name, 1)).apiServerAddress);
    expect(new Set(addresses).size).toBe(3);
    const [network] = test.lab.networks.list();
    expect(addresses).not.toContain(network!.properties.publicAddress);
  });

  test('forgets a node that is removed, unless the whole cluster goes', async () => {
    const test = new TestLab();
    const { nodes } = await create(test, 'shop');
    const machine = test.lab.clusters.acceptNodeDeletion('shop', '1');
    await test.lab.clusters.removeNode(machine, quiet);
    expect(test.controlPlanes.calls).toContain(`forget shop ${nodes[1]!.name}`);
    test.lab.clusters.acceptDeletion('shop');
    await test.lab.clusters.remove('shop', quiet);
    expect(test.controlPlanes.calls).not.toContain(`forget shop ${nodes[0]!.name}`);
  });

  test('one that does not answer keeps no node from going', async () => {
    const test = new TestLab();
    await create(test, 'shop');
    test.controlPlanes.forgetNode = async () => {
      throw new Error('connection refused');
    };
    await test.lab.clusters.removeNode(test.lab.clusters.acceptNodeDeletion('shop', '1'), quiet);
    expect(test.lab.clusters.show('shop').nodes).toHaveLength(1);
    expect(test.logged.join()).toContain('the Kubernetes API still has this node');
  });

  test('that fails makes the cluster fail, is tried again, and its nodes come up meanwhile', async () => {
    const test = new TestLab();
    let tries = 0;
    test.controlPlanes.onStart = () => {
      if (tries++ === 0) throw new Error('port taken');
    };
    await expect(create(test, 'shop')).rejects.toThrow(
      /the Kubernetes API of shop did not start: port taken/,
    );
    await expect.poll(() => test.controlPlanes.running.size).toBe(1);
    expect(test.nodes.running.size).toBe(2);
    expect(test.lab.clusters.show('shop').state).toBe('Succeeded');
  });

  test('given up because its cluster is deleted, is no failure of its own', async () => {
    const test = new TestLab();
    const waiting = signal();
    test.controlPlanes.onStart = async ({ wanted }) => {
      await waiting.wait;
      if (!wanted()) throw new Error('nobody wants it any more');
    };
    const creating = create(test, 'shop').catch((error: unknown) => (error as LabError).refusal.code);
    await settle();
    test.lab.clusters.acceptDeletion('shop');
    const deleting = test.lab.clusters.remove('shop', quiet);
    waiting.send();
    expect(await creating).toBe('OperationPreempted');
    await deleting;
    expect(test.lab.clusters.list()).toEqual([]);
  });

  test('is started again when it dies, and not after its cluster', async () => {
    const test = new TestLab();
    await create(test, 'shop');
    const end = (): void => {
      const { pid } = test.controlPlanes.running.get('shop')!;
      test.controlPlanes.running.clear();
      test.watch.end(pid);
    };
    end();
    await expect.poll(() => test.controlPlanes.running.size).toBe(1);
    test.lab.clusters.acceptDeletion('shop');
    end();
    await settle();
    expect(test.controlPlanes.calls).toEqual(['start shop', 'start shop']);
  });

  test('is taken over by the next supervisor', async () => {
    const test = new TestLab();
    await create(test, 'shop');
    const next = test.successor();
    await (await next.lab.start()).resumed;
    expect(next.controlPlanes.calls).toEqual(['start shop']);
    expect(await next.lab.clusters.kubeconfig('shop')).toEqual({ kubeconfig: 'kubeconfig of shop' });
    await expect(next.lab.clusters.kubeconfig('none')).rejects.toThrow(/none/);
  });
});
