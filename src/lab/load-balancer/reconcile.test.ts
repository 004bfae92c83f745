import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { newMachines } from '../azure/door/machine.ts';
import { addressesIn } from '../azure/door/network.ts';
import { newPublicIp } from '../azure/door/public-ip.ts';
import { resourceId, TYPES } from '../azure/ids.ts';
import type { Outcome } from './reconcile.ts';
import { serviceWith, TestCloud } from './testing.ts';
import { type Wish, wishOf } from './wish.ts';

const wish = (uid: string, ports: number[], annotations: Record<string, string> = {}): Wish =>
  wishOf(serviceWith({ ports: ports.map((port) => ({ port, nodePort: 30_000 + port })) }, annotations, uid));

const addressOf = (outcome: Outcome | undefined): string =>
  outcome && 'address' in outcome
    ? outcome.address
    : `refused: ${(outcome as { error: Error })?.error.message}`;

const internal = { 'azure-load-balancer-internal': 'true' };

describe('addresses', () => {
  test('of several Services may be one when ports differ, and outlive the Service that they were made for', () => {
    const cloud = new TestCloud();
    const first = wish('1', [80]);
    const address = addressOf(cloud.apply([first], [], ['a1']).outcomes.get('a1'));
    const second = wish('2', [443], { 'azure-load-balancer-ipv4': address });
    const third = wish('3', [80], { 'azure-load-balancer-ipv4': address });
    const both = cloud.apply([second, third], [], ['a1', 'a2', 'a3']).outcomes;
    expect(addressOf(both.get('a2'))).toBe(address);
    expect(addressOf(both.get('a3'))).toMatch(
      /^refused: spec\.ports '80\/TCP' is taken at .* \(rule a1-TCP-80\)/,
    );
    cloud.apply([], ['a1'], ['a2', 'a3']);
    expect(addressOf(cloud.apply([third], [], ['a2', 'a3']).outcomes.get('a3'))).toBe(address);
    expect(cloud.inventory.loadBalancers[0]!.frontends).toHaveLength(1);
    cloud.apply([], ['a2', 'a3'], []);
    expect(cloud.inventory.loadBalancers).toEqual([]);
    expect(cloud.inventory.publicIpAddresses.map(({ name }) => name)).toEqual(['shop-outbound-1']);
  });

  test('that a Service has lent stay with the others when it goes to another subnet address', () => {
    const cloud = new TestCloud();
    const own = wish('1', [80], internal);
    const address = addressOf(cloud.apply([own], [], ['a1']).outcomes.get('a1'));
    const guest = wish('2', [443], { ...internal, 'azure-load-balancer-ipv4': address });
    cloud.apply([guest], [], ['a1', 'a2']);
    const moved = wish('1', [80], { ...internal, 'azure-load-balancer-ipv4': '10.0.1.200' });
    expect(addressOf(cloud.apply([moved], [], ['a1', 'a2']).outcomes.get('a1'))).toBe('10.0.1.200');
    const { frontends, rules } = cloud.inventory.loadBalancers[0]!;
    const at = (rule: string): string | undefined =>
      frontends.find(({ name }) => name === rules.find((each) => each.name === rule)!.frontend)?.address;
    expect([at('a1-TCP-80'), at('a2-TCP-443')]).toEqual(['10.0.1.200', address]);
  });

  test('of a person are found in the group that is named, and in no other', () => {
    const cloud = new TestCloud();
    const mine = newPublicIp(cloud.inventory, { name: 'mine' });
    const id = resourceId(TYPES.publicIpAddress, ['mine']);
    cloud.inventory.publicIpAddresses.push({ ...mine, name: 'mine', id });
    const without = wish('1', [80], { 'azure-pip-name': 'mine' });
    expect(addressOf(cloud.apply([without], [], ['a1']).outcomes.get('a1'))).toContain(
      'add the annotation service.beta.kubernetes.io/azure-load-balancer-resource-group: lab',
    );
    const group = { 'azure-load-balancer-resource-group': 'lab' };
    const named = wish('1', [80], { 'azure-pip-name': 'mine', ...group });
    expect(addressOf(cloud.apply([named], [], ['a1']).outcomes.get('a1'))).toBe(mine.address);
    const byAddress = wish('2', [81], { 'azure-load-balancer-ipv4': mine.address, ...group });
    expect(addressOf(cloud.apply([byAddress], [], ['a1', 'a2']).outcomes.get('a2'))).toBe(mine.address);
    cloud.apply([], ['a1', 'a2'], []);
    expect(cloud.inventory.publicIpAddresses.map(({ name }) => name)).toContain('mine');
  });

  test.each([
    ['10.0.1.4', 'is allocated to somebody else'],
    ['10.0.1.3', 'falls within reserved IP range'],
    ['10.0.1.255', 'falls within reserved IP range'],
    ['10.9.9.9', 'does not belong to the range of the subnet nodes'],
  ])('of a subnet: %s %s', (address, text) => {
    const cloud = new TestCloud();
    const wanted = wish('1', [80], { ...internal, 'azure-load-balancer-ipv4': address });
    expect(addressOf(cloud.apply([wanted], [], ['a1']).outcomes.get('a1'))).toContain(text);
    expect(cloud.inventory.loadBalancers).toEqual([]);
  });

  test('of a subnet that there is not are refused by its name', () => {
    const cloud = new TestCloud();
    const wanted = wish('1', [80], { ...internal, 'azure-load-balancer-internal-subnet': 'apps' });
    expect(addressOf(cloud.apply([wanted], [], ['a1']).outcomes.get('a1'))).toMatch(
      /apps.*does not exist; there are: nodes/,
    );
  });

  test('of a full subnet are refused, and free again when one goes', () => {
    const cloud = new TestCloud(1);
    cloud.inventory.virtualNetworks[0]!.subnets.push({ name: 'tiny', addressPrefix: '10.0.9.0/29' });
    const at = { ...internal, 'azure-load-balancer-internal-subnet': 'tiny' };
    const wishes = ['1', '2', '3', '4'].map((uid) => wish(uid, [80], at));
    const alive = ['a1', 'a2', 'a3', 'a4'];
    const { outcomes } = cloud.apply(wishes, [], alive);
    expect(alive.map((owner) => addressOf(outcomes.get(owner)))).toEqual([
      '10.0.9.4',
      '10.0.9.5',
      '10.0.9.6',
      expect.stringContaining('does not have enough capacity'),
    ]);
    const again = cloud.apply([wishes[3]!], ['a2'], ['a1', 'a3', 'a4']).outcomes;
    expect(addressOf(again.get('a4'))).toBe('10.0.9.5');
  });
});

test('a Service that is refused something new keeps what it has', () => {
  const cloud = new TestCloud();
  cloud.apply([wish('1', [80])], [], ['a1']);
  const before = structuredClone(cloud.inventory);
  const { outcomes } = cloud.apply(
    [wish('1', [81], { 'azure-load-balancer-ipv4': '198.19.0.77' })],
    [],
    ['a1'],
  );
  expect(addressOf(outcomes.get('a1'))).toContain('was not found in resource group MC_lab_shop_local');
  expect(cloud.inventory).toEqual(before);
});

test('a Service that turns from public to internal gives its public address back', () => {
  const cloud = new TestCloud();
  cloud.apply([wish('1', [80])], [], ['a1']);
  cloud.apply([wish('1', [80], internal)], [], ['a1']);
  expect(cloud.inventory.loadBalancers.map(({ name }) => name)).toEqual(['kubernetes-internal']);
  expect(cloud.inventory.publicIpAddresses).toHaveLength(1);
});

describe('whatever Services come, change and go', () => {
  const step = fc.record({
    uid: fc.constantFrom('1', '2', '3', '4', '5'),
    ports: fc.uniqueArray(fc.constantFrom(80, 443, 53), { minLength: 1, maxLength: 3 }),
    annotations: fc.constantFrom<Record<string, string>>(
      {},
      internal,
      { ...internal, 'azure-load-balancer-ipv4': '10.0.1.100' },
      { 'azure-pip-name': 'shared' },
    ),
    stays: fc.boolean(),
  });

  test('nothing is left over, nobody shares what they may not, and nodes keep their addresses', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        const cloud = new TestCloud();
        const granted = new Map<string, Wish>();
        for (const { uid, ports, annotations, stays } of steps) {
          const wanted = wish(uid, ports, annotations);
          const others = [...granted.keys()].filter((owner) => owner !== wanted.owner);
          if (stays) {
            const { outcomes } = cloud.apply([wanted], [], [...others, wanted.owner]);
            if ('address' in outcomes.get(wanted.owner)!) granted.set(wanted.owner, wanted);
          } else {
            cloud.apply([], [wanted.owner], others);
            granted.delete(wanted.owner);
          }
        }
        const { loadBalancers, publicIpAddresses } = cloud.inventory;
        const rules = loadBalancers.flatMap((balancer) =>
          balancer.rules.map((rule) => ({
            name: rule.name,
            at: `${balancer.frontends.find(({ name }) => name === rule.frontend)!.address}:${rule.port}`,
          })),
        );
        expect(new Set(rules.map(({ at }) => at)).size).toBe(rules.length);
        const wanted = [...granted.values()].flatMap((each) => each.rules.map(({ name }) => name));
        expect(rules.map(({ name }) => name).sort()).toEqual(wanted.sort());
        const frontends = loadBalancers.flatMap((balancer) => balancer.frontends);
        const used = new Set(frontends.map(({ publicIpAddress }) => publicIpAddress));
        const strays = publicIpAddresses.filter(({ name }) => name !== 'shop-outbound-1' && !used.has(name));
        expect(strays).toEqual([]);
        const subnet = cloud.inventory.virtualNetworks[0]!.subnets[0]!;
        const taken = addressesIn(cloud.inventory, 'vnet', subnet);
        expect(new Set(taken).size).toBe(taken.length);
        const [next] = newMachines(cloud.inventory, cloud.cluster, 1);
        expect(taken).not.toContain(next!.properties.address);
        // Once more changes nothing.
        const again = cloud.apply([...granted.values()], [], granted.keys());
        expect([...again.balancers, ...again.addressesMade, ...again.addressesGone]).toEqual([]);
        for (const outcome of again.outcomes.values()) expect(outcome).toMatchObject({ changed: false });
        // And when all are gone, so is everything that was made for them.
        cloud.apply([], [...granted.keys()], []);
        expect(cloud.inventory.loadBalancers).toEqual([]);
        expect(cloud.inventory.publicIpAddresses).toHaveLength(1);
      }),
      { numRuns: 200 },
    );
  });
});
