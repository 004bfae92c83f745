import { accept, dnat, drop, goto, jump, masquerade, match, meta, reject, snat, tcp, vmap } from './index.ts';
import {
  chain,
  elements,
  entry,
  input,
  postrouting,
  rule,
  set,
  T,
  type TransactionCase,
  table,
} from './testing-transactions.ts';

/** Tables, chains, and what rules may say where. */
export const chainCases: readonly TransactionCase[] = [
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
        (tx) => tx.addRule(rule('b', vmap(meta('iifname'), 'v'))),
        'add rule in chain b in table inet case: EMLINK',
      ],
      [(tx) => tx.flushSet(set('v', 'ifname')).addRule(rule('b', vmap(meta('iifname'), 'v'))), 'ok'],
      [
        (tx) => tx.addElements(entry('v', 'eth1', 'jump a')),
        'add element eth1 of set v in table inet case: EMLINK',
      ],
      [(tx) => tx.flushChain(chain('b')).addElements(entry('v', 'eth0', 'jump b')), 'ok'],
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
];
