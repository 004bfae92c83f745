import { describe, expect, test } from 'vitest';
import { C, create, LABEL, pod, update } from './testing.ts';

describe('pods', () => {
  test.each<[object, string[]]>([
    [{ spec: {} }, ['spec.containers: Required value']],
    [pod({ image: '' }), ['spec.containers[0].image: Required value']],
    [pod({ name: 'A' }), [`spec.containers[0].name: Invalid value: "A": ${LABEL}`]],
    [{ spec: { containers: [C, C] } }, ['spec.containers[1].name: Duplicate value: "c"']],
    [
      pod({ imagePullPolicy: 'Sometimes' }),
      [
        'spec.containers[0].imagePullPolicy: Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", "Never"',
      ],
    ],
    [
      pod({ ports: [{ containerPort: 70000 }] }),
      [
        'spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive',
      ],
    ],
    [
      pod({ volumeMounts: [{ name: 'v', mountPath: '/a' }] }),
      ['spec.containers[0].volumeMounts[0].name: Not found: "v"'],
    ],
    [
      pod({ resources: { requests: { cpu: '2' }, limits: { cpu: '1' } } }),
      [
        'spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
      ],
    ],
    [
      pod({ resources: { limits: { cpu: '-1' } } }),
      [
        'spec.containers[0].resources.limits[cpu]: Invalid value: "-1": must be greater than or equal to 0',
        'spec.containers[0].resources.requests[cpu]: Invalid value: "-1": must be greater than or equal to 0',
      ],
    ],
    [
      pod({ resources: { requests: { pigs: '1' } } }),
      [
        'spec.containers[0].resources.requests: Invalid value: "pigs": must be a standard resource for containers',
      ],
    ],
    [
      pod({ env: [{ name: 'A=B' }] }),
      [
        'spec.containers[0].env[0].name: Invalid value: "A=B": a valid environment variable name must consist only of printable ASCII characters other than \'=\'',
      ],
    ],
    [
      pod({ livenessProbe: {} }),
      ['spec.containers[0].livenessProbe: Required value: must specify a handler type'],
    ],
    [
      pod({ livenessProbe: { exec: { command: ['a'] }, successThreshold: 2 } }),
      ['spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1'],
    ],
    [
      pod({}, { restartPolicy: 'Maybe' }),
      ['spec.restartPolicy: Unsupported value: "Maybe": supported values: "Always", "OnFailure", "Never"'],
    ],
    [
      pod({}, { terminationGracePeriodSeconds: -1 }),
      ['spec.terminationGracePeriodSeconds: Invalid value: -1: must be greater than or equal to 0'],
    ],
    [
      pod({}, { nodeSelector: { a: ' ' } }),
      [
        "spec.nodeSelector: Invalid value: \" \": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
      ],
    ],
    [
      pod({}, { volumes: [{ name: 'v', secret: {} }] }),
      ['spec.volumes[0].secret.secretName: Required value'],
    ],
    [
      pod({}, { volumes: [{ name: 'v', emptyDir: {}, hostPath: { path: '/' } }] }),
      ['spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type'],
    ],
    [
      pod({}, { tolerations: [{ key: 'a', effect: 'Never' }] }),
      [
        'spec.tolerations[0].effect: Unsupported value: "Never": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"',
      ],
    ],
    [
      pod(
        {},
        { topologySpreadConstraints: [{ maxSkew: 0, topologyKey: 'z', whenUnsatisfiable: 'DoNotSchedule' }] },
      ),
      ['spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero'],
    ],
    [
      pod({}, { initContainers: [{ name: 'i', image: 'i', livenessProbe: { exec: { command: ['a'] } } }] }),
      [
        'spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without restartPolicy=Always',
      ],
    ],
    [
      pod(
        {},
        {
          affinity: {
            nodeAffinity: {
              requiredDuringSchedulingIgnoredDuringExecution: {
                nodeSelectorTerms: [{ matchExpressions: [{ key: 'a', operator: 'Near' }] }],
              },
            },
          },
        },
      ),
      [
        'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].operator: Invalid value: "Near": not a valid selector operator',
      ],
    ],
  ])('%#', (object, messages) => expect(create('Pod', object)).toEqual(messages));

  test('an update may change images, deadlines and tolerations, a binding the node; nothing else', () => {
    expect(
      update(
        'Pod',
        pod(
          { image: 'j:1', imagePullPolicy: 'Always' },
          { tolerations: [{ operator: 'Exists' }], activeDeadlineSeconds: 5 },
        ),
        pod({ imagePullPolicy: 'Always' }),
      ),
    ).toEqual([]);
    expect(update('Pod', pod({}, { nodeName: 'n' }), pod())).toEqual([]);
    expect(update('Pod', pod({ command: ['a'] }, { nodeName: 'm' }), pod({}, { nodeName: 'n' }))).toEqual([
      expect.stringMatching(
        /^spec: Forbidden: pod updates may not change fields other than `spec\.containers\[\*\]\.image`,(.|\n)*changed: spec\.nodeName, spec\.containers\[0\]\.command$/,
      ),
    ]);
    expect(update('Pod', { spec: { containers: [C, { ...C, name: 'd' }] } }, pod())).toEqual([
      'spec.containers: Forbidden: pod updates may not add or remove containers',
    ]);
    expect(update('Pod', pod(), pod({}, { tolerations: [{ operator: 'Exists' }] }))).toEqual([
      'spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds',
    ]);
  });
});
