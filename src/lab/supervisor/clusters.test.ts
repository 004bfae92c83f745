import { describe, expect, test } from 'vitest';
import { cidrsOverlap, parseCidr } from '../../address/cidr.ts';
import { resourceId, TYPES } from '../azure/ids.ts';
import type { Cluster } from '../azure/types.ts';
import { LabError } from '../errors.ts';
import { settle, signal, TestLab } from './testing.ts';

const quiet = (): void => undefined;

/** What a refusal is called; of other errors the message. */
async function outcome(work: Promise<unknown>): Promise<string> {
  return await work.then(
    () => 'done',
    (error: unknown) => (error instanceof LabError ? error.refusal.code : (error as Error).message),
  );
}

async function create(test: TestLab, name: string, nodes = 2) {
  test.lab.clusters.accept({ name, nodes });
  return await test.lab.clusters.build(name, quiet);
}

describe('creating', () => {
  test('builds every node and says so', async () => {
    const test = new TestLab();
    const progress: string[] = [];
    test.lab.clusters.accept({ name: 'shop', nodes: 2 });
    const shop = await test.lab.clusters.build('shop', (text) => progress.push(text));
    expect(shop).toMatchObject({
      state: 'Succeeded',
      nodes: [
        { state: 'Succeeded', nodeBlock: '10.244.0.0/24', agent: 'running' },
        { state: 'Succeeded', nodeBlock: '10.244.1.0/24', agent: 'running' },
      ],
    });
    expect(progress.filter((line) => line.includes('is ready'))).toHaveLength(2);
    expect(test.namespaces('node-')).toHaveLength(2);
  });

  test("with a network of its owner's it says that the lab runs nothing of one", async () => {
    const test = new TestLab();
    test.lab.clusters.accept({ name: 'byo', nodes: 1, networkPlugin: 'none' });
    const byo = await test.lab.clusters.build('byo', quiet);
    expect(byo).toMatchObject({
      state: 'Succeeded',
      networkPlugin: 'none',
      controlPlane: { apiServer: 'running', operator: 'none' },
      nodes: [{ state: 'Succeeded', nodeBlock: '10.244.0.0/24', agent: 'none' }],
    });
    await create(test, 'shop', 1);
    expect(test.lab.status().clusters).toEqual([
      expect.objectContaining({ name: 'byo', networkPlugin: 'none', nodes: 1, ready: 1 }),
      expect.objectContaining({ name: 'shop', networkPlugin: 'azure', nodes: 1, ready: 1 }),
    ]);
    // A cluster of before there was a choice.
    const { networkPlugin: _, ...old } = test.store.get<Cluster>(
      resourceId(TYPES.cluster, ['shop']),
    )!.properties;
    test.store.put<Cluster>({
      id: resourceId(TYPES.cluster, ['shop']),
      type: TYPES.cluster,
      provisioningState: 'Succeeded',
      properties: old,
    });
    expect(test.lab.clusters.show('shop').nodes[0]!.agent).toBe('running');
    expect(test.lab.status().clusters[1]!.networkPlugin).toBe('azure');
  });

  test('two at once into one new network get subnets, addresses and domains of their own', async () => {
    const test = new TestLab();
    const made = await Promise.all(['one', 'two'].map((name) => create(test, name)));
    const [one, two] = test.lab.networks
      .list()[0]!
      .properties.subnets.map(({ addressPrefix }) => parseCidr(addressPrefix));
    expect(cidrsOverlap(one!, two!)).toBe(false);
    expect(made.map(({ subnet }) => subnet)).toEqual(['nodes', 'nodes-two']);
    expect(new Set(made.flatMap(({ nodes }) => nodes.map((node) => node.address))).size).toBe(4);
    expect(test.namespaces('domain-')).toEqual(['domain-one', 'domain-two']);
  });

  test('no more than four nodes start at a time, of however many clusters', async () => {
    const test = new TestLab();
    test.nodes.onStart = async () => await settle();
    await Promise.all(['a', 'b', 'c'].map((name) => create(test, name, 3)));
    expect(test.nodes.most).toBe(4);
  });

  test('a fabric that cannot be made refuses it, and nothing is left', async () => {
    const test = new TestLab();
    test.fabricFailure = new Error('no more links');
    expect(await outcome(create(test, 'shop'))).toBe('no more links');
    expect([test.lab.clusters.list(), test.lab.networks.list(), test.namespaces('vnet-')]).toEqual([
      [],
      [],
      [],
    ]);
    expect(await outcome(create(test, 'shop'))).toBe('done');
  });

  test('a node that does not start fails the cluster by its name, keeps its address and is tried again', async () => {
    const test = new TestLab();
    const again = signal();
    let tries = 0;
    test.nodes.onStart = async ({ machine }) => {
      if (machine.index !== 1) return;
      if (tries++ === 0) throw new Error('no space left');
      await again.wait;
    };
    expect(await outcome(create(test, 'shop'))).toMatch(
      /^node aks-nodepool1-\d+-vmss000001 did not start: no space left; .*flyover node list shop$/,
    );
    const failed = test.lab.clusters.show('shop');
    expect(failed).toMatchObject({ state: 'Failed', error: expect.stringContaining('no space left') });
    expect(failed.nodes[1]).toMatchObject({
      state: 'Failed',
      error: 'no space left',
      nodeBlock: '10.244.1.0/24',
    });
    await expect.poll(() => tries).toBe(2);
    again.send();
    await expect.poll(() => test.lab.clusters.show('shop').state).toBe('Succeeded');
    expect(test.lab.clusters.show('shop')).not.toHaveProperty('error');
    expect(test.lab.clusters.show('shop').nodes[1]!.address).toBe(failed.nodes[1]!.address);
  });
});

describe('deleting', () => {
  test('outruns creation: both end, and nothing is left', async () => {
    const test = new TestLab();
    const slow = signal();
    test.nodes.onStart = async ({ wanted }) => {
      await slow.wait;
      if (!wanted()) throw new Error('gave up');
    };
    const creating = outcome(create(test, 'shop', 6));
    await settle();
    test.lab.clusters.acceptDeletion('shop');
    const deleting = outcome(test.lab.clusters.remove('shop', quiet));
    slow.send();
    expect(await Promise.all([creating, deleting])).toEqual(['OperationPreempted', 'done']);
    expect([test.lab.clusters.list(), test.namespaces('node-'), [...test.nodes.running]]).toEqual([
      [],
      [],
      [],
    ]);
    // Those that had not begun were not begun any more.
    expect(test.nodes.calls.filter((call) => call.startsWith('start'))).toHaveLength(4);
  });

  test('stays ahead when nodes come up after all: killed then, the next supervisor deletes it', async () => {
    const test = new TestLab();
    const slow = signal();
    test.nodes.onStart = () => slow.wait;
    const creating = outcome(create(test, 'shop'));
    await settle();
    test.lab.clusters.acceptDeletion('shop');
    slow.send();
    expect(await creating).toBe('OperationPreempted');
    expect(test.lab.clusters.show('shop')).toMatchObject({
      state: 'Deleting',
      nodes: [{ state: 'Deleting' }, { state: 'Deleting' }],
    });
    const next = test.successor();
    await (await next.lab.start()).resumed;
    expect([next.lab.clusters.list(), next.namespaces('domain-')]).toEqual([[], []]);
    expect(next.nodes.calls.every((call) => call.startsWith('stop'))).toBe(true);
  });

  test('asked for twice, the second does not take a new cluster of the same name', async () => {
    const test = new TestLab();
    await create(test, 'shop');
    const slow = signal();
    test.nodes.onStop = () => slow.wait;
    test.lab.clusters.acceptDeletion('shop');
    const first = test.lab.clusters.remove('shop', quiet);
    await settle();
    test.lab.clusters.acceptDeletion('shop');
    const second = test.lab.clusters.remove('shop', quiet);
    expect(await outcome(create(test, 'shop'))).toBe('OperationNotAllowed');
    expect(() => test.lab.clusters.acceptNode('shop')).toThrow('is being deleted');
    slow.send();
    await first;
    const third = create(test, 'shop');
    await Promise.all([second, third]);
    expect(test.lab.clusters.show('shop').state).toBe('Succeeded');
    expect(test.nodes.running.size).toBe(2);
  });

  test('of one node twice, with a new one of its name in between', async () => {
    const test = new TestLab();
    await create(test, 'shop');
    const { clusters } = test.lab;
    const old = clusters.acceptNodeDeletion('shop', '1');
    await clusters.removeNode(old, quiet);
    const fresh = await clusters.buildNode(clusters.acceptNode('shop'), quiet);
    expect(fresh.name).toBe(old.name);
    await clusters.removeNode(old, quiet);
    expect(clusters.show('shop').nodes.map((node) => node.index)).toEqual([0, 1]);
    expect(test.nodes.running.size).toBe(2);
  });

  test('a node that is being added: the adder is told, and its block is free', async () => {
    const test = new TestLab();
    await create(test, 'shop');
    const { clusters } = test.lab;
    const slow = signal();
    test.nodes.onStart = () => slow.wait;
    const machine = clusters.acceptNode('shop');
    const adding = outcome(clusters.buildNode(machine, quiet));
    await settle();
    const removing = clusters.removeNode(clusters.acceptNodeDeletion('shop', '2'), quiet);
    slow.send();
    expect(await adding).toBe('OperationPreempted');
    await removing;
    expect(test.nodes.running.has(machine.name)).toBe(false);
    expect(clusters.acceptNode('shop').properties.nodeBlock).toBe('10.244.2.0/24');
  });

  test('a node that resists stays to be deleted; the others go, and it can be repeated', async () => {
    const test = new TestLab();
    await create(test, 'shop', 3);
    test.nodes.onStop = (name) => {
      if (name.endsWith('1')) throw new Error('process 7 does not end');
    };
    const remove = (): Promise<string> => {
      test.lab.clusters.acceptDeletion('shop');
      return outcome(test.lab.clusters.remove('shop', quiet));
    };
    expect(await remove()).toContain('process 7 does not end');
    expect(test.lab.clusters.show('shop').nodes.map((node) => node.state)).toEqual(['Deleting']);
    test.nodes.onStop = quiet;
    expect(await remove()).toBe('done');
    expect(test.lab.clusters.list()).toEqual([]);
  });
});

describe('a new supervisor', () => {
  test('finishes what was accepted, takes over what runs, and takes in new nodes meanwhile', async () => {
    const test = new TestLab();
    await create(test, 'old');
    test.lab.clusters.accept({ name: 'new', nodes: 2 });
    const next = test.successor();
    const slow = signal();
    next.nodes.onStart = () => slow.wait;
    const { resumed } = await next.lab.start();
    const adding = next.lab.clusters.buildNode(next.lab.clusters.acceptNode('new'), quiet);
    slow.send();
    expect((await adding).nodeBlock).toBe('10.244.2.0/24');
    await resumed;
    expect(next.lab.clusters.list().map(({ state, nodes }) => [state, nodes.length])).toEqual([
      ['Succeeded', 2],
      ['Succeeded', 3],
    ]);
  });

  test('goes on with the removal of a node', async () => {
    const test = new TestLab();
    await create(test, 'shop');
    const { name } = test.lab.clusters.acceptNodeDeletion('shop', '1');
    const next = test.successor();
    await (await next.lab.start()).resumed;
    expect(next.lab.clusters.show('shop').nodes.map((node) => node.index)).toEqual([0]);
    expect(next.nodes.calls).toContain(`stop ${name}`);
    expect(next.namespaces('node-')).toHaveLength(1);
  });

  test('one node that cannot be removed keeps none of the others from coming back', async () => {
    const test = new TestLab();
    await create(test, 'shop', 3);
    test.lab.clusters.acceptNodeDeletion('shop', '1');
    const next = test.successor();
    next.nodes.onStop = () => {
      throw new Error('process 7 does not end');
    };
    await (await next.lab.start()).resumed;
    expect(next.lab.clusters.show('shop').nodes.map((node) => [node.state, node.agent])).toEqual([
      ['Succeeded', 'running'],
      ['Deleting', 'down'],
      ['Succeeded', 'running'],
    ]);
  });
});

describe('mending', () => {
  test('what dies together is started again once, at once', async () => {
    const test = new TestLab();
    const { nodes } = await create(test, 'shop', 1);
    const parts = Object.values(test.nodes.running.get(nodes[0]!.name)!);
    test.nodes.running.clear();
    test.nodes.calls.length = 0;
    test.watch.end(...parts.map(({ pid }) => pid));
    await expect.poll(() => test.nodes.running.size).toBe(1);
    await settle();
    expect(test.nodes.calls).toEqual([`start ${nodes[0]!.name}`]);
    expect(test.logged.filter((line) => line.includes('starting it again'))).toHaveLength(1);
  });

  test('not of a node that is on its way out, nor after the end of the supervisor', async () => {
    const test = new TestLab();
    const { nodes } = await create(test, 'shop');
    const initOf = (index: number): number => test.nodes.running.get(nodes[index]!.name)!.init!.pid;
    test.nodes.calls.length = 0;
    test.lab.clusters.acceptNodeDeletion('shop', '0');
    test.watch.end(initOf(0));
    await settle();
    expect(test.nodes.calls).toEqual([]);
    const last = initOf(1);
    await test.lab.close();
    test.watch.end(last);
    await settle();
    expect(test.nodes.calls).toEqual([]);
  });

  test('makes the namespace again when that is what is missing', async () => {
    const test = new TestLab();
    const { nodes } = await create(test, 'shop', 1);
    test.plan = { namespaces: new Map(), cables: [] };
    test.watch.end(test.nodes.running.get(nodes[0]!.name)!.init!.pid);
    await expect.poll(() => test.namespaces('node-')).toEqual([`node-${nodes[0]!.name}`]);
  });
});
