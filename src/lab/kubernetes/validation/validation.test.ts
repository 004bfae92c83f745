import { describe, expect, test } from 'vitest';
import { validateCreate, validateUpdate } from './index.ts';
import { C, create, LABEL, owner, pod, registry, SUBDOMAIN, template, update } from './testing.ts';

test.each<[string, object]>([
  ['Pod', pod()],
  [
    'Pod',
    pod(
      {
        volumeMounts: [{ name: 'v', mountPath: '/v' }],
        resources: { limits: { cpu: '1', 'nvidia.com/gpu': '1' } },
      },
      { volumes: [{ name: 'v', emptyDir: {} }], tolerations: [{ operator: 'Exists' }] },
    ),
  ],
  [
    'Pod',
    pod({
      ports: [{ containerPort: 53, protocol: 'UDP' }, { containerPort: 53 }],
      livenessProbe: { httpGet: { port: 'http' } },
    }),
  ],
  ['Deployment', owner()],
  ['DaemonSet', owner()],
  [
    'StatefulSet',
    {
      spec: {
        ...owner().spec,
        serviceName: 's',
        volumeClaimTemplates: [{ metadata: { name: 'd' }, spec: {} }],
        template: {
          ...template(),
          spec: { containers: [{ ...C, volumeMounts: [{ name: 'd', mountPath: '/d' }] }] },
        },
      },
    },
  ],
  ['Job', { spec: { template: template({ restartPolicy: 'Never' }) } }],
  [
    'CronJob',
    {
      spec: {
        schedule: '*/5 * * * MON-FRI',
        jobTemplate: { spec: { template: template({ restartPolicy: 'OnFailure' }) } },
      },
    },
  ],
  ['Service', { spec: { selector: { a: 'b' }, ports: [{ port: 80, targetPort: 'http' }] } }],
  ['Service', { spec: { clusterIP: 'None' } }],
  [
    'NetworkPolicy',
    {
      spec: {
        podSelector: {},
        ingress: [
          {
            from: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } }, { podSelector: {} }],
            ports: [{ port: 80, endPort: 90 }],
          },
        ],
      },
    },
  ],
  [
    'Role',
    { metadata: { name: 'system:a' }, rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }] },
  ],
  ['ConfigMap', { data: { 'a.b_c-D': '' } }],
  [
    'Node',
    {
      spec: {
        podCIDRs: ['10.0.0.0/24'],
        taints: [
          { key: 'a', effect: 'NoSchedule' },
          { key: 'a', effect: 'NoExecute' },
        ],
      },
    },
  ],
])('%s is right: %#', (kind, object) => expect(create(kind, object)).toEqual([]));

describe('metadata', () => {
  test.each<[string, object, string]>([
    ['Pod', { ...pod(), metadata: { name: 'A' } }, `metadata.name: Invalid value: "A": ${SUBDOMAIN}`],
    ['Namespace', { metadata: { name: 'a.b' } }, `metadata.name: Invalid value: "a.b": ${LABEL}`],
    [
      'ConfigMap',
      { metadata: { labels: { 'a b': 'c' } } },
      'metadata.labels: Invalid value: "a b": name part must consist of',
    ],
    [
      'ConfigMap',
      { metadata: { labels: { a: '-' } } },
      'metadata.labels: Invalid value: "-": a valid label must be',
    ],
    [
      'ConfigMap',
      { metadata: { annotations: { a: 'x'.repeat(262144) } } },
      'metadata.annotations: Too long: may not be more than 262144 bytes',
    ],
    [
      'ConfigMap',
      { metadata: { ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'p' }] } },
      'metadata.ownerReferences[0].uid: Invalid value: "": must not be empty',
    ],
    ['Role', { metadata: { name: 'a/b' } }, 'metadata.name: Invalid value: "a/b": may not contain \'/\''],
  ])('%s %#', (kind, object, message) => expect(create(kind, object)[0]).toContain(message));

  test('of custom kinds too', () => {
    const kind = { group: 'e.com', kind: 'Widget', builtin: false };
    expect(validateCreate(kind, { metadata: { name: 'A' } })[0]?.field).toBe('metadata.name');
  });
});

describe('the rest', () => {
  const IMMUTABLE = 'field is immutable';
  test.each<[string, object, string[]]>([
    ['Deployment', { spec: { template: template() } }, ['spec.selector: Required value']],
    [
      'Deployment',
      owner({ selector: { matchLabels: { a: 'c' } } }),
      [
        'spec.template.metadata.labels: Invalid value: {"a":"b"}: `selector` does not match template `labels`',
      ],
    ],
    [
      'Deployment',
      owner({ selector: {} }),
      ['spec.selector: Invalid value: {}: empty selector is invalid for deployment'],
    ],
    [
      'Deployment',
      owner({ replicas: -1 }),
      ['spec.replicas: Invalid value: -1: must be greater than or equal to 0'],
    ],
    [
      'Deployment',
      owner({ template: template({ restartPolicy: 'Never' }) }),
      ['spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'],
    ],
    [
      'Deployment',
      owner({ strategy: { type: 'Blue' } }),
      ['spec.strategy.type: Unsupported value: "Blue": supported values: "Recreate", "RollingUpdate"'],
    ],
    [
      'Deployment',
      owner({ strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 0 } } }),
      ['spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0'],
    ],
    [
      'Deployment',
      owner({ strategy: { rollingUpdate: { maxUnavailable: '110%' } } }),
      ['spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "110%": must not be greater than 100%'],
    ],
    [
      'Job',
      { spec: { template: template() } },
      ['spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'],
    ],
    [
      'CronJob',
      {
        spec: { schedule: '* *', jobTemplate: { spec: { template: template({ restartPolicy: 'Never' }) } } },
      },
      ['spec.schedule: Invalid value: "* *": expected exactly 5 fields, found 2: ["*","*"]'],
    ],
    ['Service', { spec: {} }, ['spec.ports: Required value']],
    [
      'Service',
      { metadata: { name: '1a' }, spec: { clusterIP: 'None' } },
      [
        "metadata.name: Invalid value: \"1a\": a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
      ],
    ],
    [
      'Service',
      { spec: { ports: [{ port: 0 }] } },
      [
        'spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive',
        'spec.ports[0].targetPort: Invalid value: 0: must be between 1 and 65535, inclusive',
      ],
    ],
    [
      'Service',
      { spec: { ports: [{ port: 1 }, { port: 1 }] } },
      [
        'spec.ports[0].name: Required value',
        'spec.ports[1].name: Required value',
        'spec.ports[1]: Duplicate value: {"protocol":"TCP","port":1}',
      ],
    ],
    [
      'Service',
      { spec: { type: 'Magic', ports: [{ port: 1 }] } },
      [
        'spec.type: Unsupported value: "Magic": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
      ],
    ],
    [
      'NetworkPolicy',
      { spec: { ingress: [{ from: [{}] }] } },
      ['spec.ingress[0].from[0]: Required value: must specify a peer'],
    ],
    [
      'NetworkPolicy',
      { spec: { egress: [{ to: [{ ipBlock: { cidr: '10.0.0.0/33' } }] }] } },
      [
        'spec.egress[0].to[0].ipBlock.cidr: Invalid value: "10.0.0.0/33": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
      ],
    ],
    [
      'NetworkPolicy',
      { spec: { egress: [{ to: [{ ipBlock: { cidr: '10.0.0.0/24', except: ['10.0.0.0/24'] } }] }] } },
      [
        'spec.egress[0].to[0].ipBlock.except[0]: Invalid value: "10.0.0.0/24": must be a strict subset of `cidr`',
      ],
    ],
    [
      'NetworkPolicy',
      { spec: { podSelector: { matchExpressions: [{ key: 'a', operator: 'In' }] } } },
      [
        "spec.podSelector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
      ],
    ],
    [
      'Ingress',
      {
        spec: {
          rules: [
            {
              http: {
                paths: [
                  {
                    path: 'a',
                    pathType: 'Prefix',
                    backend: { service: { name: 's', port: { number: 80 } } },
                  },
                ],
              },
            },
          ],
        },
      },
      ['spec.rules[0].http.paths[0].path: Invalid value: "a": must be an absolute path'],
    ],
    [
      'ConfigMap',
      { data: { 'a/b': '' } },
      [
        "data[a/b]: Invalid value: \"a/b\": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
      ],
    ],
    ['ConfigMap', { data: { a: 'x'.repeat(1048577) } }, [': Too long: may not be more than 1048576 bytes']],
    ['Secret', { type: 'kubernetes.io/tls', data: { 'tls.crt': 'YQ==' } }, ['data[tls.key]: Required value']],
    [
      'Role',
      { rules: [{ apiGroups: [''], resources: ['pods'] }] },
      ['rules[0].verbs: Required value: verbs must contain at least one value'],
    ],
    [
      'RoleBinding',
      { roleRef: { kind: 'Rolle', name: 'r' } },
      ['roleRef.kind: Unsupported value: "Rolle": supported values: "Role", "ClusterRole"'],
    ],
    [
      'EndpointSlice',
      { addressType: 'IPv4', endpoints: [{ addresses: ['::1'] }] },
      ['endpoints[0].addresses[0]: Invalid value: "::1": must be a valid IPv4 address'],
    ],
    [
      'PodDisruptionBudget',
      { spec: { minAvailable: 1, maxUnavailable: 1 } },
      [
        'spec: Invalid value: {"minAvailable":1,"maxUnavailable":1}: minAvailable and maxUnavailable cannot be both set',
      ],
    ],
    [
      'Node',
      { spec: { taints: [{ key: 'a', effect: 'Go' }] } },
      [
        'spec.taints[0].effect: Unsupported value: "Go": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"',
      ],
    ],
    [
      'PersistentVolumeClaim',
      { spec: { resources: { requests: { storage: '1Gi' } } } },
      ['spec.accessModes: Required value: at least 1 access mode is required'],
    ],
    [
      'IngressClass',
      { spec: { controller: 'x' } },
      ['spec.controller: Invalid value: "x": must be a domain-prefixed path (such as "acme.io/foo")'],
    ],
    [
      'LimitRange',
      { spec: { limits: [{ type: 'Pod', min: { cpu: '2' }, max: { cpu: '1' } }] } },
      ['spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1'],
    ],
    ['PodTemplate', { template: { spec: {} } }, ['template.spec.containers: Required value']],
    [
      'PriorityClass',
      { value: 2e9 },
      ['value: Forbidden: maximum allowed value of a user defined priority is 1000000000'],
    ],
  ])('%s %#', (kind, object, messages) => expect(create(kind, object)).toEqual(messages));

  test.each<[string, object, object, string[]]>([
    [
      'Deployment',
      owner({
        selector: { matchLabels: { a: 'b', c: 'd' } },
        template: { ...template(), metadata: { labels: { a: 'b', c: 'd' } } },
      }),
      owner(),
      [`spec.selector: Invalid value: {"matchLabels":{"a":"b","c":"d"}}: ${IMMUTABLE}`],
    ],
    ['Deployment', owner({ replicas: 5 }), owner(), []],
    [
      'StatefulSet',
      owner({ serviceName: 'b' }),
      owner({ serviceName: 'a' }),
      [
        "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
      ],
    ],
    ['StatefulSet', owner({ replicas: 3 }), owner(), []],
    [
      'Job',
      { spec: { completions: 2, template: template({ restartPolicy: 'Never' }) } },
      { spec: { completions: 1, template: template({ restartPolicy: 'Never' }) } },
      [`spec.completions: Invalid value: 2: ${IMMUTABLE}`],
    ],
    [
      'ConfigMap',
      { immutable: true, data: { a: '2' } },
      { immutable: true, data: { a: '1' } },
      ['data: Forbidden: field is immutable when `immutable` is set'],
    ],
    [
      'ControllerRevision',
      { data: { a: 1 }, revision: 1 },
      { data: { a: 2 }, revision: 1 },
      [`data: Invalid value: {"a":1}: ${IMMUTABLE}`],
    ],
    ['Secret', { type: 'a' }, { type: 'b' }, [`type: Invalid value: "a": ${IMMUTABLE}`]],
    [
      'RoleBinding',
      { roleRef: { kind: 'Role', name: 'a' } },
      { roleRef: { kind: 'Role', name: 'b' } },
      [
        'roleRef: Invalid value: {"kind":"Role","name":"a","apiGroup":"rbac.authorization.k8s.io"}: cannot change roleRef',
      ],
    ],
    ['Node', { spec: { podCIDRs: ['10.0.0.0/24'] } }, {}, []],
    [
      'Node',
      { spec: { podCIDRs: ['10.0.1.0/24'] } },
      { spec: { podCIDRs: ['10.0.0.0/24'] } },
      ['spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid'],
    ],
    [
      'Node',
      {},
      { spec: { podCIDRs: ['10.0.0.0/24'] } },
      ['spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid'],
    ],
  ])('update of a %s %#', (kind, object, old, messages) =>
    expect(update(kind, object, old)).toEqual(messages),
  );

  test('what was wrong before does not stand in the way of a change elsewhere', () => {
    const wrong = { spec: { ports: [{ port: 0 }] } };
    expect(update('Service', { ...wrong, metadata: { labels: { a: 'b' } } }, wrong)).toEqual([]);
    expect(update('Service', { spec: { ports: [{ port: -1 }] } }, wrong)[0]).toMatch(
      /^spec\.ports\[0\]\.port: /,
    );
  });

  test('nothing throws on an object with nothing in it', () => {
    for (const kind of registry.kinds()) {
      validateCreate(kind, {});
      validateUpdate(kind, {}, {});
      validateCreate(kind, { spec: {}, status: {} });
    }
  });
});
