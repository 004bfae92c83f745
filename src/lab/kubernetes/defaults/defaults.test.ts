import { describe, expect, test } from 'vitest';
import { SchemaRegistry } from '../schema/registry.ts';
import type { KubeObject } from '../schema/types.ts';
import { decodeValue } from '../validation/decode.ts';
import { applyDefaults } from './index.ts';
import { pullPolicyOf } from './pod-spec.ts';

const registry = SchemaRegistry.load();
const GROUPS: Record<string, string> = {
  Deployment: 'apps',
  DaemonSet: 'apps',
  StatefulSet: 'apps',
  ReplicaSet: 'apps',
  Job: 'batch',
  CronJob: 'batch',
  NetworkPolicy: 'networking.k8s.io',
  RoleBinding: 'rbac.authorization.k8s.io',
  StorageClass: 'storage.k8s.io',
  HorizontalPodAutoscaler: 'autoscaling',
};

/** Defaults twice: the second time must change nothing. */
function defaulted(kind: string, object: object): KubeObject {
  const copy = structuredClone(object) as KubeObject;
  applyDefaults({ group: GROUPS[kind] ?? '', kind }, copy);
  const again = structuredClone(copy);
  applyDefaults({ group: GROUPS[kind] ?? '', kind }, again);
  expect(again).toEqual(copy);
  const version = kind === 'HorizontalPodAutoscaler' ? 'v2' : 'v1';
  const known = registry.byKind({ group: GROUPS[kind] ?? '', version, kind });
  // What defaulting writes is what a client may write: every field known, every value of its type
  if (known)
    expect(decodeValue(registry, known, structuredClone(copy), { fieldValidation: 'Strict' }).errors).toEqual(
      [],
    );
  return copy;
}

const CONTAINER = {
  imagePullPolicy: 'Always',
  resources: {},
  terminationMessagePath: '/dev/termination-log',
  terminationMessagePolicy: 'File',
};
const TEMPLATE_SPEC = {
  dnsPolicy: 'ClusterFirst',
  restartPolicy: 'Always',
  schedulerName: 'default-scheduler',
  securityContext: {},
  terminationGracePeriodSeconds: 30,
};

describe('pods', () => {
  test('the least pod', () => {
    expect(defaulted('Pod', { spec: { containers: [{ name: 'c', image: 'nginx' }] } }).spec).toEqual({
      ...TEMPLATE_SPEC,
      enableServiceLinks: true,
      containers: [{ name: 'c', image: 'nginx', ...CONTAINER }],
    });
  });
  test('limits stand for requests, ports and probes, env, volumes', () => {
    const pod = defaulted('Pod', {
      spec: {
        hostNetwork: true,
        serviceAccountName: 'sa',
        containers: [
          {
            name: 'c',
            image: 'nginx:1',
            ports: [{ containerPort: 80 }],
            resources: { limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '100m' } },
            livenessProbe: { httpGet: { port: 80 } },
            env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }],
          },
        ],
        volumes: [
          { name: 'a' },
          { name: 'b', secret: { secretName: 's' } },
          { name: 'c', projected: { sources: [{ serviceAccountToken: { path: 't' } }] } },
          { name: 'd', hostPath: { path: '/' } },
        ],
      },
    });
    expect(pod.spec).toMatchObject({
      serviceAccount: 'sa',
      containers: [
        {
          imagePullPolicy: 'IfNotPresent',
          ports: [{ containerPort: 80, hostPort: 80, protocol: 'TCP' }],
          resources: { requests: { cpu: '100m', memory: '1Gi' } },
          livenessProbe: {
            httpGet: { path: '/', port: 80, scheme: 'HTTP' },
            timeoutSeconds: 1,
            periodSeconds: 10,
            successThreshold: 1,
            failureThreshold: 3,
          },
          env: [{ valueFrom: { fieldRef: { apiVersion: 'v1' } } }],
        },
      ],
      volumes: [
        { emptyDir: {} },
        { secret: { defaultMode: 420 } },
        { projected: { defaultMode: 420, sources: [{ serviceAccountToken: { expirationSeconds: 3600 } }] } },
        { hostPath: { type: '' } },
      ],
    });
  });
  test('an explicit zero stays', () => {
    const pod = defaulted('Pod', {
      spec: { terminationGracePeriodSeconds: 0, enableServiceLinks: false, containers: [] },
    });
    expect(pod.spec).toMatchObject({ terminationGracePeriodSeconds: 0, enableServiceLinks: false });
  });
  test.each([
    ['nginx', 'Always'],
    ['nginx:latest', 'Always'],
    ['nginx:1.2', 'IfNotPresent'],
    ['registry:5000/nginx', 'Always'],
    ['registry:5000/a/nginx:1', 'IfNotPresent'],
    ['nginx@sha256:abc', 'IfNotPresent'],
    ['nginx:latest@sha256:abc', 'Always'],
  ])('pull policy of %s', (image, policy) => expect(pullPolicyOf(image)).toBe(policy));
});

describe('workloads', () => {
  const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
  test('deployment', () => {
    expect(defaulted('Deployment', { spec: { template } }).spec).toEqual({
      replicas: 1,
      revisionHistoryLimit: 10,
      progressDeadlineSeconds: 600,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } },
      template: {
        ...template,
        spec: { ...TEMPLATE_SPEC, containers: [{ name: 'c', image: 'i', ...CONTAINER }] },
      },
    });
    expect(
      defaulted('Deployment', { spec: { template, strategy: { type: 'Recreate' } } }).spec,
    ).toMatchObject({
      strategy: { type: 'Recreate' },
    });
  });
  test('daemon set, stateful set, cron job', () => {
    expect(defaulted('DaemonSet', { spec: { template } }).spec).toMatchObject({
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } },
    });
    expect(
      defaulted('StatefulSet', { spec: { template, volumeClaimTemplates: [{ spec: {} }] } }).spec,
    ).toMatchObject({
      podManagementPolicy: 'OrderedReady',
      updateStrategy: { rollingUpdate: { partition: 0 } },
      persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' },
      volumeClaimTemplates: [{ kind: 'PersistentVolumeClaim', spec: { volumeMode: 'Filesystem' } }],
    });
    expect(defaulted('CronJob', { spec: { jobTemplate: { spec: { template } } } }).spec).toMatchObject({
      concurrencyPolicy: 'Allow',
      failedJobsHistoryLimit: 1,
      jobTemplate: { spec: { template: { spec: { dnsPolicy: 'ClusterFirst' } } } },
    });
  });
  test('a job gets its selector with its uid', () => {
    const job = defaulted('Job', { metadata: { name: 'j', uid: 'u' }, spec: { template } });
    expect(job).toMatchObject({
      metadata: { labels: { a: 'b' } },
      spec: {
        completions: 1,
        parallelism: 1,
        backoffLimit: 6,
        selector: { matchLabels: { 'batch.kubernetes.io/controller-uid': 'u' } },
        template: { metadata: { labels: { a: 'b', 'job-name': 'j', 'controller-uid': 'u' } } },
      },
    });
    // As upstream shows it: a job without labels has those of its pods.
    const bare = { spec: { containers: [] } };
    expect(
      defaulted('Job', { metadata: { name: 'j', uid: 'u' }, spec: { template: bare } }).metadata?.labels,
    ).toMatchObject({ 'job-name': 'j', 'batch.kubernetes.io/controller-uid': 'u' });
    expect(
      defaulted('Job', { metadata: { name: 'j' }, spec: { template, parallelism: 3 } }).spec,
    ).not.toHaveProperty('selector');
    expect(defaulted('Job', { spec: { template, parallelism: 3 } }).spec).not.toHaveProperty('completions');
  });
});

test('services, policies, bindings, secrets and the rest', () => {
  expect(defaulted('Service', { spec: { ports: [{ port: 80 }] } }).spec).toEqual({
    type: 'ClusterIP',
    sessionAffinity: 'None',
    internalTrafficPolicy: 'Cluster',
    ports: [{ port: 80, targetPort: 80, protocol: 'TCP' }],
  });
  expect(
    defaulted('Service', { spec: { type: 'LoadBalancer', sessionAffinity: 'ClientIP' } }).spec,
  ).toMatchObject({
    externalTrafficPolicy: 'Cluster',
    allocateLoadBalancerNodePorts: true,
    sessionAffinityConfig: { clientIP: { timeoutSeconds: 10800 } },
  });
  expect(defaulted('Service', { spec: { type: 'ExternalName', externalName: 'x' } }).spec).toEqual({
    type: 'ExternalName',
    externalName: 'x',
    sessionAffinity: 'None',
  });
  expect(defaulted('NetworkPolicy', { spec: { egress: [{ ports: [{ port: 53 }] }] } }).spec).toEqual({
    egress: [{ ports: [{ port: 53, protocol: 'TCP' }] }],
    policyTypes: ['Ingress', 'Egress'],
  });
  expect(defaulted('NetworkPolicy', { spec: {} }).spec).toEqual({ policyTypes: ['Ingress'] });
  expect(
    defaulted('RoleBinding', {
      roleRef: { kind: 'Role', name: 'r' },
      subjects: [
        { kind: 'User', name: 'u' },
        { kind: 'ServiceAccount', name: 's' },
      ],
    }),
  ).toEqual({
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'r' },
    subjects: [
      { kind: 'User', name: 'u', apiGroup: 'rbac.authorization.k8s.io' },
      { kind: 'ServiceAccount', name: 's' },
    ],
  });
  expect(defaulted('Secret', { stringData: { a: 'é' }, data: { a: 'b2xk', b: 'YQ==' } })).toEqual({
    type: 'Opaque',
    data: { a: 'w6k=', b: 'YQ==' },
  });
  expect(defaulted('Node', { spec: { podCIDR: '10.0.0.0/24' }, status: { capacity: { cpu: '1' } } })).toEqual(
    {
      spec: { podCIDR: '10.0.0.0/24', podCIDRs: ['10.0.0.0/24'] },
      status: { capacity: { cpu: '1' }, allocatable: { cpu: '1' } },
    },
  );
  expect(defaulted('Node', { spec: { podCIDRs: ['10.0.0.0/24'] } }).spec).toMatchObject({
    podCIDR: '10.0.0.0/24',
  });
  expect(
    defaulted('LimitRange', {
      spec: { limits: [{ type: 'Container', max: { cpu: '1' }, min: { cpu: '100m' } }] },
    }).spec,
  ).toMatchObject({
    limits: [{ default: { cpu: '1' }, defaultRequest: { cpu: '1' } }],
  });
  expect(defaulted('Pod', { status: { podIP: '10.0.0.1', hostIP: '10.1.0.1' } }).status).toEqual({
    podIP: '10.0.0.1',
    podIPs: [{ ip: '10.0.0.1' }],
    hostIP: '10.1.0.1',
    hostIPs: [{ ip: '10.1.0.1' }],
  });
  expect(defaulted('HorizontalPodAutoscaler', { spec: { maxReplicas: 3 } }).spec).toMatchObject({
    minReplicas: 1,
    metrics: [{ resource: { name: 'cpu', target: { averageUtilization: 80 } } }],
  });
  expect(defaulted('Toaster', { spec: {} })).toEqual({ spec: {} });
});
