import { isKernelError } from '../errno.ts';
import {
  accept,
  counter,
  counterFrom,
  dnat,
  drop,
  goto,
  type HookSpec,
  inSet,
  ip,
  jump,
  masquerade,
  match,
  type Nft,
  notInSet,
  reject,
  type SetSpec,
  snat,
  type TableRef,
  Transaction,
  tcp,
  updateSet,
  vmap,
} from './index.ts';

/** Transactions one after the other, and what each ends in: `ok`, or the refusal in words. */
export interface TransactionCase {
  readonly name: string;
  readonly steps: readonly (readonly [step: (tx: Transaction) => Transaction, outcome: string])[];
}

export const T: TableRef = { family: 'inet', name: 'case' };
const chain = (name: string, hook?: HookSpec) => ({ table: T, name, ...(hook ? { hook } : {}) });
const rule = (name: string, ...statements: Parameters<Transaction['addRule']>[0]['rule'][number][]) => ({
  table: T,
  chain: name,
  rule: statements,
});
const input: HookSpec = { type: 'filter', hook: 'input', priority: 0 };
const postrouting: HookSpec = { type: 'nat', hook: 'postrouting', priority: 100 };
const elements = (set: string, ...keys: (string | number | readonly (string | number)[])[]) => ({
  table: T,
  set,
  elements: keys.map((key) => ({ key })),
});
const set = (name: string, key: SetSpec['key'], more: Partial<SetSpec> = {}): SetSpec => ({
  table: T,
  name,
  key,
  ...more,
});
const entry = (map: string, key: string, data: string) => ({ table: T, set: map, elements: [{ key, data }] });

const table = (tx: Transaction): Transaction => tx.addTable(T);

export const transactionCases: readonly TransactionCase[] = [
  {
    name: 'tables',
    steps: [
      [(tx) => tx.addTable(T), 'ok'],
      [(tx) => tx.addTable(T), 'ok'],
      [(tx) => tx.addTable(T, { ifExists: 'fail' }), 'add table inet case: EEXIST'],
      [(tx) => tx.addTable({ ...T, dormant: true }), 'ok'],
      [(tx) => tx.addTable(T), 'ok'],
      [(tx) => tx.deleteTable(T), 'ok'],
      [(tx) => tx.deleteTable(T), 'delete table inet case: ENOENT'],
      [(tx) => tx.deleteTable(T, { ifMissing: 'ignore' }), 'ok'],
      [(tx) => tx.resetTable(T).addChain(chain('a')), 'ok'],
      [(tx) => tx.resetTable({ ...T, comment: 'anew' }).addChain(chain('b')), 'ok'],
      [(tx) => tx.flushTable({ ...T, name: 'other' }), 'flush table inet other: ENOENT'],
    ],
  },
  {
    name: 'nothing of a refused transaction stays',
    steps: [
      [(tx) => table(tx).addChain(chain('a')).addSet(set('s', 'ipv4_addr')), 'ok'],
      [
        (tx) =>
          tx
            .addChain(chain('b', input))
            .addRule(rule('a', drop()))
            .addElements(elements('s', '10.0.0.1'))
            .addCounter({ table: T, name: 'c' })
            .deleteChain(chain('missing')),
        'delete chain missing in table inet case: ENOENT',
      ],
      [
        (tx) =>
          tx
            .addRule(rule('a', accept()))
            .deleteTable(T)
            .addTable(T)
            .addSet(set('z', 'mark'))
            .deleteSet(set('s', 'mark')),
        'delete set s in table inet case: ENOENT',
      ],
    ],
  },
  {
    name: 'chains',
    steps: [
      [(tx) => tx.addChain(chain('a')), 'add chain a in table inet case: ENOENT'],
      [
        (tx) =>
          table(tx)
            .addChain(chain('a'))
            .addChain({ ...chain('in', input), comment: 'base' }),
        'ok',
      ],
      [(tx) => tx.addChain(chain('in', input)).addChain(chain('in')), 'ok'],
      [
        (tx) => tx.addChain(chain('in', { ...input, priority: 1 })),
        'add chain in in table inet case: EOPNOTSUPP',
      ],
      [(tx) => tx.addChain(chain('a', input)), 'add chain a in table inet case: EEXIST'],
      [(tx) => tx.addChain(chain('a'), { ifExists: 'fail' }), 'add chain a in table inet case: EEXIST'],
      [(tx) => tx.addChain(chain('in', { ...input, policy: 'drop' })), 'ok'],
      [
        (tx) => tx.addChain(chain('n', { ...postrouting, priority: -300 })),
        'add chain n in table inet case: EOPNOTSUPP',
      ],
      [(tx) => tx.addRule(rule('in', jump('a'))).addRule(rule('a', drop())), 'ok'],
      [(tx) => tx.deleteChain(chain('a')), 'delete chain a in table inet case: EBUSY'],
      [(tx) => tx.flushChain(chain('in')).deleteChain(chain('a')), 'ok'],
      [(tx) => tx.deleteChain(chain('a')), 'delete chain a in table inet case: ENOENT'],
      [(tx) => tx.deleteChain(chain('a'), { ifMissing: 'ignore' }), 'ok'],
      [(tx) => tx.flushChain(chain('a')), 'flush chain a in table inet case: ENOENT'],
    ],
  },
  {
    name: 'jumps',
    steps: [
      [(tx) => table(tx).addChain(chain('in', input)).addChain(chain('a')).addChain(chain('b')), 'ok'],
      [(tx) => tx.addRule(rule('in', jump('c'))), 'add rule in chain in in table inet case: ENOENT'],
      [(tx) => tx.addRule(rule('a', goto('in'))), 'add rule in chain a in table inet case: EOPNOTSUPP'],
      [(tx) => tx.addRule(rule('in', jump('a'))).addRule(rule('a', jump('b'))), 'ok'],
      [
        (tx) => tx.addRule({ ...rule('b', jump('a')), comment: 'a circle' }),
        'add rule "a circle" in chain b in table inet case: EMLINK',
      ],
      [
        (tx) =>
          tx.addMap({ ...set('v', 'ifname'), data: 'verdict' }).addElements(entry('v', 'eth0', 'jump b')),
        'ok',
      ],
      [
        (tx) => tx.addElements(entry('v', 'eth1', 'jump c')),
        'add element eth1 of set v in table inet case: ENOENT',
      ],
      [(tx) => tx.flushTable(T).deleteChain(chain('b')), 'delete chain b in table inet case: EBUSY'],
      [(tx) => tx.flushTable(T).flushSet(set('v', 'ifname')).deleteChain(chain('b')), 'ok'],
    ],
  },
  {
    name: 'rules only where they make sense',
    steps: [
      [
        (tx) =>
          table(tx)
            .addChain(chain('in', input))
            .addChain(chain('post', postrouting))
            .addChain(chain('a'))
            .addChain(chain('pre', { type: 'filter', hook: 'prerouting', priority: 0 })),
        'ok',
      ],
      [
        (tx) => tx.addRule(rule('in', snat({ to: '10.0.0.1' }))),
        'add rule in chain in in table inet case: EOPNOTSUPP',
      ],
      [
        (tx) => tx.addRule(rule('post', dnat({ to: '10.0.0.1' }))),
        'add rule in chain post in table inet case: EOPNOTSUPP',
      ],
      [(tx) => tx.addRule(rule('post', reject())), 'add rule in chain post in table inet case: EOPNOTSUPP'],
      [(tx) => tx.addRule(rule('a', masquerade())).addRule(rule('post', jump('a'))), 'ok'],
      [(tx) => tx.addRule(rule('in', jump('a'))), 'add rule in chain in in table inet case: EOPNOTSUPP'],
      [(tx) => tx.addRule(rule('no', drop())), 'add rule in chain no in table inet case: ENOENT'],
    ],
  },
  {
    name: 'order of rules',
    steps: [
      [
        (tx) =>
          table(tx)
            .addChain(chain('a'))
            .addRule(rule('a', match(tcp('dport'), 2)))
            .addRule(rule('a', match(tcp('dport'), 1)), 'first')
            .addRule(rule('a', match(tcp('dport'), 3))),
        'ok',
      ],
      [(tx) => tx.deleteRule(chain('a'), 999n), 'delete rule 999 in chain a in table inet case: ENOENT'],
      [
        (tx) => tx.replaceRule(999n, rule('a', drop())),
        'replace rule 999 in chain a in table inet case: ENOENT',
      ],
    ],
  },
  {
    name: 'sets',
    steps: [
      [(tx) => table(tx).addSet(set('s', 'ipv4_addr', { comment: 'one' })), 'ok'],
      [(tx) => tx.addSet(set('s', 'ipv4_addr')), 'ok'],
      [(tx) => tx.addSet(set('s', 'ipv6_addr')), 'add set s in table inet case: EEXIST'],
      [(tx) => tx.addSet(set('s', 'ipv4_addr', { interval: true })), 'add set s in table inet case: EEXIST'],
      [
        (tx) => tx.addSet(set('s', 'ipv4_addr'), { ifExists: 'fail' }),
        'add set s in table inet case: EEXIST',
      ],
      [(tx) => tx.addChain(chain('a')).addRule(rule('a', inSet(ip('saddr'), 's'))), 'ok'],
      [(tx) => tx.deleteSet(set('s', 'ipv4_addr')), 'delete set s in table inet case: EBUSY'],
      [(tx) => tx.flushChain(chain('a')).deleteSet(set('s', 'ipv4_addr')), 'ok'],
      [(tx) => tx.deleteSet(set('s', 'ipv4_addr'), { ifMissing: 'ignore' }), 'ok'],
      [
        (tx) => tx.addRule(rule('a', notInSet(ip('saddr'), 's'))),
        'add rule in chain a in table inet case: ENOENT',
      ],
      [(tx) => tx.flushSet(set('s', 'mark')), 'flush set s in table inet case: ENOENT'],
    ],
  },
  {
    name: 'elements',
    steps: [
      [
        (tx) => tx.addElements(elements('s', '10.0.0.1')),
        'add element 10.0.0.1 of set s in table inet case: ENOENT',
      ],
      [
        (tx) =>
          table(tx)
            .addSet(set('s', 'ipv4_addr', { size: 3 }))
            .addElements(elements('s', '10.0.0.1', '10.0.0.2')),
        'ok',
      ],
      [(tx) => tx.addElements(elements('s', '10.0.0.1')), 'ok'],
      [
        (tx) => tx.addElements(elements('s', '10.0.0.3', '10.0.0.2'), { ifExists: 'fail' }),
        'add element 10.0.0.2 of set s in table inet case: EEXIST',
      ],
      [
        (tx) => tx.addElements(elements('s', '10.0.0.3', '10.0.0.4')),
        'add element 10.0.0.4 of set s in table inet case: ENFILE',
      ],
      [
        (tx) => tx.deleteElements(elements('s', '10.0.0.1', '10.0.0.9')),
        'delete element 10.0.0.9 of set s in table inet case: ENOENT',
      ],
      [(tx) => tx.deleteElements(elements('s', '10.0.0.1', '10.0.0.9'), { ifMissing: 'ignore' }), 'ok'],
      [(tx) => tx.flushSet(set('s', 'ipv4_addr')).addElements(elements('s', '10.0.0.7')), 'ok'],
    ],
  },
  {
    name: 'keys of several parts',
    steps: [
      [
        (tx) =>
          table(tx)
            .addSet(set('s', ['ifname', 'ipv4_addr', 'inet_service']))
            .addElements(elements('s', ['eth0', '10.0.0.1', 80], ['azv0123456789a', '10.0.0.1', '443'])),
        'ok',
      ],
      [
        (tx) => tx.addElements(elements('s', ['eth0', '10.0.0.1', 80]), { ifExists: 'fail' }),
        'add element eth0 . 10.0.0.1 . 80 of set s in table inet case: EEXIST',
      ],
      [(tx) => tx.deleteElements(elements('s', ['eth0', '10.0.0.1', 80])), 'ok'],
    ],
  },
  {
    name: 'intervals',
    steps: [
      [
        (tx) =>
          table(tx)
            .addSet(set('s', 'ipv4_addr', { interval: true }))
            .addElements(
              elements('s', '10.0.0.0/8', '11.0.0.0/8', '192.168.0.5-192.168.0.9', '1.1.1.1', '240.0.0.0/4'),
            ),
        'ok',
      ],
      [(tx) => tx.addElements(elements('s', '10.0.0.0/8')), 'ok'],
      [
        (tx) => tx.addElements(elements('s', '9.0.0.0/8', '10.5.0.0/16')),
        'add element 10.5.0.0/16 of set s in table inet case: EEXIST',
      ],
      [
        (tx) => tx.addElements(elements('s', '192.168.0.1-192.168.0.5')),
        'add element 192.168.0.1-192.168.0.5 of set s in table inet case: EEXIST',
      ],
      [(tx) => tx.deleteElements(elements('s', '10.0.0.0/8', '240.0.0.0/4')), 'ok'],
      [
        (tx) => tx.deleteElements(elements('s', '11.0.0.0/9')),
        'delete element 11.0.0.0/9 of set s in table inet case: ENOENT',
      ],
      [
        (tx) =>
          tx
            .addSet(set('names', 'ifname', { interval: true }))
            .addElements(elements('names', 'azv*', 'eth0', 'b*', 'a*'.replace('a', 'c'))),
        'ok',
      ],
      [
        (tx) => tx.addElements(elements('names', 'azv1')),
        'add element azv1 of set names in table inet case: EEXIST',
      ],
      [
        (tx) =>
          tx.addSet(set('marks', 'mark', { interval: true })).addElements(elements('marks', '1-255', 1024)),
        'ok',
      ],
      [
        (tx) =>
          tx
            .addSet(set('six', 'ipv6_addr', { interval: true }))
            .addElements(elements('six', 'fd00::/8', '::1', '2001:db8::1-2001:db8::ff')),
        'ok',
      ],
      [
        (tx) =>
          tx
            .addSet(set('any', 'ipv4_addr', { interval: true }))
            .addElements(elements('any', '*', '10.0.0.0/8')),
        'ok',
      ],
    ],
  },
  {
    name: 'intervals of several parts',
    steps: [
      [
        (tx) =>
          table(tx)
            .addSet(set('s', ['ipv4_addr', 'inet_proto', 'inet_service'], { interval: true }))
            .addElements(
              elements(
                's',
                ['10.0.0.0/8', 'tcp', '80-90'],
                ['1.1.1.1', 'udp', 53],
                ['10.0.0.0/8', 'udp', '*'],
              ),
            ),
        'ok',
      ],
      [(tx) => tx.addElements(elements('s', ['10.0.0.0/8', 'tcp', '80-90'])), 'ok'],
      [
        (tx) => tx.addElements(elements('s', ['10.1.0.0/16', 'tcp', 85])),
        'add element 10.1.0.0/16 . tcp . 85 of set s in table inet case: EEXIST',
      ],
      [(tx) => tx.addElements(elements('s', ['10.1.0.0/16', 'tcp', 91])), 'ok'],
      [(tx) => tx.deleteElements(elements('s', ['10.0.0.0/8', 'tcp', '80-90'])), 'ok'],
      [
        (tx) =>
          tx
            .addSet(set('m', ['mark', 'ifname'], { interval: true }))
            .addElements(elements('m', [5, 'eth0'], ['6-9', 'azv*'], ['16-32', 'lo'])),
        'ok',
      ],
    ],
  },
  {
    name: 'maps',
    steps: [
      [
        (tx) =>
          table(tx)
            .addMap({ ...set('m', 'ipv4_addr'), data: ['ipv4_addr', 'inet_service'] })
            .addElements({ table: T, set: 'm', elements: [{ key: '10.0.0.1', data: ['10.1.1.1', 80] }] }),
        'ok',
      ],
      [
        (tx) =>
          tx.addElements({ table: T, set: 'm', elements: [{ key: '10.0.0.1', data: ['10.1.1.1', 81] }] }),
        'add element 10.0.0.1 of set m in table inet case: EEXIST',
      ],
      [
        (tx) =>
          tx.addElements({ table: T, set: 'm', elements: [{ key: '10.0.0.1', data: ['10.1.1.1', 80] }] }),
        'ok',
      ],
      [(tx) => tx.deleteElements(elements('m', '10.0.0.1')), 'ok'],
      [
        (tx) =>
          tx
            .addMap({ ...set('v', 'ipv4_addr', { interval: true }), data: 'verdict' })
            .addElements({
              table: T,
              set: 'v',
              elements: [
                { key: '10.0.0.0/8', data: 'accept' },
                { key: '*', data: drop(), comment: 'the rest' },
              ],
            })
            .addChain(chain('in', input))
            .addRule(rule('in', vmap(ip('saddr'), 'v'))),
        'ok',
      ],
    ],
  },
  {
    name: 'counters',
    steps: [
      [(tx) => table(tx).addCounter({ table: T, name: 'c', packets: 3, bytes: 99, comment: 'hm' }), 'ok'],
      [(tx) => tx.addCounter({ table: T, name: 'c' }), 'ok'],
      [
        (tx) => tx.addCounter({ table: T, name: 'c' }, { ifExists: 'fail' }),
        'add counter c in table inet case: EEXIST',
      ],
      [(tx) => tx.addChain(chain('a')).addRule(rule('a', counter('c'))), 'ok'],
      [(tx) => tx.addRule(rule('a', counter('d'))), 'add rule in chain a in table inet case: ENOENT'],
      [(tx) => tx.deleteCounter({ table: T, name: 'c' }), 'delete counter c in table inet case: EBUSY'],
      [
        (tx) =>
          tx.addMap({ ...set('m', 'ipv4_addr'), data: 'counter' }).addElements(entry('m', '10.0.0.1', 'c')),
        'ok',
      ],
      [
        (tx) => tx.addElements(entry('m', '10.0.0.2', 'd')),
        'add element 10.0.0.2 of set m in table inet case: ENOENT',
      ],
      [(tx) => tx.addRule(rule('a', counterFrom(ip('saddr'), 'm'))), 'ok'],
      [
        (tx) => tx.flushChain(chain('a')).deleteCounter({ table: T, name: 'c' }),
        'delete counter c in table inet case: EBUSY',
      ],
      [
        (tx) => tx.flushChain(chain('a')).deleteSet(set('m', 'mark')).deleteCounter({ table: T, name: 'c' }),
        'ok',
      ],
      [(tx) => tx.deleteCounter({ table: T, name: 'c' }), 'delete counter c in table inet case: ENOENT'],
      [(tx) => tx.deleteCounter({ table: T, name: 'c' }, { ifMissing: 'ignore' }), 'ok'],
    ],
  },
  {
    name: 'timeouts and dynamic sets',
    steps: [
      [
        (tx) =>
          table(tx)
            .addChain(chain('a'))
            .addSet(set('s', 'ipv4_addr', { dynamic: true, timeout: 3_600_000, counter: true }))
            .addElements({
              table: T,
              set: 's',
              elements: [{ key: '10.0.0.1' }, { key: '10.0.0.2', timeout: 7_200_000, comment: 'longer' }],
            }),
        'ok',
      ],
      [(tx) => tx.addRule(rule('a', updateSet(ip('saddr'), 's', { timeout: 5000 }))), 'ok'],
      [
        (tx) =>
          tx
            .addSet(set('d', 'ipv4_addr', { dynamic: true }))
            .addRule(rule('a', updateSet(ip('saddr'), 'd', { timeout: 5000 }))),
        'add rule in chain a in table inet case: EOPNOTSUPP',
      ],
    ],
  },
];

/** Commits and says what happened. */
export function outcomeOf(nft: Nft, step: (tx: Transaction) => Transaction): string {
  try {
    nft.commit(step(new Transaction()));
    return 'ok';
  } catch (error) {
    if (!isKernelError(error)) throw error;
    // Without the namespace, which only the kernel's socket knows.
    return error.message.replace(/ \(\/\S+\)/, '');
  }
}

/** All that there is in the table, in an order that does not depend on who lists it. */
export function snapshot(nft: Nft): unknown {
  const [table] = nft.listTables('inet').filter(({ name }) => name === T.name);
  if (table === undefined) return 'no table';
  const sets = nft.listSets(T).sort(byText);
  return {
    table,
    chains: nft.listChains(T).sort(byText),
    rules: nft
      .listRules(T)
      .map(({ chain: of, expressions, comment }) => ({ of, expressions, comment }))
      .sort(byChain),
    sets,
    elements: sets.map(({ name }) =>
      nft
        .listElements(T, name)
        .map(({ expires: _, ...rest }) => rest)
        .sort(byText),
    ),
    counters: [...nft.counters(T)].sort(byText),
  };
}

function byText(a: unknown, b: unknown): number {
  const [x, y] = [JSON.stringify(a), JSON.stringify(b)];
  return x < y ? -1 : x > y ? 1 : 0;
}

function byChain(a: { of: string }, b: { of: string }): number {
  return a.of < b.of ? -1 : a.of > b.of ? 1 : 0;
}
