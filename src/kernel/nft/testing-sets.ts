import { counter, counterFrom, drop, inSet, ip, notInSet, updateSet, vmap } from './index.ts';
import {
  chain,
  elements,
  entry,
  input,
  rule,
  set,
  T,
  type TransactionCase,
  table,
} from './testing-transactions.ts';

/** Sets, maps, their elements, and counters. */
export const setCases: readonly TransactionCase[] = [
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
