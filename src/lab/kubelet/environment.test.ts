import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseQuantity } from '../../kube/quantity.ts';
import { containerEnvironment } from './environment.ts';
import { expand } from './expand.ts';
import type { Container, Service } from './model.ts';
import { testPod } from './testing-pods.ts';

const node = {
  cpu: parseQuantity('4'),
  memory: parseQuantity('8Gi'),
  ephemeralStorage: parseQuantity('10Gi'),
};
const service = (namespace: string, name: string, clusterIP: string): Service => ({
  metadata: { namespace, name },
  spec: { clusterIP, ports: [{ name: 'http', port: 80, protocol: 'TCP' }] },
});

async function environmentOf(container: Partial<Container>, services: Service[] = []) {
  const whole = { name: 'c', image: 'i', ...container };
  const pod = testPod({ containers: [whole], nodeName: 'n1' }, { metadata: { labels: { app: 'web' } } });
  const data = {
    configMap: async (name: string) =>
      name === 'cfg'
        ? new Map([
            ['a', '1'],
            ['b=', '2'],
          ])
        : undefined,
    secret: async (name: string) => (name === 'sec' ? new Map([['pw', 'x']]) : undefined),
  };
  return await containerEnvironment(pod, whole, {
    data,
    services,
    podIps: ['10.1.0.2'],
    nodeIps: ['10.0.0.4'],
    node,
  });
}

describe('expand', () => {
  const lookup = (name: string) => ({ A: '1', B: '$(A)' })[name];
  test.each([
    ['$(A)', '1'],
    ['x$(A)y$(A)', 'x1y1'],
    ['$(NO)', '$(NO)'],
    ['$$(A)', '$(A)'],
    ['$$$(A)', '$1'],
    ['$(B)', '$(A)'],
    ['$(A', '$(A'],
    ['$A $', '$A $'],
    ['$$', '$'],
  ])('%s', (text, expected) => expect(expand(text, lookup)).toBe(expected));

  test('leaves what has no dollar, and doubling it keeps any text', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(expand(text.replaceAll('$', '$$$$'), lookup)).toBe(text);
      }),
    );
  });
});

describe('variables', () => {
  test('come from all sources, later ones see earlier ones', async () => {
    const result = await environmentOf({
      envFrom: [
        { prefix: 'P_', configMapRef: { name: 'cfg' } },
        { secretRef: { name: 'gone', optional: true } },
      ],
      env: [
        { name: 'X', value: '$(P_a)-$(Y)' },
        { name: 'Y', valueFrom: { secretKeyRef: { name: 'sec', key: 'pw' } } },
        { name: 'Z', value: '$(Y)' },
        { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
        { name: 'APP', valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } },
        { name: 'MEM', valueFrom: { resourceFieldRef: { resource: 'limits.memory', divisor: '1Mi' } } },
        { name: 'OPT', valueFrom: { configMapKeyRef: { name: 'cfg', key: 'none', optional: true } } },
      ],
    });
    expect(Object.fromEntries(result)).toEqual({
      P_a: '1',
      X: '1-$(Y)',
      Y: 'x',
      Z: 'x',
      IP: '10.1.0.2',
      APP: 'web',
      MEM: '8192',
    });
  });

  test("tell of the namespace's services and the API server", async () => {
    const services = [
      service('n', 'my-db', '10.0.5.5'),
      service('other', 'x', '10.0.6.6'),
      service('default', 'kubernetes', '10.0.0.1'),
      service('n', 'headless', 'None'),
    ];
    const result = await environmentOf(
      { env: [{ name: 'URL', value: 'http://$(MY_DB_SERVICE_HOST)' }] },
      services,
    );
    expect(result.get('URL')).toBe('http://10.0.5.5');
    expect(result.get('MY_DB_PORT_80_TCP')).toBe('tcp://10.0.5.5:80');
    expect(result.get('MY_DB_SERVICE_PORT_HTTP')).toBe('80');
    expect(result.get('KUBERNETES_SERVICE_HOST')).toBe('10.0.0.1');
    expect([...result.keys()].filter((name) => name.startsWith('X_') || name.startsWith('HEADLESS'))).toEqual(
      [],
    );
  });

  test.each([
    [{ configMapKeyRef: { name: 'gone', key: 'a' } }, 'configmap "gone" not found'],
    [{ configMapKeyRef: { name: 'cfg', key: 'zz' } }, "couldn't find key zz in ConfigMap n/cfg"],
    [{ secretKeyRef: { name: 'sec', key: 'zz' } }, "couldn't find key zz in Secret n/sec"],
    [{ fieldRef: { fieldPath: 'spec.nope' } }, 'field label not supported: spec.nope'],
  ])('that are not there are named', async (valueFrom, message) => {
    await expect(environmentOf({ env: [{ name: 'A', valueFrom }] })).rejects.toThrow(message);
  });
});
