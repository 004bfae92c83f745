// What a kube-apiserver refuses and this one once let through; held against a real one with kubectl.
import { expect, test } from 'vitest';
import { create, pod, update } from './testing.ts';

const service = (spec: object) => ({ spec: { ports: [{ port: 80 }], ...spec } });

test.each<[string, object, string[]]>([
  [
    'Event',
    { metadata: { namespace: 'd' }, involvedObject: { kind: 'Pod', name: 'p', namespace: 'other' } },
    ['involvedObject.namespace: Invalid value: "other": does not match event.namespace'],
  ],
  [
    'Event',
    { metadata: { namespace: 'd' }, involvedObject: { kind: 'Node', name: 'n' } },
    ['involvedObject.namespace: Invalid value: "": does not match event.namespace'],
  ],
  ['Event', { metadata: { namespace: 'default' }, involvedObject: { kind: 'Node', name: 'n' } }, []],
  [
    'Service',
    service({ externalIPs: ['127.0.0.1', '0.0.0.0', '192.0.2.1'] }),
    [
      'spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
      'spec.externalIPs[1]: Invalid value: "0.0.0.0": may not be unspecified (0.0.0.0)',
    ],
  ],
  [
    'Role',
    { rules: [{ verbs: ['get'], nonResourceURLs: ['/a'] }] },
    ['rules[0].nonResourceURLs: Invalid value: ["/a"]: namespaced rules cannot apply to non-resource URLs'],
  ],
  [
    'ResourceQuota',
    { spec: { hard: { foo: '1', pods: '2', 'requests.cpu': '1', 'count/widgets.example.com': '1' } } },
    ['spec.hard[foo]: Invalid value: "foo": must be a standard resource for quota'],
  ],
  [
    'Pod',
    pod(
      {},
      {
        securityContext: {
          sysctls: [
            { name: 'A b', value: '1' },
            { name: 'net.ipv4.ip_forward', value: '1' },
          ],
        },
      },
    ),
    [
      'spec.securityContext.sysctls[0].name: Invalid value: "A b": must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$',
    ],
  ],
  [
    'Pod',
    pod({ livenessProbe: { httpGet: { path: '/', port: 80 }, tcpSocket: { port: 80 } } }),
    ['spec.containers[0].livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type'],
  ],
])('%s %j', (kind, object, errors) => {
  expect(create(kind, object)).toEqual(errors);
});

test("a Service's address stays", () => {
  const with_ = (ip: string, more: object = {}) =>
    service({ type: 'ClusterIP', clusterIP: ip, clusterIPs: [ip], ...more });
  expect(update('Service', with_('10.0.0.9'), with_('10.0.0.8'))).toEqual([
    'spec.clusterIPs[0]: Invalid value: ["10.0.0.9"]: may not change once set',
  ]);
  expect(update('Service', with_('None'), with_('10.0.0.8'))).toHaveLength(1);
  expect(update('Service', with_('10.0.0.8', { sessionAffinity: 'ClientIP' }), with_('10.0.0.8'))).toEqual(
    [],
  );
  const external = { spec: { type: 'ExternalName', externalName: 'a.b' } };
  expect(update('Service', external, with_('10.0.0.8'))).toEqual([]);
  expect(update('Service', with_('10.0.0.8'), external)).toEqual([]);
});
