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
    'Service',
    service({ loadBalancerSourceRanges: ['10.0.0.0/8'], loadBalancerClass: 'a/b' }),
    [
      "spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'",
      "spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'",
    ],
  ],
  [
    'Service',
    service({ type: 'LoadBalancer', loadBalancerSourceRanges: [' 10.0.0.0/8 ', '10.0.0.1'] }),
    [
      'spec.LoadBalancerSourceRanges[1]: Invalid value: "10.0.0.1": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
    ],
  ],
  [
    'Service',
    service({ type: 'LoadBalancer', ports: [{ port: 10250 }] }),
    ['spec.ports[0]: Invalid value: 10250: may not expose port 10250 externally since it is used by kubelet'],
  ],
  [
    'Service',
    service({ type: 'NodePort', clusterIP: 'None', clusterIPs: ['None'] }),
    [`spec.clusterIPs[0]: Invalid value: "None": may not be set to 'None' for NodePort services`],
  ],
  [
    'Service',
    service({ clusterIP: '10.0.0.9', clusterIPs: ['10.0.0.8'] }),
    ['spec.clusterIPs: Invalid value: ["10.0.0.8"]: first value must match `clusterIP`'],
  ],
  [
    'Service',
    service({ externalTrafficPolicy: 'Local', healthCheckNodePort: 31_000 }),
    [
      'spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services',
      "spec.healthCheckNodePort: Invalid value: 31000: may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
    ],
  ],
  ['Service', service({ externalIPs: ['192.0.2.1'], externalTrafficPolicy: 'Local' }), []],
  [
    'Service',
    service({ trafficDistribution: 'Near' }),
    [
      'spec.trafficDistribution: Unsupported value: "Near": supported values: "PreferClose", "PreferSameNode", "PreferSameZone"',
    ],
  ],
  [
    'Ingress',
    {
      spec: {
        rules: [
          {
            host: 'a.*.b',
            http: {
              paths: [
                {
                  path: '/a//b',
                  pathType: 'Prefix',
                  backend: { service: { name: 's', port: { number: 0 } } },
                },
                {
                  path: 'x',
                  pathType: 'ImplementationSpecific',
                  backend: { service: { name: 's', port: { name: 'p', number: 1 } } },
                },
                { path: '/', pathType: 'Exact', backend: { resource: { kind: 'K', name: '' } } },
              ],
            },
          },
        ],
      },
    },
    [
      expect.stringMatching(
        /^spec.rules\[0\].host: Invalid value: "a\.\*\.b": a wildcard DNS-1123 subdomain/,
      ),
      `spec.rules[0].http.paths[0].path: Invalid value: "/a//b": must not contain '//'`,
      'spec.rules[0].http.paths[0].backend.service.port: Required value: port name or number is required',
      'spec.rules[0].http.paths[1].path: Invalid value: "x": must be an absolute path',
      'spec.rules[0].http.paths[1].backend.service.port: Invalid value: "": cannot set both port name & port number',
      'spec.rules[0].http.paths[2].backend.resource.name: Required value: name is required',
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
