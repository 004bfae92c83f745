import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { KernelError } from '../errno.ts';
import { TestNamespaces } from '../test-namespaces.ts';
import {
  type MapSpec,
  match,
  meta,
  NftSocket,
  type SetElement,
  type TableRef,
  Transaction,
} from './index.ts';

const namespaces = new TestNamespaces();
const netns = namespaces.make('nft');
const T: TableRef = { family: 'inet', name: 'big' };
let kernel: NftSocket;

beforeAll(() => {
  kernel = NftSocket.open({ netns });
});

beforeEach(() => {
  kernel.commit(new Transaction().resetTable(T));
});

afterAll(() => {
  kernel?.close();
  namespaces.cleanup();
});

const services: MapSpec = {
  table: T,
  name: 'services',
  key: ['ipv4_addr', 'inet_proto', 'inet_service'],
  data: ['ipv4_addr', 'inet_service'],
};

function address(i: number): string {
  return `10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`;
}

function many(count: number): SetElement[] {
  return Array.from({ length: count }, (_, i) => ({
    key: [address(i), 'tcp', 80],
    data: [address(i), 8080],
  }));
}

function refusal(act: () => void): KernelError {
  try {
    act();
  } catch (error) {
    if (error instanceof KernelError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('long transactions', () => {
  test('a map of 50,000 elements comes back as it was sent', () => {
    const elements = many(50_000);
    kernel.commit(new Transaction().addMap(services).addElements({ table: T, set: services, elements }));
    const listed = kernel.listElements(T, 'services');
    expect(listed).toHaveLength(50_000);
    const text = (list: readonly SetElement[]): string[] => list.map((e) => `${e.key} ${e.data}`).sort();
    expect(text(listed)).toEqual(text(elements));
    kernel.commit(new Transaction().deleteElements({ table: T, set: services, elements: elements.slice(1) }));
    expect(kernel.listElements(T, 'services')).toEqual([elements[0]]);
  });

  test('a refused element far behind is named, and none of the others stays', () => {
    const elements = many(20_000);
    const last = elements.at(-7)!;
    kernel.commit(
      new Transaction().addMap(services).addElements({ table: T, set: 'services', elements: [last] }),
    );
    const error = refusal(() =>
      kernel.commit(
        new Transaction().addElements({ table: T, set: 'services', elements }, { ifExists: 'fail' }),
      ),
    );
    expect(error).toMatchObject({ code: 'EEXIST', operation: 'add' });
    expect(error.object).toContain(
      `element ${address(20_000 - 7)} . tcp . 80 of set services in table inet big`,
    );
    expect(kernel.listElements(T, 'services')).toEqual([last]);
  });

  test('thousands of refused messages do not hide the first one', () => {
    kernel.commit(new Transaction().addChain({ table: T, name: 'there' }));
    const tx = new Transaction();
    for (let i = 0; i < 5000; i++)
      tx.addRule({ table: T, chain: i === 17 ? 'first_missing' : i < 17 ? 'there' : 'missing', rule: [] });
    const error = refusal(() => kernel.commit(tx));
    expect(error).toMatchObject({ code: 'ENOENT', operation: 'add' });
    expect(error.object).toContain('rule in chain first_missing in table inet big');
    expect(kernel.listRules(T)).toEqual([]);
    kernel.commit(new Transaction().addRule({ table: T, chain: 'there', rule: [] }));
    expect(kernel.listRules(T)).toHaveLength(1);
  });

  test('off the event loop', async () => {
    const elements = many(20_000);
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    const done = kernel.commitAsync(
      new Transaction().addMap(services).addElements({ table: T, set: services, elements }),
    );
    expect(refusal(() => kernel.listTables()).code).toBe('EBUSY');
    expect(refusal(() => kernel.commit(new Transaction().addTable(T))).code).toBe('EBUSY');
    await done;
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(0);
    expect(kernel.listElements(T, 'services')).toHaveLength(20_000);
    await expect(
      kernel.commitAsync(new Transaction().deleteChain({ table: T, name: 'missing' })),
    ).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

describe('sets that others have made', () => {
  test('are filled by the types that the kernel says they have', () => {
    namespaces.run(
      netns,
      'nft',
      'add set inet big theirs { type ifname . ipv4_addr; flags interval; counter; }',
    );
    kernel.commit(
      new Transaction().addElements({
        table: T,
        set: 'theirs',
        elements: [{ key: ['azv*', '10.0.0.0/8'], comment: 'ours' }],
      }),
    );
    expect(namespaces.run(netns, 'nft', '-s', 'list set inet big theirs')).toContain(
      'elements = { "azv*" . 10.0.0.0/8 counter comment "ours" }',
    );
    expect(kernel.listSets(T)).toMatchObject([
      { name: 'theirs', key: ['ifname', 'ipv4_addr'], interval: true, counter: true },
    ]);
  });

  test('are read, whatever nft has put into them', () => {
    namespaces.run(
      netns,
      'nft',
      `add set inet big names { type ifname; flags interval; elements = { "a*", "c*", "eth0" } }
       add set inet big nets { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, 10.128.0.1-10.255.0.0, 255.0.0.0/8 comment "top" } ; auto-merge; }
       add map inet big verdicts { type ipv4_addr . inet_service : verdict; flags interval; elements = { 10.0.0.0/8 . 80-90 : accept, * : drop } }`,
    );
    expect(kernel.listElements(T, 'names').map(({ key }) => key)).toEqual(['a*', 'c*', 'eth0']);
    expect(kernel.listElements(T, 'nets')).toEqual([
      { key: '10.0.0.0/8' },
      { key: '255.0.0.0/8', comment: 'top' },
    ]);
    expect(kernel.listElements(T, 'verdicts')).toEqual([
      { key: ['10.0.0.0/8', '80-90'], data: 'accept' },
      { key: '*', data: 'drop' },
    ]);
  });

  test('are forgotten when they turn out to be different', () => {
    kernel.commit(new Transaction().addSet({ table: T, name: 's', key: 'ipv4_addr' }));
    namespaces.run(netns, 'nft', 'delete set inet big s; add set inet big s { type ipv6_addr; }');
    const tx = new Transaction().addElements({ table: T, set: 's', elements: [{ key: '10.0.0.1' }] });
    expect(refusal(() => kernel.commit(tx)).code).toBe('EINVAL');
    expect(() => kernel.commit(tx)).toThrow('must be an IPv6 address');
  });
});

test('rules are replaced and deleted by their handles', () => {
  const rule = (name: string) => ({
    table: T,
    chain: 'c',
    rule: [match(meta('iifname'), name)],
    comment: name,
  });
  const comments = (): (string | undefined)[] => kernel.listRules(T, 'c').map(({ comment }) => comment);
  kernel.commit(new Transaction().addChain({ table: T, name: 'c' }).addRule(rule('a')).addRule(rule('d')));
  const [a, d] = kernel.listRules(T, 'c');
  kernel.commit(
    new Transaction()
      .addRule(rule('b'), { after: a!.handle })
      .addRule(rule('c'), { before: d!.handle })
      .replaceRule(a!.handle, rule('A')),
  );
  expect(comments()).toEqual(['A', 'b', 'c', 'd']);
  kernel.commit(new Transaction().deleteRule({ table: T, name: 'c' }, d!.handle).addRule(rule('0'), 'first'));
  expect(comments()).toEqual(['0', 'A', 'b', 'c']);
});

test('what does not exist is said so', () => {
  const missing: TableRef = { family: 'ip', name: 'missing' };
  for (const list of ['listChains', 'listRules', 'listSets', 'counters'] as const)
    expect(refusal(() => kernel[list](missing))).toMatchObject({
      code: 'ENOENT',
      object: 'table ip missing',
    });
  expect(refusal(() => kernel.listElements(T, 'no')).message).toContain(
    'list elements set no in table inet big: ENOENT',
  );
  expect(refusal(() => kernel.listRules(T, 'no')).code).toBe('ENOENT');
  expect(refusal(() => NftSocket.open({ netns: '/run/missing' })).code).toBe('ENOENT');
});

test('two namespaces do not see each other', () => {
  using other = NftSocket.open({ netns: namespaces.make('other') });
  other.commit(new Transaction().addTable({ family: 'ip', name: 'there' }));
  expect(other.listTables()).toEqual([{ family: 'ip', name: 'there' }]);
  expect(kernel.listTables('ip')).toEqual([]);
});
