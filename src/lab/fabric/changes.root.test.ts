import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createNamespace, deleteNamespace } from '../../kernel/netns.ts';
import { namespaceOf } from './names.ts';
import { TestFabric, testCluster, testModel, testNode } from './testing.ts';

/** Needs root. How the fabric follows its resources while they come and go, and what it repairs. */
const fabric = new TestFabric();
const nodeOne = namespaceOf.node('one-0');
const domainOne = namespaceOf.domain('one');

beforeAll(() => fabric.apply(testModel()));
afterAll(() => fabric.remove());

describe('the fabric follows its resources', () => {
  test('a cluster may hold its whole pod CIDR in one block, and again when the plan is applied again', () => {
    const model = testModel();
    model.clusters.push(testCluster('tiny', 'a', '10.77.3.0/24', 13));
    model.machines.push({ ...testNode('tiny', 0, '10.0.1.77'), nodeBlock: '10.77.3.0/24' });
    for (let round = 0; round < 2; round++) {
      fabric.apply(model);
      expect(fabric.run(namespaceOf.domain('tiny'), 'ip', 'route', 'get', '10.77.3.9').output).toContain(
        'via 10.0.1.77 dev n-',
      );
      // As a new supervisor does: nothing is remembered.
      fabric.forget();
    }
    fabric.apply(testModel());
  });

  test('pod CIDRs of clusters in one network may overlap in any way', () => {
    const model = testModel();
    const inner = testCluster('inner', 'a', '10.244.128.0/17', 13);
    model.clusters.push(inner, testCluster('outer', 'a', '10.240.0.0/12', 14));
    fabric.apply(model);
    const before = fabric.refused('vnet-hub', 'outside_to_pod');
    expect(fabric.ping(namespaceOf.host('near'), '10.241.0.9')).toBe(false);
    expect(fabric.refused('vnet-hub', 'outside_to_pod')).toBe(before + 1);
    model.clusters.pop();
    fabric.apply(model);
    expect(fabric.dump('vnet-hub')).toContain('10.244.0.0/16');
    fabric.apply(testModel());
  });

  test('networks, clusters and hosts that went may come again under their names, filters and all', () => {
    const without = testModel();
    const gone = [without.clusters.pop()!, without.sites.pop()!, without.hosts.pop()!];
    const machines = without.machines.splice(2);
    expect([gone.length, machines.length]).toEqual([3, 2]);
    // Numbers of dead namespaces are given again: whoever remembers a namespace by its number is fooled.
    for (let round = 0; round < 8; round++) {
      fabric.apply(without);
      expect(fabric.namespaces()).not.toContain(namespaceOf.domain('two'));
      fabric.apply(testModel());
      for (const name of [namespaceOf.domain('two'), namespaceOf.site('hq')]) {
        expect(fabric.run(name, 'nft', 'list', 'ruleset').output).toContain('counter name "spoofed"');
      }
      expect(fabric.ping(namespaceOf.host('desk'), '10.0.2.4')).toBe(true);
    }
  });

  test('a namespace that somebody unpinned is made again, with its cables', async () => {
    for (const name of [nodeOne, domainOne, 'vnet-hub']) {
      // Held by a process, it lives on without its name, and keeps its end of the cable.
      const holder = await fabric.hold(name);
      deleteNamespace(fabric.at.pathOf(name));
      fabric.apply(testModel());
      expect([name, fabric.ping(nodeOne, '10.0.1.5')]).toEqual([name, true]);
      expect([name, fabric.ping(nodeOne, '10.1.1.4')]).toEqual([name, true]);
      holder.kill('SIGKILL');
    }
  });

  test('what a killed maker of a namespace left is cleared away', () => {
    createNamespace(fabric.at.pathOf('.new'));
    const added = testModel();
    added.machines.push(testNode('one', 2, '10.0.1.6'));
    fabric.apply(added);
    expect(fabric.ping(namespaceOf.node('one-2'), '10.0.1.5')).toBe(true);
    expect(fabric.namespaces()).not.toContain('.new');
    fabric.apply(testModel());
  });
});
